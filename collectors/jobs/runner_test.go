package jobs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

func commandOf(t testing.TB, script string, change func(*Job)) command {
	c := &Job{Name: "tidy", Command: conf.Strings{"sh", "-c", script}}
	if change != nil {
		change(c)
	}
	return command{Job: c, out: newOutput(), most: time.Minute, term: 10 * time.Second}
}

// texts are the lines of an output, with their streams.
func texts(o *output) string {
	var all []string
	for _, l := range o.take() {
		all = append(all, l.stream.String()+" "+string(l.text))
	}
	return strings.Join(all, "|")
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("OF_THE_AGENT", "inherited")
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		script string
		change func(*Job)
		exit   int
		why    string
		lines  string
	}{
		{"well", "echo one; echo two >&2; printf three", nil, 0, "", "stdout one|stderr two|stdout three"},
		{"with a code", "exit 9", nil, 9, "", ""},
		{"by a signal", "kill -KILL $$", nil, 137, "ended by the signal killed", ""},
		{"where and with what", "pwd; echo $MINE $OF_THE_AGENT", func(j *Job) { j.Dir, j.Env = dir, map[string]string{"MINE": "set"} }, 0, "", "stdout " + dir + "|stdout set inherited"},
		{"without input", "cat; echo empty", nil, 0, "", "stdout empty"},
		{"without a shell", "", func(j *Job) { j.Command = conf.Strings{"echo", "$HOME", "*"} }, 0, "", "stdout $HOME *"},
		{"that is not there", "", func(j *Job) { j.Command = conf.Strings{"/not/there"} }, 127, "it cannot be run: fork/exec /not/there: no such file or directory", ""},
		{"that is no program", "", func(j *Job) { j.Command = conf.Strings{filepath.Join(dir, "plain")} }, 126, "it cannot be run: fork/exec " + dir + "/plain: permission denied", ""},
		{"in no folder", "true", func(j *Job) { j.Dir = "/not/there" }, 127, "it cannot be run: stat /not/there: no such file or directory", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := commandOf(t, tt.script, tt.change)
			e := runCommand(t.Context(), c)
			got := texts(c.out)
			if tt.name == "well" { // the two streams have no order between them
				if strings.Count(got, "|") != 2 || !strings.Contains(got, "stderr two") || strings.Index(got, "one") > strings.Index(got, "three") {
					t.Errorf("the lines are %s", got)
				}
			} else if got != tt.lines {
				t.Errorf("the lines are %s, want %s", got, tt.lines)
			}
			if e.Exit != tt.exit || e.Why != tt.why {
				t.Errorf("it ends with %d for %q, want %d for %q", e.Exit, e.Why, tt.exit, tt.why)
			}
		})
	}
}

