package docker

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// TestStatsOfAnEngine measures containers in each state that there is, and
// compares with what docker stats prints at that time.
func TestStatsOfAnEngine(t *testing.T) {
	t.Parallel()
	e := testenv.Docker(t)
	image := e.Image("box:1")
	e.Run("--name", "busy", "--cpus", "0.5", "--label", "com.docker.compose.project=shop", image, "sh", "-c", "while :; do :; done")
	e.Run("--name", "idle", "--memory", "64m", image, "sh", "-c", "sleep 1000 & sleep 1000 & exec sleep 1000")
	e.Run("--name", "well", "--health-cmd", "true", "--health-interval", "200ms", image, "sleep", "1000")
	e.Run("--name", "sick", "--health-cmd", "false", "--health-interval", "200ms", "--health-retries", "1", image, "sleep", "1000")
	e.Run("--name", "loop", "--restart", "on-failure:2", image, "sh", "-c", "exit 3")
	e.Run("--name", "greedy", "--memory", "16m", "--memory-swap", "16m", image, "sh", "-c", "a=xxxxxxxx; while :; do a=$a$a; done")
	e.Run("--name", "done", image, "sh", "-c", "exit 7")
	e.CLI("create", "--name", "new", "--network", "none", image, "true")
	before := time.Now()
	e.Run("--name", "twice", image, "sleep", "1000")

	c, err := New(Config{Root: e.Root, Host: e.Host}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s := NewStats(c, StatsConfig{Images: true})
	defer s.Close()
	var got snapshot
	within(t, "all is as it will be", func() bool {
		if got, err = sample(t, t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return got["logkeel_container_health{well,healthy}"] == 1 && got["logkeel_container_health{sick,unhealthy}"] == 1 &&
			got["logkeel_container_exit_code{loop}"] == 3 && got["logkeel_container_restarts_total{loop}"] == 2 &&
			got["logkeel_container_exit_code{greedy}"] == 137 && got["logkeel_container_exit_code{done}"] == 7
	})
	got.want(t, "states", snapshot{
		"logkeel_container_running{busy}": 1, "logkeel_container_running{done}": 0, "logkeel_container_running{new}": 0, "logkeel_container_running{loop}": 0,
		"logkeel_container_oom_killed{greedy}": 1, "logkeel_container_oom_killed{busy}": 0,
		"logkeel_container_health{busy,none}": 1, "logkeel_container_health{sick,healthy}": 0,
		"container_spec_memory_limit_bytes{idle}": 64 << 20, "container_spec_memory_limit_bytes{busy}": 0,
		"container_threads{idle}": 3,
	})
	got.none(t, "states", "logkeel_container_exit_code{new}", "container_memory_usage_bytes{done}", "logkeel_container_health{greedy,none}")
	if at := got["container_start_time_seconds{twice}"]; at < float64(before.Unix()) || at > float64(time.Now().Unix()+1) {
		t.Errorf("start time %v, want one between %v and now", at, before)
	}

	// What is measured wrongly is so each time; a machine that is busy is not always.
	wrong := compareStats(t, e, s)
	for end := time.Now().Add(time.Minute); len(wrong) > 0 && time.Now().Before(end); {
		wrong = compareStats(t, e, s)
	}
	for _, w := range wrong {
		t.Error(w)
	}

	e.CLI("restart", "--time", "0", "twice")
	got, err = sample(t, t.Context(), s)
	if err != nil {
		t.Error(err)
	}
	got.none(t, "just started again", "logkeel_container_cpu_percent{twice}")

	e.Kill()
	if got, err := sample(t, t.Context(), s); err == nil || len(got) != 0 || up(c) || !strings.Contains(err.Error(), e.Host) {
		t.Errorf("without the engine: %v, %v, up %v", got, err, up(c))
	}
	e.Start()
	if got, err := sample(t, t.Context(), s); err != nil || !up(c) || len(got) == 0 {
		t.Errorf("once it is back: %d samples, %v, up %v", len(got), err, up(c))
	}
}

// compareStats holds a snapshot against docker stats: memory within a tenth or
// 256 KiB, PIDs exactly, CPU within 20 points of one CPU, for docker takes a
// second's mean and ours is that of the time around it. It returns what differs.
func compareStats(t *testing.T, e *testenv.Engine, s *Stats) (wrong []string) {
	t.Helper()
	first, err := sample(t, t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	printed := e.CLI("stats", "--no-stream", "--format", "{{json .}}", "busy", "idle")
	got, err := sample(t, t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(printed) {
		var p struct{ Name, CPUPerc, MemPerc, MemUsage, PIDs string }
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		near := func(metric string, theirs, tolerance float64) {
			key := metric + "{" + p.Name + "}"
			if ours, ok := got[key]; !ok || math.Abs(ours-theirs) > tolerance {
				wrong = append(wrong, fmt.Sprintf("%s is %v (there: %v), docker stats prints %s", key, ours, ok, strings.TrimSpace(line)))
			}
		}
		usage, _, _ := strings.Cut(p.MemUsage, " / ")
		near("logkeel_container_cpu_percent", percent(t, p.CPUPerc), 20)
		near("container_memory_working_set_bytes", size(t, usage), max(256<<10, size(t, usage)/10))
		near("logkeel_container_memory_percent", percent(t, p.MemPerc), 0.5)
		near("container_processes", percent(t, p.PIDs), 0)
	}
	const cpu = "container_cpu_usage_seconds_total{busy,total}"
	if used := got[cpu] - first[cpu]; used < 0.2 {
		wrong = append(wrong, fmt.Sprintf("the busy container used %v s meanwhile", used))
	}
	if p := got["logkeel_container_cpu_percent{idle}"]; p > 5 {
		wrong = append(wrong, fmt.Sprintf("the idle container uses %v %%", p))
	}
	return wrong
}

func percent(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// size reads what docker prints, as 1.5MiB.
func size(t *testing.T, s string) float64 {
	t.Helper()
	for _, u := range []struct {
		name  string
		bytes float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}} {
		if n, ok := strings.CutSuffix(s, u.name); ok {
			return percent(t, n) * u.bytes
		}
	}
	t.Fatalf("%q is no size", s)
	return 0
}
