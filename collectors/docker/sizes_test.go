package docker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

func TestSizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.usage = func(context.Context, string) (usage, error) { return usage{cpu: 1, system: 1}, nil }
		f.runs("1", "web", time.Now())
		f.runs("2", "app", time.Now())
		f.runs("3", "slow", time.Now())
		d := f.containers[id("2")]
		d.state.running = false // what it wrote is on the disk all the same
		f.containers[id("2")] = d
		at, asked := 0, 0
		f.size = func(ctx context.Context, of string) (uint64, error) {
			if at++; at > 1 {
				t.Error("two are measured at once")
			}
			defer func() { at-- }()
			asked++
			if of == id("3") {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			time.Sleep(20 * time.Second)
			return uint64(1000 * asked), nil
		}
		s := NewStats(newCollector(t, Config{}, f), StatsConfig{Sizes: &SizesConfig{Interval: conf.Duration(10 * time.Minute)}})
		look := func(when, fails string) snapshot {
			t.Helper()
			begun := time.Now()
			got, err := sample(t, t.Context(), s)
			if took := time.Since(begun); took != 0 {
				t.Errorf("%s: the snapshot took %v", when, took)
			}
			if (err != nil) != (fails != "") || err != nil && !strings.Contains(err.Error(), fails) {
				t.Errorf("%s: %v, want %q", when, err, fails)
			}
			return got
		}
		const web, app, slow = "container_fs_usage_bytes{web}", "container_fs_usage_bytes{app}", "container_fs_usage_bytes{slow}"
		look("at first", "").none(t, "at first", web, app, slow)
		time.Sleep(21 * time.Second) // those that run first: slow, then web, then app
		look("while the slow one is measured", "").none(t, "while the slow one is measured", web, app, slow)
		time.Sleep(2*time.Minute + 30*time.Second)
		got := look("after the round", "size of slow: not within 2m0s")
		got.want(t, "after the round", snapshot{web: 2000, app: 3000})
		got.none(t, "after the round", slow)
		look("once it was said, for what is missing is judged by snapshots in full", "")
		if asked != 3 {
			t.Errorf("asked %d times in one round", asked)
		}

		// The next round is at its time; a container that is gone is forgotten.
		f.drop(id("3"))
		time.Sleep(10 * time.Minute)
		look("next round", "").want(t, "next round", snapshot{web: 2000, app: 3000})
		time.Sleep(time.Minute)
		look("after the next round", "").want(t, "after the next round", snapshot{web: 4000, app: 5000})
		f.drop(id("1"))
		look("without web", "").none(t, "without web", web)
		if len(s.sizes.known) != 1 {
			t.Errorf("known: %v", s.sizes.known)
		}

		// Closed in a round, it waits for nothing.
		f.runs("3", "slow", time.Now())
		time.Sleep(10 * time.Minute)
		look("another round", "")
		synctest.Wait()
		begun := time.Now()
		if s.Close(); time.Since(begun) > 20*time.Second {
			t.Errorf("closing took %v", time.Since(begun))
		}
	})
}

// The interval may be a day: an engine that is started anew is no error for so long.
func TestSizesOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.usage = func(context.Context, string) (usage, error) { return usage{cpu: 1, system: 1}, nil }
		f.runs("1", "web", time.Now())
		var down, broken atomic.Bool
		var asked atomic.Int64
		down.Store(true)
		f.size = func(context.Context, string) (uint64, error) {
			if asked.Add(1); down.Load() || broken.Load() {
				return 0, errors.New("EOF")
			}
			return 1000, nil
		}
		s := NewStats(newCollector(t, Config{}, f), StatsConfig{Sizes: &SizesConfig{Interval: conf.Duration(24 * time.Hour)}})
		defer s.Close()
		look := func(when, fails string, size bool) {
			t.Helper()
			got, err := sample(t, t.Context(), s)
			if (err != nil) != (fails != "") || err != nil && !strings.Contains(err.Error(), fails) {
				t.Errorf("%s: %v, want %q", when, err, fails)
			}
			if _, ok := got["container_fs_usage_bytes{web}"]; ok != size {
				t.Errorf("%s: the size is there: %t", when, ok)
			}
			synctest.Wait()
		}
		look("at first", "", false)
		look("while the engine is started anew", "", false)
		down.Store(false)
		time.Sleep(31 * time.Second)
		look("it is back", "", true)

		// One that cannot be measured is asked for twice in a round, and said.
		broken.Store(true)
		time.Sleep(24 * time.Hour)
		look("the next day", "", true)
		time.Sleep(31 * time.Second)
		look("after the round", "size of web: EOF", true)
		look("it was said", "", true)
		if asked.Load() != 4 {
			t.Errorf("asked %d times", asked.Load())
		}

		// What was wrong with an engine that went away says nothing of the next one.
		broken.Store(false)
		f.down = errors.New("down")
		look("down", "down", false)
		f.down = nil
		look("back", "", true)
		if asked.Load() != 4 {
			t.Errorf("asked at once, %d times", asked.Load())
		}
		time.Sleep(31 * time.Second)
		look("a while later", "", true)
		if asked.Load() != 5 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

func TestSizeAnswers(t *testing.T) {
	for _, c := range []struct {
		answer http.HandlerFunc
		want   uint64
		err    string
	}{
		{answer: says(`{"Id":"a","SizeRw":4096,"SizeRootFs":8192}`), want: 4096},
		{answer: says(`{"Id":"a","SizeRw":0}`)},
		{answer: says(`{"Id":"a"}`), err: "the answer has none"},
		{answer: says(`{"Id":"a","SizeRw":-1}`), err: "the answer has none"},
		{answer: says(`{"Id":"a","SizeRw":"x"}`), err: "cannot unmarshal"},
		{answer: refuses(404, "No such container: a"), err: errGone.Error()},
		{answer: refuses(500, "broken"), err: "inspect container with its size: Error response from daemon: broken"},
	} {
		n, err := api(t, map[string]http.HandlerFunc{"/containers/a/json": func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("size") != "1" {
				t.Errorf("asked for %s", r.URL)
			}
			c.answer(w, r)
		}}).Size(t.Context(), "a")
		if n != c.want || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%d, %v; want %d, %q", n, err, c.want, c.err)
		}
		if strings.Contains(c.err, errGone.Error()) && !errors.Is(err, errGone) {
			t.Errorf("%v is not errGone", err)
		}
	}
}

func TestSizesConfig(t *testing.T) {
	for section, words := range map[string]string{
		"{}":               "",
		"{interval: 1m}":   "",
		"{interval: 59s}":  "d.yaml:1: sizes.interval: 59s is out of range; write 1m to 24h",
		"{interval: 2d}":   "write 1m to 24h",
		"{interval: fast}": "interval",
	} {
		var c struct {
			Sizes *SizesConfig `yaml:"sizes"`
		}
		d, err := conf.Decode("d.yaml", []byte("sizes: "+section+"\n"), &c, conf.Options{})
		if err == nil {
			err = c.Sizes.Check(d, "sizes")
		}
		if (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v, want %q", section, err, words)
		}
	}
}
