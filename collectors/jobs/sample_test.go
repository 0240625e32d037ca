package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// Each run is one record, whenever records are asked for.
func TestRecords(t *testing.T) {
	s := sampler(t, t.TempDir(), "  jobs: [{name: backup}]")
	records := func() string {
		var all []string
		s.Records(func(fields []agent.Field) {
			var one []string
			for _, f := range fields {
				if f.Name != "ended" {
					one = append(one, fmt.Sprint(f.Name, "=", f.Value))
				}
			}
			all = append(all, strings.Join(one, " "))
		})
		return strings.Join(all, "\n")
	}
	tell := func(e end) {
		t.Helper()
		if err := s.book.of("backup", func(j *job, now time.Time) { j.ended(now, e) }); err != nil {
			t.Fatal(err)
		}
	}
	if got := records(); got != "" {
		t.Errorf("before a run there is %s", got)
	}
	tell(end{Took: 90 * time.Second})
	tell(end{Took: -1, Exit: 2, Output: []byte("no space\n")})
	if got, want := records(), "job=backup result=success exit_code=0 duration_seconds=90\njob=backup result=failure exit_code=2 why=exit code 2; its output ends: no space"; got != want {
		t.Errorf("the records are\n%s\nwant\n%s", got, want)
	}
	if got := records(); got != "" {
		t.Errorf("they come again: %s", got)
	}
	for range maxEnded + 10 {
		s.book.mu.Lock()
		s.book.jobs["backup"].ended(time.Now(), end{Took: -1})
		s.book.mu.Unlock()
	}
	if n := strings.Count(records(), "\n") + 1; n != maxEnded {
		t.Errorf("%d are kept for nobody", n)
	}
}

// The series of a job that is fine, and of one that is not.
func TestSeries(t *testing.T) {
	s := sampler(t, t.TempDir(), `  jobs: [{name: backup, schedule: "0 2 * * *", max_duration: 1h}]`)
	if err := s.book.of("backup", func(j *job, now time.Time) {
		j.began(now, run{ID: "a", Started: now.Add(-2 * time.Hour)})
		j.Missed = now.Add(-3 * time.Hour)
	}); err != nil {
		t.Fatal(err)
	}
	got, err := testenv.Take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	for series, want := range map[string]float64{
		`logkeel_job_running{name="backup"}`: 1, `logkeel_job_too_long{name="backup"}`: 1, `logkeel_job_missed{name="backup"}`: 1,
		`logkeel_job_runs_total{name="backup",result="success"}`: 0,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", series, v, ok, want)
		}
	}
	for series, least := range map[string]float64{`logkeel_job_running_seconds{name="backup"}`: 7200, `logkeel_job_overdue_seconds{name="backup"}`: 10800} {
		if v := got[series]; v < least || v > least+60 {
			t.Errorf("%s is %v, want %v", series, v, least)
		}
	}
	if next := got[`logkeel_job_next_run_timestamp_seconds{name="backup"}`]; next <= float64(time.Now().Unix()) || next > float64(time.Now().Add(26*time.Hour).Unix()) {
		t.Errorf("it is due next at %v", next)
	}
	if _, ok := got[`logkeel_job_failed{name="backup"}`]; ok {
		t.Error("one that has not ended yet has failed or not")
	}
	_, notes := samples(t, s)
	if n := notes["logkeel_job_too_long backup"]; !strings.Contains(n, "and may take 1h") {
		t.Errorf("the note is %q", n)
	}
}