// A command that takes too long is ended with all that it has started, also where
// it does not heed SIGTERM.
func TestCommandThatHangs(t *testing.T) {
	t.Parallel()
	pids := filepath.Join(t.TempDir(), "pids")
	c := commandOf(t, `trap '' TERM; (trap '' TERM; echo $$ >>`+pids+`; sleep 300) & echo begun; while :; do sleep 0.1; done`, nil)
	c.most, c.term = 5*time.Second, 300*time.Millisecond // time enough to begin, on any machine
	e := runCommand(t.Context(), c)
	if e.Result != timeout || e.Exit != 137 || e.Why != "it took longer than 5s and was ended" {
		t.Errorf("it ends as %+v", e)
	}
	if got := texts(c.out); got != "stdout begun" {
		t.Errorf("its lines are %s", got)
	}
	b, _ := os.ReadFile(pids)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	for range 6000 {
		if syscall.Kill(-pid, 0) == syscall.ESRCH {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("of the group %d something is left", pid)
}

// What stops with the agent is no failure.
func TestCommandIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := commandOf(t, `trap 'echo tidied; exit 0' TERM; echo begun; while :; do sleep 0.05; done`, nil)
	go func() {
		for c.out.size() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	e := runCommand(ctx, c)
	if got := texts(c.out); !strings.HasPrefix(got, "stdout begun") || !strings.Contains(got, "stdout tidied") || e.Result != stopped {
		t.Errorf("it ends as %+v, with %s", e, got)
	}
}

// What a command has left behind holds nobody up.
func TestCommandThatLeavesSomething(t *testing.T) {
	c := commandOf(t, `sleep 600 & echo $!`, nil)
	began := time.Now()
	e := runCommand(t.Context(), c)
	if pid, err := strconv.Atoi(strings.TrimPrefix(texts(c.out), "stdout ")); err == nil {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	if e.Exit != 0 || time.Since(began) > 5*time.Minute {
		t.Errorf("it ends with %+v after %s", e, time.Since(began))
	}
}

// Of much output no more is kept than is to be, and the command does not wait.
func TestCommandWithMuchOutput(t *testing.T) {
	c := commandOf(t, `yes abcdefghij | head -c 3000000; echo; echo the end; head -c 200000 /dev/zero | tr '\0' x`, nil)
	e := runCommand(t.Context(), c)
	if len(e.Output) > MaxOutput || e.Exit != 0 {
		t.Errorf("%d bytes are kept, exit code %d", len(e.Output), e.Exit)
	}
	if n := c.out.size(); n > maxWaiting || c.out.lost() == 0 {
		t.Errorf("%d bytes wait, %d lines are dropped", n, c.out.lost())
	}
}

// Commands run when they are due, not twice at a time, and not for what is long
// past.
func TestRunner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now() // midnight in UTC
		s := sampler(t, t.TempDir(), `  jobs:
    - {name: tidy, schedule: "30 * * * *", timezone: UTC, command: [x]}
    - {name: long, schedule: "0 */2 * * *", timezone: UTC, command: [x]}
    - {name: told, schedule: "0 1 * * *", timezone: UTC}`)
		ctx, cancel := context.WithCancel(t.Context())
		r := &runner{s, defaultTiming, nil}
		var mu sync.Mutex
		var runs []string
		r.run = func(ctx context.Context, c command) end {
			mu.Lock()
			defer mu.Unlock()
			runs = append(runs, fmt.Sprint(c.Name, " ", time.Since(began)))
			mu.Unlock()
			defer mu.Lock()
			if c.Name == "long" {
				select {
				case <-time.After(5 * time.Hour):
				case <-ctx.Done():
					return end{Result: stopped, Took: -1}
				}
			}
			return end{Took: -1}
		}
		go func() {
			if err := r.Run(ctx, nil); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(12*time.Hour + time.Minute)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if n := len(runs); n != 12+2 || runs[0] != "tidy 30m0s" || runs[2] != "long 2h0m0s" {
			t.Errorf("these ran: %s", strings.Join(runs, ", "))
		}
		got, _ := samples(t, s)
		want(t, got, map[string]float64{
			"logkeel_job_runs_total tidy success": 12,
			"logkeel_job_runs_total long success": 1, // 2 to 7
			"logkeel_job_runs_total long skipped": 4, // at 4, 6, 10 and 12
			"logkeel_job_runs_total long stopped": 1, // that of 8
			"logkeel_job_missed_total long":       0,
			"logkeel_job_missed_total tidy":       0,
			"logkeel_job_missed told":             1,
			"logkeel_job_running long":            0,
		})
	})
}

// A command whose agent was killed is ended by the kernel, and lost for the next one.
func TestLedgerOfCommands(t *testing.T) {
	dir := t.TempDir()
	text := `  jobs: [{name: tidy, schedule: "30 * * * *", command: [x]}]`
	s := sampler(t, dir, text)
	r := &runner{s, defaultTiming, func(context.Context, command) end {
		again := sampler(t, dir, text) // as if this one were killed here
		got, notes := samples(t, again)
		want(t, got, map[string]float64{"logkeel_job_failed tidy": 1, "logkeel_job_runs_total tidy lost": 1, "logkeel_job_running tidy": 0, "logkeel_job_last_exit_code tidy": -1})
		if n := notes["logkeel_job_failed tidy"]; !strings.HasSuffix(n, "never ended: the agent ended before it") {
			t.Errorf("the note is %q", n)
		}
		return end{Took: -1}
	}}
	r.once(t.Context(), &s.c.Jobs[0])
}

func TestLedgerThatIsDamaged(t *testing.T) {
	dir := t.TempDir()
	text := "  jobs: [{name: a}]"
	for _, content := range []string{"{", "[1]", strings.Repeat("[", 1000), string(make([]byte, maxLedger+1))} {
		if err := os.WriteFile(filepath.Join(dir, "jobs.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		s := sampler(t, dir, text)
		if err := s.book.of("a", func(j *job, now time.Time) { j.ended(now, end{Took: -1}) }); err != nil {
			t.Fatal(err)
		}
		got, _ := samples(t, sampler(t, dir, text))
		want(t, got, map[string]float64{"logkeel_job_runs_total a success": 1})
	}
	if err := exec.Command("test", "-e", filepath.Join(dir, "jobs.json.bad")).Run(); err != nil {
		t.Error("it was not put aside")
	}
}

// While the disk takes nothing jobs are answered, and it is said.
func TestLedgerThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	s := sampler(t, dir, "  jobs: [{name: a}]")
	if err := s.book.of("a", func(j *job, now time.Time) { j.ended(now, end{Took: -1}) }); err != nil {
		t.Fatal(err)
	}
	got, _ := samples(t, s)
	want(t, got, map[string]float64{"logkeel_job_runs_total a success": 1})
	if d, _ := s.book.writing.State(); d == 0 {
		t.Error("nothing is wrong")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	samples(t, s)
	if s.book.writing.Active() || !strings.Contains(ledger(t, dir), `"success":1`) {
		t.Errorf("it is not written later: %s", ledger(t, dir))
	}
}
