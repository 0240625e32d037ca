package silence

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

func labels(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestAddAndEnd(t *testing.T) {
	b, now := Open(t.TempDir()), time.Now()
	s, err := b.Add(`rule="Slow", service=~"d.*"`, now, time.Hour, "ann", "disk\xff")
	if err != nil {
		t.Fatal(err)
	}
	if !s.Matches(labels(map[string]string{"rule": "Slow", "service": "db"})) || s.Matches(labels(map[string]string{"rule": "Slow"})) {
		t.Error("it matches something else")
	}
	if _, err := b.Add(OfHandle("1f0c9a3e"), now, time.Minute, "", ""); err != nil {
		t.Fatal(err)
	}
	all, err := b.List()
	if err != nil || len(all) != 2 || all[0].ID != s.ID || all[0].By != "ann" || all[0].Comment != "disk\ufffd" || !all[0].Until.Equal(s.Until) {
		t.Fatalf("%+v, %v", all, err)
	}
	if all[0].ID == all[1].ID || !all[0].Active(now) || all[0].Active(now.Add(time.Hour)) {
		t.Errorf("%+v", all)
	}
	for _, want := range []int{1, 0} {
		ended, err := b.End(now.Add(time.Second), func(e *Silence) bool { return e.ID == s.ID })
		if err != nil || len(ended) != want {
			t.Errorf("ended %+v, %v", ended, err)
		}
	}
	// What ended is listed for a day.
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{KeepEnded, 3}, {KeepEnded + 2*time.Minute, 2}} {
		if _, err := b.Add(`rule="x"`, now.Add(c.after), time.Hour, "", ""); err != nil {
			t.Fatal(err)
		}
		if all, err := b.List(); err != nil || len(all) != c.want {
			t.Errorf("after %s there are %d, want %d: %v", c.after, len(all), c.want, err)
		}
	}
}

// Whoever owns the folder cannot have root, who runs the command, write or give
// away what links in it lead to.
func TestLinks(t *testing.T) {
	for _, name := range []string{lockName, fileName + ".new"} {
		dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
		if err := os.WriteFile(victim, []byte("as it was"), 0o600); err != nil {
			t.Fatal(err)
		}
		owner := os.Getuid()
		if owner == 0 {
			owner = 12345
			if err := os.Chown(dir, owner, owner); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir).Add(`rule="x"`, time.Now(), time.Hour, "", "")
		if (err != nil) != (name == lockName) {
			t.Errorf("%s: %v", name, err)
		}
		text, err := os.ReadFile(victim)
		if err != nil || string(text) != "as it was" {
			t.Errorf("%s: the other file has %q, %v", name, text, err)
		}
		info, err := os.Stat(victim)
		if err != nil {
			t.Fatal(err)
		}
		if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != os.Getuid() {
			t.Errorf("%s: the other file is given to %d", name, uid)
		}
		if name == lockName {
			continue
		}
		made, err := os.Lstat(filepath.Join(dir, fileName))
		if err != nil || !made.Mode().IsRegular() || int(made.Sys().(*syscall.Stat_t).Uid) != owner {
			t.Errorf("%s: what was made is %v, %v", name, made, err)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	b, now := Open(t.TempDir()), time.Now()
	for _, c := range []struct {
		text string
		d    time.Duration
		want string
	}{
		{`rule="x"`, 0, "0s is out of range; write 1s to 90d"},
		{`rule="x"`, MaxFor + 1, "out of range"},
		{`rule=x`, time.Hour, "column 6: expected a value in double quotes"},
		{``, time.Hour, "it has no matchers"},
	} {
		if _, err := b.Add(c.text, now, c.d, "", ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
	if _, err := b.Add(`rule="x"`, now, time.Hour, "", strings.Repeat("x", 501)); err == nil {
		t.Error("any comment is taken")
	}
	if err := os.WriteFile(b.path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(`rule="x"`, now, time.Hour, "", ""); err == nil || !strings.Contains(err.Error(), "mend it, or remove it") {
		t.Errorf("a broken file: %v", err)
	}
	if text, _ := os.ReadFile(b.path()); string(text) != "{" {
		t.Errorf("it was written over: %s", text)
	}
}

// TestBound: those that are over make room.
func TestBound(t *testing.T) {
	b, now := Open(t.TempDir()), time.Now()
	full := make([]Silence, MaxSilences)
	for i := range full {
		full[i] = Silence{ID: "a", Matchers: `rule="x"`, From: now, Until: now.Add(time.Hour)}
	}
	full[7].Until = now
	fill := func([]Silence) ([]Silence, error) { return full, nil }
	if err := b.change(now, fill); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(`rule="y"`, now, time.Hour, "", ""); err != nil {
		t.Errorf("one is over: %v", err)
	}
	if _, err := b.Add(`rule="z"`, now, time.Hour, "", ""); err == nil || !strings.Contains(err.Error(), "there are 1000 silences already") {
		t.Errorf("got %v", err)
	}
}

// TestTogether: commands that run at a time lose nothing of each other.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := Open(dir).Add(`rule="x"`, time.Now(), time.Hour, "", ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all, err := Open(dir).List(); err != nil || len(all) != 20 {
		t.Errorf("%d silences, %v", len(all), err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 2 {
		t.Errorf("there are %v", names)
	}
	if info, err := os.Stat(filepath.Join(dir, fileName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := Open(t.TempDir())
		w := NewWatch(b.dir, agent.NewTrouble(slog.New(slog.NewTextHandler(&log, nil))))
		get := labels(map[string]string{"rule": "x"})
		expect := func(want bool) {
			t.Helper()
			w.Refresh()
			silenced := w.Now()
			if got := silenced != nil && silenced(get); got != want {
				t.Errorf("silenced: %v, want %v", got, want)
			}
		}
		expect(false)
		if _, err := b.Add(`rule="x"`, time.Now(), time.Minute, "", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(Poll)
		expect(true)
		time.Sleep(time.Minute)
		expect(false)
		if _, err := b.Add(`rule=~"x|y"`, time.Now(), time.Hour, "", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(Poll)
		expect(true)
		for range 3 {
			if err := os.WriteFile(b.path(), []byte("nonsense"), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(Poll)
			expect(true) // the last that could be read
		}
		if n := strings.Count(log.String(), "cannot be read"); n != 1 {
			t.Errorf("said %d times:\n%s", n, &log)
		}
		count := -1.0
		w.Meter(func(s agent.Sample) { count = s.Value })
		if count != 1 {
			t.Errorf("%v silences are counted", count)
		}
		if err := os.Remove(b.path()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(Poll)
		expect(false)
		if !strings.Contains(log.String(), "can be read again") {
			t.Errorf("not said:\n%s", &log)
		}
	})
}

// FuzzParse: whatever is in the file, it is an error or can be written again.
func FuzzParse(f *testing.F) {
	f.Add(`{"silences":[{"id":"a","matchers":"rule=\"x\"","from":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}]}`)
	f.Add(`{"silences":[{"matchers":"rule=~\"(\""}]}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parse([]byte(text))
		if err != nil {
			return
		}
		for i := range all {
			all[i].Active(time.Unix(1e9, 0))
			all[i].Matches(func(name string) string { return name })
		}
	})
}
