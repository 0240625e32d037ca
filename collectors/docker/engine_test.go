package docker

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// within waits until what holds; events of a real engine take their time.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// restarted runs the collector as the agent does: again after each error.
func restarted(t *testing.T, c *Collector) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c.Run(ctx, nil) != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func up(c *Collector) bool { return strings.Contains(metrics(c), "logkeel_docker_up 1") }

func TestEngine(t *testing.T) {
	t.Parallel()
	e := testenv.Docker(t)
	image := e.Image("box:1")
	compose := func(name, service string) string {
		return e.Run("--name", name, "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service="+service,
			"--label", "tier=front", image, "sleep", "1000")
	}
	web := compose("shop-web-1", "web")

	c, err := New(Config{Root: e.Root, Host: e.Host, Exclude: Selectors{{"service": {"cron"}}}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	fallback, err := New(Config{Root: e.Root, Host: "unix:///nowhere/docker.sock"}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := fallback.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "unix:///nowhere/docker.sock") {
		t.Errorf("Run without an engine returned %v", err)
	}
	restarted(t, c)
	within(t, "the engine is up", func() bool { return up(c) })

	inTable := func(id string) *agent.Container {
		c.mu.RLock()
		defer c.mu.RUnlock()
		return c.table[id]
	}
	k := inTable(web)
	if k == nil || k.Name != "shop-web-1" || k.Image != "box:1" || k.Project != "shop" || k.Service != "web" || k.Labels["tier"] != "front" || !c.Wanted(k) {
		t.Fatalf("the container is known as %+v", k)
	}
	// same: the files give the answer that the engine gave.
	same := func(id string) {
		t.Helper()
		fromFile, ok := fallback.Container(id)
		if engine := inTable(id); !ok || !reflect.DeepEqual(fromFile, engine) {
			t.Errorf("the files say %+v, the engine said %+v", fromFile, engine)
		}
	}
	same(web)

	cron := compose("shop-cron-1", "cron")
	within(t, "a new container is known, with its log", func() bool { k := inTable(cron); return k != nil && k.LogPath != "" })
	if c.Wanted(inTable(cron)) {
		t.Error("an excluded container is wanted")
	}
	same(cron)

	e.CLI("rename", "shop-web-1", "shop-web-old")
	within(t, "a renamed container is known by its new name", func() bool { return inTable(web).Name == "shop-web-old" })
	same(web)

	e.CLI("rm", "--force", cron)
	within(t, "a removed container is not known", func() bool { _, ok := c.Container(cron); return !ok })

	e.Stop()
	within(t, "the engine is down", func() bool { return !up(c) })
	if k, ok := c.Container(web); !ok || k.Name != "shop-web-old" {
		t.Errorf("without the engine the container is known as %+v", k)
	}
	same(web)

	e.Start()
	within(t, "the engine is up again", func() bool { return up(c) })
	api := compose("shop-api-1", "api")
	within(t, "a container made after the restart is known", func() bool { return inTable(api) != nil })
	e.CLI("start", web)
	if k := inTable(web); k == nil || k.Name != "shop-web-old" {
		t.Errorf("after the restart the container is known as %+v", k)
	}

	e.Kill()
	within(t, "the engine is down", func() bool { return !up(c) })
	e.Start()
	within(t, "the engine is up again", func() bool { return up(c) })
	if inTable(web) == nil || inTable(api) == nil {
		t.Error("after a crash of the engine a container is not known")
	}
}

// TestEngineOwnContainer finds the id of a real container from within, and the
// container whose network another one shares.
func TestEngineOwnContainer(t *testing.T) {
	t.Parallel()
	e := testenv.Docker(t)
	image := e.Image("box:1")
	app := e.Run("--name", "app", image, "sh", "-c", "cat /proc/self/mountinfo; exec sleep 1000")
	mate := e.Run("--name", "mate", "--network", "container:app", image, "sh", "-c", "cat /proc/self/mountinfo; exec sleep 1000")
	for _, container := range []string{app, mate} {
		var id string
		within(t, "the container says its mounts", func() bool {
			id = ownContainer(strings.NewReader(e.CLI("logs", container)))
			return id != ""
		})
		if id != app {
			t.Errorf("in container %s the own id is %s, want that of app, %s", container, id, app)
		}
	}
	c, err := New(Config{Root: e.Root, Host: e.Host}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	restarted(t, c)
	within(t, "the engine is up", func() bool { return up(c) })
	c.self = app
	if k, _ := c.Container(app); k == nil || !c.Wanted(k) {
		t.Error("a container that lends its network is taken for the agent's own")
	}
	e.CLI("rm", "--force", mate)
	within(t, "alone, app is the agent's own", func() bool { k, ok := c.Container(app); return ok && !c.Wanted(k) })
}
