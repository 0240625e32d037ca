package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// id makes a container id of one digit.
func id(digit string) string { return strings.Repeat(digit, 64) }

// run starts the collector in a bubble; stop ends it and returns its error.
func run(t *testing.T, c *Collector) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, nil) }()
	synctest.Wait()
	return func() error {
		cancel()
		return <-done
	}
}

func newCollector(t *testing.T, cfg Config, f *fake) *Collector {
	t.Helper()
	if cfg.Root == "" {
		cfg.Root = t.TempDir()
	}
	cfg.Host = defaultHost
	c, err := New(cfg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	c.self = ""
	c.open = func() (engine, error) { return f, nil }
	return c
}

// names lists what the table has, as name of each of the ids, "-" for none.
func names(c *Collector, digits string) string {
	var have []string
	for _, d := range digits {
		name := "-"
		if k, ok := c.Container(id(string(d))); ok {
			name = k.Name
		}
		have = append(have, name)
	}
	return strings.Join(have, " ")
}

func metrics(c *Collector) string {
	var b strings.Builder
	c.Meter(func(s agent.Sample) { fmt.Fprintf(&b, "%s %v\n", s.Name, s.Value) })
	return b.String()
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(&agent.Container{ID: id("1"), Name: "one"}, &agent.Container{ID: id("2"), Name: "two"})
		c := newCollector(t, Config{}, f)
		if got, want := metrics(c), "logkeel_docker_up 0\nlogkeel_docker_containers 0\n"; got != want {
			t.Errorf("before it runs:\n%s", got)
		}
		stop := run(t, c)
		check := func(when, want string) {
			t.Helper()
			synctest.Wait()
			if got := names(c, "123"); got != want {
				t.Errorf("%s: have %q, want %q", when, got, want)
			}
		}
		check("at first", "one two -")
		if got, want := metrics(c), "logkeel_docker_up 1\nlogkeel_docker_containers 2\n"; got != want {
			t.Errorf("while it runs:\n%s", got)
		}

		f.put(&agent.Container{ID: id("3"), Name: "three"})
		f.events <- event{kind: changed, id: id("3")}
		check("after create", "one two three")
		f.put(&agent.Container{ID: id("1"), Name: "uno"})
		f.events <- event{kind: changed, id: id("1")}
		check("after rename", "uno two three")
		f.drop(id("2"))
		f.events <- event{kind: removed, id: id("2")}
		check("after destroy", "uno - three")
		f.drop(id("3"))
		f.events <- event{kind: changed, id: id("3")} // gone before it was asked for
		check("after a create that was gone at once", "uno - -")

		if err := stop(); err != nil {
			t.Errorf("Run returned %v when it was told to stop", err)
		}
	})
}

func TestEngineLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(&agent.Container{ID: id("1"), Name: "one"}, &agent.Container{ID: id("2"), Name: "two"})
		c := newCollector(t, Config{}, f)
		done := make(chan error)
		go func() { done <- c.Run(t.Context(), nil) }()
		synctest.Wait()
		f.breaks <- io.ErrUnexpectedEOF
		err := <-done
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "docker engine "+defaultHost) {
			t.Errorf("Run returned %v", err)
		}
		if got := names(c, "12"); got != "one two" {
			t.Errorf("after the loss: have %q", got)
		}
		if got, want := metrics(c), "logkeel_docker_up 0\nlogkeel_docker_containers 2\n"; got != want {
			t.Errorf("after the loss:\n%s", got)
		}

		// Still away: the table stays.
		f.down = errors.New("connection refused")
		if err := c.Run(t.Context(), nil); !errors.Is(err, f.down) {
			t.Errorf("Run returned %v", err)
		}
		if got := names(c, "12"); got != "one two" {
			t.Errorf("while it is away: have %q", got)
		}

		// Back, and other containers are there.
		f.down = nil
		f.drop(id("1"))
		f.put(&agent.Container{ID: id("2"), Name: "zwei"})
		f.put(&agent.Container{ID: id("3"), Name: "three"})
		stop := run(t, c)
		if got := names(c, "123"); got != "- zwei three" {
			t.Errorf("when it is back: have %q", got)
		}
		stop()
	})
}

func TestResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(&agent.Container{ID: id("1"), Name: "one"}, &agent.Container{ID: id("2"), Name: "two"})
		c := newCollector(t, Config{}, f)
		stop := run(t, c)
		defer stop()
		before, _ := c.Container(id("1"))

		// No event tells of any of this.
		f.put(&agent.Container{ID: id("2"), Name: "zwei"})
		f.put(&agent.Container{ID: id("3"), Name: "three"})
		asked := func() int {
			f.mu.Lock()
			defer f.mu.Unlock()
			return len(f.inspected)
		}
		first := asked()
		time.Sleep(resyncEvery)
		synctest.Wait()
		if got := names(c, "123"); got != "one zwei three" {
			t.Errorf("after a resync: have %q", got)
		}
		if n := asked() - first; n != 2 {
			t.Errorf("a resync asked for %d containers, not for the two that changed", n)
		}
		f.events <- event{kind: changed, id: id("1")} // a start: nothing of it has changed
		synctest.Wait()
		if after, _ := c.Container(id("1")); after != before {
			t.Error("a container that did not change has a new pointer")
		}
	})
}

func TestInspectFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(&agent.Container{ID: id("1"), Name: "one"}, &agent.Container{ID: id("2"), Name: "two"})
		f.broken[id("1")] = errors.New("500 server error")
		c := newCollector(t, Config{}, f)
		var log bytes.Buffer
		c.trouble = agent.NewTrouble(slog.New(slog.NewTextHandler(&log, nil)))
		stop := run(t, c)
		defer stop()
		if got := names(c, "12"); got != "- two" {
			t.Errorf("have %q: one broken container must not hide the other", got)
		}
		time.Sleep(3 * resyncEvery)
		synctest.Wait()
		if n := strings.Count(log.String(), "500 server error"); n != 1 {
			t.Errorf("it was said %d times:\n%s", n, &log)
		}
		f.mu.Lock()
		delete(f.broken, id("1"))
		f.mu.Unlock()
		time.Sleep(resyncEvery)
		synctest.Wait()
		if got := names(c, "12"); got != "one two" {
			t.Errorf("once it is well: have %q", got)
		}
		if !strings.Contains(log.String(), "all containers can be inspected again") {
			t.Errorf("its end was not said:\n%s", &log)
		}
	})
}

func TestInspectHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(&agent.Container{ID: id("1"), Name: "one"})
		f.broken[id("1")] = fmt.Errorf("inspect: %w", context.DeadlineExceeded)
		c := newCollector(t, Config{}, f)
		// Ten seconds for each of many containers would be no start at all.
		if err := c.Run(t.Context(), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	f := newFake(&agent.Container{ID: id("1"), Name: "one"})
	c := newCollector(t, Config{}, f)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx, nil) })
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if k, ok := c.Container(id("1")); ok {
					c.Wanted(k)
				}
				c.Container(id("2"))
				metrics(c)
			}
		})
	}
	for i := range 500 {
		f.put(&agent.Container{ID: id("1"), Name: fmt.Sprint("one", i)})
		f.events <- event{kind: changed, id: id("1")}
		f.events <- event{kind: removed, id: id("1")}
	}
	cancel()
	wg.Wait()
}

func TestNew(t *testing.T) {
	for _, c := range []struct{ host, env, want, err string }{
		{want: "unix:///var/run/docker.sock"},
		{env: "tcp://10.0.0.1:2375", want: "tcp://10.0.0.1:2375"},
		{host: "unix:///run/other.sock", env: "tcp://10.0.0.1:2375", want: "unix:///run/other.sock"},
		{host: "/var/run/docker.sock", err: "host: unable to parse docker host `/var/run/docker.sock`; write unix:///path/of/docker.sock or tcp://host:port"},
		{host: "ssh://build", err: `host: "ssh://build": ssh is not supported; write unix:///path/of/docker.sock or tcp://host:port`},
		{env: "nonsense", err: "$DOCKER_HOST: unable to parse docker host `nonsense`; write unix:///path/of/docker.sock or tcp://host:port"},
	} {
		t.Setenv("DOCKER_HOST", c.env)
		got, err := New(Config{Host: c.host}, quiet)
		switch {
		case err != nil:
			if err.Error() != c.err {
				t.Errorf("host %q, DOCKER_HOST %q: error %q, want %q", c.host, c.env, err, c.err)
			}
		case got.host != c.want:
			t.Errorf("host %q, DOCKER_HOST %q: %q, want %q", c.host, c.env, got.host, c.want)
		}
	}
}

