package redis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// recorded are the records of the last snapshot that have this member, without the
// members that differ from run to run.
func recorded(s *Sampler, member string) []string {
	var all []string
	s.Records(func(fields []agent.Field) {
		text, has := "", false
		for _, f := range fields {
			has = has || f.Name == member
			switch f.Name {
			case "slowlog_time", "duration_seconds", "client":
			default:
				text += fmt.Sprintf(" %s=%v", f.Name, f.Value)
			}
		}
		if has {
			all = append(all, strings.TrimSpace(text))
		}
	})
	return all
}

func wantRecords(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func slowlogOf(t *testing.T, srv *testenv.RedisServer, arguments bool) (*Sampler, func() map[string]float64) {
	s := newSampler(t, Config{Name: "r", Address: srv.Addr, Slowlog: Slowlog{Entries: true, Arguments: arguments}})
	return s, func() map[string]float64 {
		t.Helper()
		got, err := take(t, s)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
}

// slow takes longer than the second from which on it is in the log: no other command
// does, not even on a busy machine.
func slow(srv *testenv.RedisServer) { srv.CLI("DEBUG", "SLEEP", "1.1") }

func TestSlowlogEntries(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t, append(debugging(t), "--slowlog-log-slower-than", "1000000")...)
	slow(srv)
	s, snapshot := slowlogOf(t, srv, false)
	got := snapshot()
	if got["redis_slowlog_length"] != 1 || got["redis_slowlog_last_id"] != 0 || got["redis_last_slow_execution_duration_seconds"] < 1 {
		t.Errorf("length %v, id %v, %v s", got["redis_slowlog_length"], got["redis_slowlog_last_id"], got["redis_last_slow_execution_duration_seconds"])
	}
	wantRecords(t, "what was there before", recorded(s, "slowlog_id"))
	slow(srv)
	slow(srv)
	got = snapshot()
	wantSeries(t, got, []string{"logkeel_redis_slow", "redis_slowlog", "redis_last_slow"}, map[string]float64{
		`logkeel_redis_slow_commands_total{cmd="debug"}`: 2, "redis_slowlog_length": 3, "redis_slowlog_last_id": 2, "logkeel_redis_slowlog_missed_total": 0,
		`logkeel_redis_slow_commands_seconds_total{cmd="debug"}`: got[`logkeel_redis_slow_commands_seconds_total{cmd="debug"}`],
		"redis_last_slow_execution_duration_seconds":             got["redis_last_slow_execution_duration_seconds"],
	})
	if v := got[`logkeel_redis_slow_commands_seconds_total{cmd="debug"}`]; v < 2 || v > 60 {
		t.Errorf("they took %v s", v)
	}
	wantRecords(t, "the entries", recorded(s, "slowlog_id"), "slowlog_id=1 cmd=debug client_name=", "slowlog_id=2 cmd=debug client_name=")
	got = snapshot()
	wantRecords(t, "nothing is new", recorded(s, "slowlog_id"))
	if got[`logkeel_redis_slow_commands_total{cmd="debug"}`] != 2 {
		t.Error("entries are counted twice")
	}
	srv.CLI("SLOWLOG", "RESET")
	slow(srv)
	if snapshot()[`logkeel_redis_slow_commands_total{cmd="debug"}`] != 3 {
		t.Error("after SLOWLOG RESET one is new")
	}
	srv.Stop()
	srv.Start() // it counts from 0
	slow(srv)
	slow(srv)
	if got = snapshot(); got[`logkeel_redis_slow_commands_total{cmd="debug"}`] != 5 || got["redis_slowlog_last_id"] != 1 {
		t.Errorf("after a restart %v are counted, id %v", got[`logkeel_redis_slow_commands_total{cmd="debug"}`], got["redis_slowlog_last_id"])
	}
	srv.CLI("SLOWLOG", "RESET")
	if got = snapshot(); got["redis_slowlog_length"] != 0 {
		t.Errorf("length %v", got["redis_slowlog_length"])
	}
	if _, ok := got["redis_slowlog_last_id"]; ok {
		t.Error("an empty slow log has a last id")
	}
}

func TestSlowlogArguments(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t, "--slowlog-log-slower-than", "0")
	s, snapshot := slowlogOf(t, srv, true)
	snapshot()
	srv.CLI("EVAL", "return 1", "0", "other people's", "\x1b[2Jdata\n", strings.Repeat("x", 300))
	snapshot()
	shown := strings.Join(recorded(s, "slowlog_id"), "\n")
	if !strings.Contains(shown, `0 "other people's" \x1b[2Jdata\n xxxx`) || strings.Count(shown, "x") > 200 || strings.Contains(shown, "\x1b") {
		t.Errorf("arguments are shown as %s", shown)
	}
}

func TestSlowlogOfABusyServer(t *testing.T) {
	t.Parallel()
	srv := testenv.Redis(t, "--slowlog-log-slower-than", "0", "--slowlog-max-len", "50")
	_, snapshot := slowlogOf(t, srv, false)
	total := func(got map[string]float64) (n float64) {
		for series, v := range got {
			if strings.HasPrefix(series, "logkeel_redis_slow_commands_total{") {
				n += v
			}
		}
		return n + got["logkeel_redis_slowlog_missed_total"]
	}
	first := snapshot()["redis_slowlog_last_id"]
	for i := range 80 {
		srv.CLI("SET", fmt.Sprint("key", i), "x")
	}
	got := snapshot()
	if n := got["redis_slowlog_last_id"] - first; total(got) != n || got["logkeel_redis_slowlog_missed_total"] < 30 {
		t.Errorf("%v are new; %v are counted, of them %v missed", n, total(got), got["logkeel_redis_slowlog_missed_total"])
	}
	if got[`logkeel_redis_slow_commands_total{cmd="set"}`] < 10 {
		t.Errorf("%v SET", got[`logkeel_redis_slow_commands_total{cmd="set"}`])
	}
}

func TestSlowCommandsAreBounded(t *testing.T) {
	var s slowlog
	s.begun, s.last = true, -1
	var entries []entry
	for i := range 300 {
		entries = append([]entry{{id: int64(i), usec: 1000, cmd: fmt.Sprintf("c%d", i)}}, entries...)
	}
	entries = append([]entry{{id: 301, usec: 1, cmd: ""}, {id: 300, usec: 1, cmd: "\x1b[2J"}}, entries...)
	n, sum := 0, 0.0
	s.report(entries, newPage(func(x agent.Sample) {
		if x.Name == "logkeel_redis_slow_commands_total" {
			n++
			sum += x.Value
		}
	}))
	if n != maxCommands+1 || sum != 302 {
		t.Errorf("%d series of %v commands", n, sum)
	}
}
