package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04:05", "2026-05-"+s+":00")
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

func nightly(t testing.TB, now string, change func(*Job)) *job {
	c := Job{Name: "backup", Schedule: "0 2 * * *", Timezone: "UTC", Grace: conf.Duration(time.Hour), MaxDuration: conf.Duration(2 * time.Hour)}
	if change != nil {
		change(&c)
	}
	return newJob(c, at(t, now))
}

// A night is a line: what happens at a time, and what is to be so after it.
func TestMissed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Job)
		begin  string
		events string
	}{
		{"it runs", nil, "01 12:00", `
			02 01:59  look    missed 0 of 0 overdue 0s
			02 02:00  start   missed 0 of 0 overdue 0s
			02 02:30  end 0   missed 0 of 0 overdue 0s
			02 12:00  look    missed 0 of 0 overdue 0s
			03 02:00  start   missed 0 of 0 overdue 0s
			03 02:59  look    missed 0 of 0 overdue 0s`},
		{"it does not run for two nights", nil, "01 12:00", `
			02 02:30  look    missed 0 of 0 overdue 30m0s
			02 03:00  look    missed 1 of 1 overdue 1h0m0s
			03 02:30  look    missed 1 of 1 overdue 24h30m0s
			03 03:00  look    missed 1 of 2 overdue 25h0m0s
			03 04:00  start   missed 0 of 2 overdue 0s
			03 12:00  look    missed 0 of 2 overdue 0s`},
		{"it runs late", nil, "01 12:00", `
			02 02:59  start   missed 0 of 0 overdue 0s
			02 03:30  look    missed 0 of 0 overdue 0s`},
		{"it only tells of its end", nil, "01 12:00", `
			02 02:40  end 0   missed 0 of 0 overdue 0s
			02 03:30  look    missed 0 of 0 overdue 0s`},
		{"one that was run by hand before is no night's", nil, "01 12:00", `
			01 20:00  start   missed 0 of 0 overdue 0s
			01 20:10  end 0   missed 0 of 0 overdue 0s
			02 03:00  look    missed 1 of 1 overdue 1h0m0s`},
		{"the end of the run before is not a start", nil, "01 01:00", `
			01 02:00  start   missed 0 of 0 overdue 0s
			02 02:10  end 0   missed 0 of 0 overdue 10m0s
			02 03:00  look    missed 1 of 1 overdue 1h0m0s`},
		{"a clock that is a little behind", nil, "01 12:00", `
			02 01:59  start   missed 0 of 0 overdue 0s
			02 03:30  look    missed 0 of 0 overdue 0s`},
		{"the agent was away while it ran, and nobody told", nil, "01 12:00", `
			05 08:00  resume  missed 0 of 0 overdue 6h0m0s
			05 08:59  look    missed 0 of 0 overdue 6h59m0s
			05 09:00  look    missed 1 of 1 overdue 7h0m0s`},
		{"the agent was away, and is told late", nil, "01 12:00", `
			05 02:40  resume  missed 0 of 0 overdue 40m0s
			05 02:50  late 05 02:00  missed 0 of 0 overdue 0s
			05 12:00  look    missed 0 of 0 overdue 0s`},
		{"each quarter of an hour, and without a grace", func(j *Job) { j.Schedule, j.Grace = "*/15 * * * *", 0 }, "01 12:00", `
			01 12:15  start   missed 0 of 0 overdue 0s
			01 12:44  look    missed 0 of 0 overdue 14m0s
			01 12:45  look    missed 1 of 1 overdue 15m0s
			01 12:46  start   missed 0 of 1 overdue 0s`},
		{"no schedule", func(j *Job) { j.Schedule, j.Timezone, j.Grace = "", "", 0 }, "01 12:00", `
			09 12:15  look    missed 0 of 0 overdue 0s`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := nightly(t, tt.begin, tt.change)
			for _, step := range strings.Split(strings.TrimSpace(tt.events), "\n") {
				step = strings.TrimSpace(step)
				now := at(t, step[:8])
				did, want, _ := strings.Cut(step[10:], "missed")
				switch f := strings.Fields(did); f[0] {
				case "start":
					j.began(now, run{Started: now})
				case "end":
					j.ended(now, end{Took: -1})
				case "late":
					j.ended(now, end{Took: -1, Started: at(t, f[1]+" "+f[2])})
				case "resume":
					j.resume(now)
				}
				j.judge(now)
				if got := fmt.Sprintf(" %v of %d overdue %s", flag(!j.Missed.IsZero()), j.Misses, j.overdue(now)); got != want {
					t.Errorf("after %s: missed%s, want missed%s", step[:8]+" "+did, got, want)
				}
			}
		})
	}
}

