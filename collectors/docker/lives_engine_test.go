package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// TestEndsOfAnEngine ends containers in all the ways there are: only those that
// end by themselves have crashed.
func TestEndsOfAnEngine(t *testing.T) {
	t.Parallel()
	e := testenv.Docker(t)
	image := e.Image("box:1")
	c, err := New(Config{Root: e.Root, Host: e.Host}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	restarted(t, c)
	within(t, "the engine is up", func() bool { return up(c) })
	s := NewStats(c, StatsConfig{Images: true})
	defer s.Close()

	const obeys = "trap 'exit 5' TERM; trap : HUP; while :; do sleep 0.05; done"
	for _, name := range []string{"stopped", "killed", "again", "removed", "hung-up", "deaf"} {
		script := obeys
		if name == "deaf" {
			script = "trap : TERM; while :; do sleep 0.05; done"
		}
		e.Run("--name", name, image, "sh", "-c", script)
	}
	e.Run("--name", "quits", "--stop-signal", "SIGUSR1", image, "sh", "-c", "trap 'exit 6' USR1; while :; do sleep 0.05; done")
	e.Run("--name", "crash", image, "sh", "-c", "exit 3")
	e.Run("--name", "fine", image, "true")
	e.Run("--name", "loop", "--restart", "on-failure:4", image, "sh", "-c", "exit 4")
	e.Run("--name", "greedy", "--memory", "16m", "--memory-swap", "16m", image, "sh", "-c", "a=xxxxxxxx; while :; do a=$a$a; done")
	e.Run("--name", "one-off", "--label", "com.docker.compose.oneoff=True", image, "sh", "-c", "exit 1")
	e.CLI("stop", "stopped", "deaf", "quits")
	e.CLI("kill", "killed")
	e.CLI("restart", "again")
	e.CLI("rm", "--force", "removed")
	e.CLI("kill", "--signal", "HUP", "hung-up")

	var got snapshot
	within(t, "all ends are counted", func() bool {
		if got, err = sample(t, t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return got["logkeel_container_crashes_total{crash}"] == 1 && got["logkeel_container_crashes_total{loop}"] == 5 && got["logkeel_container_crashed{loop}"] == 1 &&
			got["logkeel_container_crashes_total{greedy}"] == 1 && got["container_oom_events_total{greedy}"] >= 1 &&
			got["logkeel_container_last_exit_code{stopped}"] == 5 && got["logkeel_container_last_exit_code{again}"] == 5
	})
	for name, code := range map[string]float64{"stopped": 5, "killed": 137, "again": 5, "deaf": 137, "quits": 6, "fine": 0} {
		got.want(t, "asked for", snapshot{
			"logkeel_container_crashes_total{" + name + "}": 0, "logkeel_container_crashed{" + name + "}": 0,
			"logkeel_container_last_exit_code{" + name + "}": code, "container_oom_events_total{" + name + "}": 0,
		})
	}
	got.want(t, "by themselves", snapshot{
		"logkeel_container_crashed{crash}": 1, "logkeel_container_crashed{greedy}": 1,
		"logkeel_container_last_exit_code{crash}": 3, "logkeel_container_last_exit_code{greedy}": 137,
		"logkeel_container_crashes_total{hung-up}": 0, "logkeel_container_crashed{hung-up}": 0,
		"logkeel_container_crashes_total{one-off}": 0,
		"logkeel_container_state{crash,exited}":    1, "logkeel_container_state{hung-up,running}": 1, "logkeel_container_state{hung-up,exited}": 0,
		"logkeel_container_recreated_total{crash}": 0,
	})
	if n := got["container_oom_events_total{greedy}"]; n > 2 {
		t.Errorf("%v OOM kills of one", n)
	}

	// The signal to read the configuration anew was no request to end.
	e.CLI("exec", "hung-up", "kill", "-TERM", "1")
	within(t, "an end from within is a crash", func() bool {
		got, _ = sample(t, t.Context(), s)
		return got["logkeel_container_crashes_total{hung-up}"] == 1 && got["logkeel_container_crashed{hung-up}"] == 1
	})
	e.CLI("start", "hung-up")
	within(t, "it runs again", func() bool {
		got, _ = sample(t, t.Context(), s)
		return got["logkeel_container_crashed{hung-up}"] == 0 && got["logkeel_container_crashes_total{hung-up}"] == 1
	})
	// The same by hand as Compose does it: another container of that name.
	e.CLI("rm", "--force", "crash")
	e.Run("--name", "crash", image, "sleep", "1000")
	within(t, "it is made anew", func() bool {
		got, _ = sample(t, t.Context(), s)
		return got["logkeel_container_recreated_total{crash}"] == 1 && got["logkeel_container_running{crash}"] == 1
	})
	got.want(t, "made anew", snapshot{"logkeel_container_crashes_total{crash}": 1, "logkeel_container_crashed{crash}": 0})
}

// TestComposeUp changes a service and has Compose put it up again: that is no end
// that anybody should be told of.
func TestComposeUpOfAnEngine(t *testing.T) {
	t.Parallel()
	e := testenv.Docker(t)
	e.Image("box:1")
	c, err := New(Config{Root: e.Root, Host: e.Host}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	restarted(t, c)
	within(t, "the engine is up", func() bool { return up(c) })
	s := NewStats(c, StatsConfig{Images: true})
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "shop")
	compose := composeCommand(t, e, dir)

	compose("first")
	for i, version := range []string{"second", "third"} {
		compose(version)
		var got snapshot
		within(t, "the container is made anew", func() bool {
			if got, err = sample(t, t.Context(), s); err != nil {
				t.Fatal(err)
			}
			return got["logkeel_container_recreated_total{shop_web_1}"] == float64(i+1) && got["logkeel_container_running{shop_web_1}"] == 1
		})
		got.want(t, version, snapshot{
			"logkeel_container_crashes_total{shop_web_1}": 0, "logkeel_container_crashed{shop_web_1}": 0,
			"logkeel_container_start_loop{shop_web_1}": 0, "logkeel_container_restarts_total{shop_web_1}": 0,
		})
	}
}

// composeCommand returns what puts the service web up with that version. Without
// Compose it does by hand what that does.
func composeCommand(t *testing.T, e *testenv.Engine, dir string) func(version string) {
	labels := []string{"--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web", "--label", "com.docker.compose.container-number=1", "--label", "com.docker.compose.oneoff=False"}
	old := ""
	byHand := func(version string) {
		if old == "" {
			old = e.Run(append(labels, "--name", "shop_web_1", "box:1", "sleep", "1000")...)
			return
		}
		e.CLI("stop", old)
		e.CLI("rename", old, old[:12]+"_shop_web_1")
		id := e.Run(append(labels, "--name", "shop_web_1", "--env", "VERSION="+version, "box:1", "sleep", "1000")...)
		e.CLI("rm", old)
		old = id
	}
	tool, err := exec.LookPath("docker-compose")
	if err != nil {
		return byHand
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "docker-compose.yml")
	return func(version string) {
		text := "version: '3'\nservices:\n  web:\n    image: box:1\n    network_mode: none\n    command: sleep 1000\n    stop_grace_period: 1s\n    environment: {VERSION: " + version + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(tool, "--file", file, "up", "--detach")
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host, "DOCKER_TLS_VERIFY=", "COMPOSE_PROJECT_NAME=shop", "COMPOSE_COMPATIBILITY=true", "HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("docker-compose: %v\n%s", err, out)
		}
	}
}
