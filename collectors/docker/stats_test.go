package docker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// snapshot samples once. Its keys are as name{label="value",...}, without the
// labels that identify the container unless there are several.
type snapshot map[string]float64

func sample(t *testing.T, ctx context.Context, s *Stats) (snapshot, error) {
	t.Helper()
	all := snapshot{}
	form := map[string]string{}
	err := s.Sample(ctx, func(x agent.Sample) {
		var key, names strings.Builder
		for _, l := range x.Labels {
			fmt.Fprintf(&names, "%s,", l.Name)
			if l.Name != "image" && l.Name != "project" && l.Name != "service" {
				fmt.Fprintf(&key, "%s,", l.Value)
			}
		}
		k := x.Name + "{" + strings.TrimSuffix(key.String(), ",") + "}"
		if _, twice := all[k]; twice {
			t.Errorf("%s is there twice", k)
		}
		f := fmt.Sprint(x.Help, x.Type, names.String())
		if old, ok := form[x.Name]; ok && old != f {
			t.Errorf("%s has different forms: %q and %q", x.Name, old, f)
		}
		if (x.Type == agent.Counter) != strings.HasSuffix(x.Name, "_total") {
			t.Errorf("%s has the wrong type", x.Name)
		}
		form[x.Name] = f
		all[k] = x.Value
	})
	return all, err
}

func (s snapshot) want(t *testing.T, when string, want snapshot) {
	t.Helper()
	for k, v := range want {
		if got, ok := s[k]; !ok || math.Abs(got-v) > 1e-9*math.Max(1, math.Abs(v)) {
			t.Errorf("%s: %s is %v (there: %v), want %v", when, k, got, ok, v)
		}
	}
}

func (s snapshot) none(t *testing.T, when string, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if v, ok := s[k]; ok {
			t.Errorf("%s: %s is there, %v", when, k, v)
		}
	}
}

// runs puts a container that runs.
func (f *fake) runs(digit, name string, started time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.containers[id(digit)] = described{
		container: &agent.Container{ID: id(digit), Name: name, Image: "box:1", Project: "shop", Service: name},
		state:     state{running: true, started: started, health: "none"},
	}
}

func second(n uint64) uint64 { return n * 1e9 }

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		started := time.Now().Add(-time.Minute)
		f.runs("1", "web", started)
		f.containers[id("2")] = described{
			container: &agent.Container{ID: id("2"), Name: "job"},
			state:     state{started: started, finished: time.Now(), exitCode: 137, oomKilled: true, restarts: 4, health: "unhealthy"},
		}
		f.containers[id("3")] = described{container: &agent.Container{ID: id("3"), Name: "new"}, state: state{health: "none"}}
		f.put(&agent.Container{ID: id("4"), Name: "ignored", Labels: map[string]string{ignoreLabel: "true"}})
		u := usage{
			cpu: second(10), system: second(1000), cpus: 4, memory: 300, inactiveFile: 100, memoryLimit: 1000, threads: 7, read: 11, written: 12,
			networks: []traffic{{name: "eth0", received: direction{bytes: 21}, transmit: direction{bytes: 22}}, {name: "eth1", received: direction{bytes: 31}, transmit: direction{bytes: 32}}},
		}
		f.usage = func(context.Context, string) (usage, error) { return u, nil }
		s := NewStats(newCollector(t, Config{}, f), StatsConfig{Images: true})
		defer s.Close()

		got, err := sample(t, t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, "at first", snapshot{
			"logkeel_container_running{web}":                  1,
			"logkeel_container_restarts_total{web}":           0,
			"logkeel_container_oom_killed{web}":               0,
			"logkeel_container_health{web,none}":              1,
			"logkeel_container_health{web,healthy}":           0,
			"logkeel_container_health{web,unhealthy}":         0,
			"logkeel_container_health{web,starting}":          0,
			"container_start_time_seconds{web}":               float64(started.Unix()),
			"container_last_seen{web}":                        float64(time.Now().Unix()),
			"container_spec_memory_limit_bytes{web}":          0,
			"container_cpu_usage_seconds_total{web,total}":    10,
			"container_memory_usage_bytes{web}":               300,
			"container_memory_working_set_bytes{web}":         200,
			"logkeel_container_memory_percent{web}":           20,
			"container_processes{web}":                        7,
			"container_threads{web}":                          7,
			"container_fs_reads_bytes_total{web}":             11,
			"container_fs_writes_bytes_total{web}":            12,
			"container_network_receive_bytes_total{web,eth0}": 21, "container_network_transmit_bytes_total{web,eth0}": 22,
			"container_network_receive_bytes_total{web,eth1}": 31, "container_network_transmit_bytes_total{web,eth1}": 32,

			"logkeel_container_running{job}": 0, "logkeel_container_exit_code{job}": 137, "logkeel_container_oom_killed{job}": 1,
			"logkeel_container_restarts_total{job}": 4,
			"logkeel_container_running{new}":        0,
			"logkeel_container_stats_omitted{}":     0,
		})
		got.none(t, "at first", "logkeel_container_cpu_percent{web}", "logkeel_container_exit_code{web}", "logkeel_container_exit_code{new}",
			"logkeel_container_health{job,unhealthy}", "container_memory_usage_bytes{job}", "container_start_time_seconds{job}",
			"container_cpu_usage_seconds_total{job,total}", "logkeel_container_running{ignored}")

		u.cpu, u.system = second(13), second(1010) // 3 s of 10 s on 4 CPUs that are counted together
		got, _ = sample(t, t.Context(), s)
		got.want(t, "busy", snapshot{"logkeel_container_cpu_percent{web}": 120})
		u.system = second(1020)
		got, _ = sample(t, t.Context(), s)
		got.want(t, "idle", snapshot{"logkeel_container_cpu_percent{web}": 0})
		got, _ = sample(t, t.Context(), s)
		got.none(t, "no time has passed", "logkeel_container_cpu_percent{web}")

		// Started again, it has used more by now than it had then.
		f.runs("1", "web", started.Add(time.Hour))
		u.cpu, u.system = second(500), second(2000)
		got, _ = sample(t, t.Context(), s)
		got.none(t, "started again", "logkeel_container_cpu_percent{web}")

		// Between inspect and stats it ended: the engine says 0 of all.
		u = usage{}
		got, err = sample(t, t.Context(), s)
		if err != nil {
			t.Error(err)
		}
		got.want(t, "just ended", snapshot{"logkeel_container_running{web}": 1})
		got.none(t, "just ended", "container_cpu_usage_seconds_total{web,total}", "container_memory_usage_bytes{web}")

		// An engine that cannot read once sends the reading before, too.
		s.Close()
		s = NewStats(s.c, StatsConfig{Images: true})
		u = usage{cpu: second(12), system: second(102), preCPU: second(10), preSystem: second(100), cpus: 2}
		got, _ = sample(t, t.Context(), s)
		got.want(t, "an old engine", snapshot{"logkeel_container_cpu_percent{web}": 200})
	})
}

func TestStatsOfContainersThatGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		for i, name := range []string{"a", "b", "c", "d"} {
			f.runs(fmt.Sprint(i), name, time.Now())
		}
		f.broken[id("0")] = errGone
		f.usage = func(_ context.Context, which string) (usage, error) {
			switch which {
			case id("1"):
				return usage{}, errGone
			case id("2"):
				return usage{}, errors.New("500 server error")
			}
			return usage{cpu: 1, system: 1}, nil
		}
		s := NewStats(newCollector(t, Config{}, f), StatsConfig{Images: true})
		defer s.Close()
		got, err := sample(t, t.Context(), s)
		want := "docker engine " + defaultHost + ": 1 of 4 containers could not be measured in full; c: 500 server error"
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		got.none(t, "gone", "logkeel_container_running{a}", "logkeel_container_running{b}")
		got.want(t, "the others", snapshot{"logkeel_container_running{c}": 1, "logkeel_container_running{d}": 1, "container_threads{d}": 0})

		// Renamed while it was asked for: a page with both would be refused.
		f.runs("2", "d", time.Now())
		f.broken[id("0")], f.broken[id("1")] = errGone, errGone
		got, _ = sample(t, t.Context(), s)
		got.want(t, "a name twice", snapshot{"logkeel_container_running{d}": 1})
	})
}

func TestStatsOfManyContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		for i := range maxMeasured + 20 {
			d := described{
				container: &agent.Container{ID: fmt.Sprintf("%064x", i), Name: fmt.Sprintf("c%03d", i)},
				state:     state{running: i >= 20},
			}
			f.containers[d.container.ID] = d
		}
		var now, most atomic.Int32
		f.usage = func(ctx context.Context, _ string) (usage, error) {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			select {
			case <-time.After(100 * time.Millisecond):
				return usage{cpu: 1, system: 1}, nil
			case <-ctx.Done():
				return usage{}, ctx.Err()
			}
		}
		s := NewStats(newCollector(t, Config{}, f), StatsConfig{Images: true})
		defer s.Close()
		start := time.Now()
		got, err := sample(t, t.Context(), s)
		if err != nil || most.Load() != measurers {
			t.Errorf("%d at once, want %d; %v", most.Load(), measurers, err)
		}
		if took, want := time.Since(start), time.Duration((maxMeasured+measurers-1)/measurers)*100*time.Millisecond; took != want {
			t.Errorf("took %v, want %v", took, want)
		}
		got.want(t, "many", snapshot{"logkeel_container_stats_omitted{}": 20, "logkeel_container_running{c020}": 1, "logkeel_container_running{c319}": 1})
		got.none(t, "many", "logkeel_container_running{c000}", "logkeel_container_running{c019}")

		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		start = time.Now()
		got, err = sample(t, ctx, s)
		if took := time.Since(start); took != 250*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("took %v: %v", took, err)
		}
		got.want(t, "cut short", snapshot{"container_threads{c020}": 0, "logkeel_container_running{c040}": 1})
		got.none(t, "cut short", "container_threads{c040}", "logkeel_container_running{c319}")
		if len(s.before) != maxMeasured {
			t.Errorf("%d readings are kept, want %d", len(s.before), maxMeasured)
		}
		clear(f.containers)
		if _, err := sample(t, t.Context(), s); err != nil || len(s.before) != 0 {
			t.Errorf("%d readings of containers that are gone are kept; %v", len(s.before), err)
		}
	})
}

func TestStatsWithoutEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.runs("1", "web", time.Now())
		f.usage = func(context.Context, string) (usage, error) { return usage{cpu: 1, system: 1}, nil }
		c := newCollector(t, Config{}, f)
		s := NewStats(c, StatsConfig{Images: true})
		for range 2 {
			if got, err := sample(t, t.Context(), s); err != nil || len(got) == 0 || !up(c) {
				t.Errorf("with the engine: %v, %v, up %v", got, err, up(c))
			}
			f.down = errors.New("connection refused")
			got, err := sample(t, t.Context(), s)
			if !errors.Is(err, f.down) || !strings.Contains(err.Error(), defaultHost) || len(got) != 0 || up(c) {
				t.Errorf("without: %v, %v, up %v", got, err, up(c))
			}
			f.down = nil
		}
		if f.closed != 2 {
			t.Errorf("%d of 2 lost connections were closed", f.closed)
		}
		// That the agent is stopped says nothing about the engine.
		sample(t, t.Context(), s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		f.down = ctx.Err()
		if _, err := sample(t, ctx, s); err == nil || !up(c) {
			t.Errorf("stopped: %v, up %v", err, up(c))
		}
		if s.Close() != nil || f.closed != 3 {
			t.Errorf("closed %d times", f.closed)
		}
		s.c.open = func() (engine, error) { return nil, os.ErrPermission }
		if _, err := sample(t, t.Context(), s); !errors.Is(err, os.ErrPermission) {
			t.Error(err)
		}
	})
}

func TestInterfacesAreBounded(t *testing.T) {
	u := usage{}
	for i := range maxInterfaces + 3 {
		u.networks = append(u.networks, traffic{name: fmt.Sprintf("eth%02d", i), received: direction{bytes: 1}, transmit: direction{bytes: 2}})
	}
	var names []string
	sum := 0.0
	u.samples(emitter{yield: func(s agent.Sample) {
		if s.Name == "container_network_transmit_bytes_total" {
			names = append(names, s.Labels[0].Value)
			sum += s.Value
		}
	}})
	if len(names) != maxInterfaces+1 || names[maxInterfaces] != "(other)" || sum != 2*(maxInterfaces+3) {
		t.Errorf("%v, %v bytes", names, sum)
	}
}

// api is an engine that answers each path with what there is for it.
func api(t *testing.T, answers map[string]http.HandlerFunc) engine {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		for path, do := range answers {
			if strings.HasSuffix(r.URL.Path, path) {
				do(w, r)
			}
		}
	}))
	t.Cleanup(srv.Close)
	eng, err := dial("tcp://"+srv.Listener.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	return eng
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }
}