// How a run ended is told by its exit code, and by its output where that is asked
// for.
func TestEnds(t *testing.T) {
	now := at(t, "02 02:00")
	for _, tt := range []struct {
		name   string
		expect string
		end    end
		result string
		why    string
	}{
		{"well", "", end{}, success, ""},
		{"by a code", "", end{Exit: 3, Output: []byte("one\n\ntwo\nthree\nno space left on device\n")}, failure, "exit code 3; its output ends: two / three / no space left on device"},
		{"with what it is to say", "completed", end{Output: []byte("Backup completed\n")}, success, ""},
		{"without it", "completed", end{Output: []byte("nothing to do")}, failure, "its output has no match of completed; its output ends: nothing to do"},
		{"without any", "completed", end{}, failure, "its output has no match of completed"},
		{"by the agent's end", "completed", end{Exit: 143, Result: stopped, Why: "the agent stopped, and ended it"}, stopped, "the agent stopped, and ended it"},
		{"with an endless line", "", end{Exit: 1, Output: []byte(strings.Repeat("é", 9000))}, failure, "exit code 1; its output ends: " + strings.Repeat("é", 50) + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := nightly(t, "01 12:00", func(j *Job) { j.ExpectOutput = tt.expect })
			j.began(now, run{ID: "a", Started: now})
			tt.end.ID, tt.end.Took = "a", -1
			if !j.ended(now.Add(time.Minute), tt.end) || j.ended(now.Add(time.Hour), tt.end) {
				t.Error("it does not count once")
			}
			if j.Result != tt.result || j.Why != tt.why || j.Runs[tt.result] != 1 || len(j.Running) != 0 || j.Seconds != 60 {
				t.Errorf("it is %s for %q (%v), after %v s; want %s for %q", j.Result, j.Why, j.Runs, j.Seconds, tt.result, tt.why)
			}
			if j.LastSuccess.IsZero() == (tt.result == success) {
				t.Errorf("its last success was at %s", j.LastSuccess)
			}
		})
	}
}

// What began and does not end is told: it takes too long, the next one begins, or the
// machine was started anew.
func TestLost(t *testing.T) {
	now := at(t, "02 02:00")
	j := nightly(t, "01 12:00", nil)
	j.began(now, run{ID: "a", Started: now, Boot: "one"})
	if _, long := j.tooLong(now.Add(2 * time.Hour)); long {
		t.Error("two hours are too long")
	}
	if _, long := j.tooLong(now.Add(2*time.Hour + time.Second)); !long {
		t.Error("more than two hours are not too long")
	}
	again := nightly(t, "01 12:00", nil)
	again.restore(j.state, "one", now.Add(time.Hour))
	if len(again.Running) != 1 {
		t.Error("the agent's restart ends a job")
	}
	again = nightly(t, "01 12:00", nil)
	again.restore(j.state, "two", now.Add(time.Hour))
	if len(again.Running) != 0 || again.Result != lost || !strings.Contains(again.Why, "2026-05-02 02:00:00 and never ended: the machine was started anew") || !again.failed() {
		t.Errorf("after a start of the machine: %+v", again.state)
	}
	if again.ended(now.Add(3*time.Hour), end{ID: "a", Took: -1, Started: now}); again.Result != success {
		t.Error("what is told late does not count")
	}
	j.began(now.Add(24*time.Hour), run{ID: "b", Started: now.Add(24 * time.Hour)})
	if len(j.Running) != 1 || j.Runs[lost] != 1 {
		t.Errorf("after the next start: %+v", j.state)
	}
	for range 100 {
		j.began(now.Add(24*time.Hour), run{Started: now.Add(24 * time.Hour)})
	}
	if len(j.Running) != 2 || j.Runs[lost] != 100 {
		t.Errorf("without IDs %d run, %d are lost", len(j.Running), j.Runs[lost])
	}
	for i := range 100 {
		j.began(now, run{ID: fmt.Sprint("c", i), Started: now.Add(24 * time.Hour)})
	}
	if len(j.Running) != maxRunning {
		t.Errorf("%d run", len(j.Running))
	}
}

// A clock that was wrong makes nothing missed, and hides nothing.
func TestClockThatWasWrong(t *testing.T) {
	j := nightly(t, "01 12:00", nil)
	future := at(t, "01 12:00").AddDate(10, 0, 0)
	j.resume(future)
	j.judge(future)
	j.began(future, run{Started: future})
	j.ended(future, end{Took: -1})
	now := at(t, "03 12:00")
	j.resume(now)
	if j.judge(now); j.Misses != 0 || !j.Missed.IsZero() {
		t.Errorf("%d are missed", j.Misses)
	}
	now = at(t, "04 03:00")
	if j.judge(now); j.Misses != 1 {
		t.Errorf("%d are missed in the first night after it", j.Misses)
	}
	j = newJob(Job{Name: "a", Schedule: "* * * * *"}, time.Unix(0, 0)) // a machine without a clock
	start := time.Now()
	j.resume(now)
	if j.judge(now); j.Misses != 0 {
		t.Errorf("since 1970 %d are missed", j.Misses)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestChangedSchedule(t *testing.T) {
	j := nightly(t, "01 12:00", nil)
	j.judge(at(t, "02 03:00"))
	now := at(t, "02 04:00")
	again := newJob(Job{Name: "backup", Schedule: "0 5 * * *", Timezone: "UTC"}, now)
	again.restore(j.state, "", now)
	if !again.Due.Equal(at(t, "02 05:00")) || !again.Missed.IsZero() || again.Misses != 1 {
		t.Errorf("a new schedule begins with %+v", again.state)
	}
	same := nightly(t, "02 04:00", nil)
	same.restore(j.state, "", now)
	if !same.Due.Equal(at(t, "03 02:00")) || same.Missed.IsZero() {
		t.Errorf("the same schedule goes on with %+v", same.state)
	}
}