func TestWanted(t *testing.T) {
	web := &agent.Container{ID: id("1"), Name: "shop-web-1", Image: "registry.example/nginx:1.27", Project: "shop", Service: "web", Labels: map[string]string{"tier": "front"}}
	for _, c := range []struct {
		name             string
		include, exclude Selectors
		labels           map[string]string
		want             bool
	}{
		{name: "all", want: true},
		{name: "service", include: Selectors{{"service": {"web"}}}, want: true},
		{name: "another service", include: Selectors{{"service": {"db"}}}},
		{name: "one of two values", include: Selectors{{"service": {"db", "web"}}}, want: true},
		{name: "one of two entries", include: Selectors{{"service": {"db"}}, {"project": {"shop"}}}, want: true},
		{name: "one of two keys", include: Selectors{{"service": {"web"}, "project": {"other"}}}},
		{name: "both keys", include: Selectors{{"service": {"web"}, "project": {"shop"}}}, want: true},
		{name: "glob over slashes", include: Selectors{{"image": {"*/nginx:*"}}}, want: true},
		{name: "container", include: Selectors{{"container": {"shop-*"}}}, want: true},
		{name: "any label", include: Selectors{{"tier": {"fr?nt"}}}, want: true},
		{name: "a label that is not there", include: Selectors{{"team": {"*"}}}},
		{name: "an entry without keys", include: Selectors{{}}},
		{name: "excluded", exclude: Selectors{{"service": {"web"}}}},
		{name: "included and excluded", include: Selectors{{"project": {"shop"}}}, exclude: Selectors{{"service": {"w*"}}}},
		{name: "another one excluded", exclude: Selectors{{"service": {"db"}}}, want: true},
		{name: "ignored", labels: map[string]string{"logkeel.ignore": "true"}, include: Selectors{{"project": {"shop"}}}},
		{name: "not ignored", labels: map[string]string{"logkeel.ignore": "false"}, want: true},
	} {
		k := *web
		if c.labels != nil {
			k.Labels = c.labels
		}
		col := newCollector(t, Config{Include: c.include, Exclude: c.exclude}, newFake())
		if got := col.Wanted(&k); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOwnContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own, app := &agent.Container{ID: id("a"), Name: "logkeel"}, &agent.Container{ID: id("b"), Name: "app"}
		f := newFake(own, app)
		c := newCollector(t, Config{}, f)
		c.self = id("a")
		stop := run(t, c)
		if c.Wanted(own) || !c.Wanted(app) {
			t.Error("of the agent's own container and another one, only the other one is wanted")
		}
		stop()

		// Now /etc/hostname may be app's, lent to the agent together with its network.
		f.mu.Lock()
		f.containers[id("a")] = described{container: own, network: id("b")}
		f.mu.Unlock()
		c.self = id("b")
		stop = run(t, c)
		defer stop()
		if !c.Wanted(app) {
			t.Error("a container that lends its network is taken for the agent's own")
		}
	})
}

func TestLabels(t *testing.T) {
	full := Labels(&agent.Container{Name: "shop-web-1", Image: "nginx", Project: "shop", Service: "web"})
	want := []agent.Label{{Name: "container", Value: "shop-web-1"}, {Name: "image", Value: "nginx"}, {Name: "project", Value: "shop"}, {Name: "service", Value: "web"}}
	if !reflect.DeepEqual(full, want) {
		t.Errorf("all labels: %v", full)
	}
	if got := Labels(&agent.Container{Image: "nginx"}); !reflect.DeepEqual(got, want[1:2]) {
		t.Errorf("an image only: %v", got)
	}
	if got := Labels(&agent.Container{}); len(got) != 0 {
		t.Errorf("nothing known: %v", got)
	}
}