func refuses(code int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"message":%q}`, message)
	}
}

func TestUsageAnswers(t *testing.T) {
	v1 := `{"pids_stats":{"current":3},"blkio_stats":{"io_service_bytes_recursive":[
		{"major":8,"minor":0,"op":"Read","value":100},{"major":8,"minor":0,"op":"Write","value":200},{"op":"Total","value":300},
		{"major":8,"minor":16,"op":"Read","value":1}]},
		"cpu_stats":{"cpu_usage":{"total_usage":11,"percpu_usage":[5,6]},"system_cpu_usage":22},
		"memory_stats":{"usage":1000,"limit":4000,"stats":{"inactive_file":1,"total_inactive_file":300}},
		"networks":{"eth1":{"rx_bytes":3,"tx_bytes":4},"eth0":{"rx_bytes":1,"tx_bytes":2}}}`
	v2 := `{"blkio_stats":{"io_service_bytes_recursive":[{"op":"read","value":7},{"op":"write","value":8}]},
		"cpu_stats":{"cpu_usage":{"total_usage":11},"system_cpu_usage":22,"online_cpus":8},
		"precpu_stats":{"cpu_usage":{"total_usage":9},"system_cpu_usage":20},
		"memory_stats":{"usage":1000,"limit":4000,"stats":{"inactive_file":301}}}`
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   usage
		err    string
	}{
		{name: "cgroup v1", answer: says(v1), want: usage{cpu: 11, system: 22, cpus: 2, memory: 1000, inactiveFile: 300, memoryLimit: 4000, threads: 3, read: 101, written: 200, networks: []traffic{{name: "eth0", received: direction{bytes: 1}, transmit: direction{bytes: 2}}, {name: "eth1", received: direction{bytes: 3}, transmit: direction{bytes: 4}}}}},
		{name: "cgroup v2", answer: says(v2), want: usage{cpu: 11, system: 22, preCPU: 9, preSystem: 20, cpus: 8, memory: 1000, inactiveFile: 301, memoryLimit: 4000, read: 7, written: 8}},
		{name: "blkio is null", answer: says(`{"blkio_stats":{"io_service_bytes_recursive":null}}`)},
		{name: "no number", answer: says(`{"cpu_stats":{"system_cpu_usage":"many"}}`), err: "the answer cannot be read"},
		{name: "negative", answer: says(`{"cpu_stats":{"system_cpu_usage":-1}}`), err: "the answer cannot be read"},
		{name: "nothing", answer: says(``), err: "the answer cannot be read: EOF"},
		{name: "garbage", answer: says(`<html>`), err: "the answer cannot be read"},
		{name: "no end", answer: func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"name":"`)
			for range maxUsage >> 10 {
				fmt.Fprint(w, strings.Repeat("x", 1<<10))
			}
			fmt.Fprint(w, `","cpu_stats":{"system_cpu_usage":1}}`)
		}, err: "the answer cannot be read: unexpected EOF"},
		{name: "gone", answer: refuses(404, "No such container: x"), err: errGone.Error()},
		{name: "broken", answer: refuses(500, "cgroup is not there"), err: "stats of a container: Error response from daemon: cgroup is not there"},
		{name: "a proxy in front", answer: refuses(403, "not allowed"), err: "not allowed; allow the agent GET /containers/{id}/stats"},
	} {
		eng := api(t, map[string]http.HandlerFunc{"/stats": c.answer})
		got, err := eng.Usage(t.Context(), id("1"))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.name, got, err, c.want)
		}
	}
}

func TestInspectAnswers(t *testing.T) {
	answer := func(state string) string {
		return `{"Id":"` + id("1") + `","Name":"/web","RestartCount":3,"HostConfig":{"Memory":64},"Config":{"Image":"box"},"State":` + state + `}`
	}
	day := time.Date(2025, 1, 9, 14, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		name, state string
		want        state
	}{
		{"runs", `{"Running":true,"StartedAt":"2025-01-09T14:30:00Z","FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":"starting"}}`, state{running: true, started: day, health: "starting"}},
		{"ended", `{"ExitCode":137,"OOMKilled":true,"StartedAt":"2025-01-09T14:30:00Z","FinishedAt":"2025-01-09T14:30:00Z"}`, state{exitCode: 137, oomKilled: true, started: day, finished: day, health: "none"}},
		{"restarting", `{"Running":true,"Restarting":true,"ExitCode":1,"StartedAt":"x"}`, state{exitCode: 1, health: "none"}},
		{"not said", `null`, state{}},
	} {
		c.want.restarts = 3
		eng := api(t, map[string]http.HandlerFunc{"/json": says(answer(c.state))})
		d, err := eng.Inspect(t.Context(), id("1"))
		if err != nil || d.state != c.want {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", c.name, d.state, err, c.want)
		}
	}
}

// An engine that takes the connection and says nothing holds nobody up.
func TestStatsEndWithTheirContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := New(Config{Root: t.TempDir(), Host: "tcp://" + l.Addr().String()}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	c.setUp(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	got, err := sample(t, ctx, NewStats(c, StatsConfig{Images: true}))
	if !errors.Is(err, context.DeadlineExceeded) || len(got) != 0 || up(c) {
		t.Errorf("%v, %v, up %v", got, err, up(c))
	}
}
