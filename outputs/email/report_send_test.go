package email

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// reporting gives o a report, which looks once in ten minutes, and starts it.
// What it returns stops it.
func reporting(t *testing.T, o *Output, dir, every string, log *logged) (stop func()) {
	t.Helper()
	c := config(func(c *Config) { c.Report = &ReportConfig{Every: every, At: "08:00"} })
	o.compose.zone = time.UTC
	meter := func(yield func(agent.Sample)) {
		yield(agent.Sample{Name: "logkeel_findings_total", Type: agent.Counter, Value: 5, Labels: []agent.Label{{Name: "rule", Value: "A"}}})
	}
	r, err := newReporter(&c, o, dir, Reports{Meter: meter, Started: time.Now()}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r.every = 10 * time.Minute
	o.report = r
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.run(ctx) }()
	return func() { cancel(); <-done }
}

// tried is how many tries went so.
func tried(o *Output, result string) (n float64) {
	o.report.Meter(func(s agent.Sample) {
		if len(s.Labels) > 1 && s.Labels[1].Value == result {
			n = s.Value
		}
	})
	return n
}

func subjects(t *testing.T, f *fakeServer) (all []string) {
	t.Helper()
	for _, m := range f.received() {
		all = append(all, parse(t, m.data).subject)
	}
	return all
}

// Each week has one mail, on Monday at eight. The bubble's time begins on a
// Saturday, the first of January.
func TestReportEachWeek(t *testing.T) {
	f := &fakeServer{}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		dir := t.TempDir()
		stop := reporting(t, o, dir, "week", log)
		time.Sleep(2*24*time.Hour + 7*time.Hour + 59*time.Minute)
		if got := subjects(t, f); got != nil {
			t.Errorf("before it is due: %q", got)
		}
		time.Sleep(20 * time.Minute)
		first := []string{"week of 1 Jan: no incidents"}
		if got := subjects(t, f); !slices.Equal(got, first) {
			t.Errorf("%q; want %q", got, first)
		}
		time.Sleep(24 * time.Hour)
		stop() // for the rest of the week, and three days
		time.Sleep(9 * 24 * time.Hour)
		stop = reporting(t, o, dir, "week", log)
		time.Sleep(time.Hour)
		want := append(first, "week of 3 Jan: no incidents")
		if got := subjects(t, f); !slices.Equal(got, want) {
			t.Errorf("%q; want %q", got, want)
		}
		stop()
		stop = reporting(t, o, dir, "week", log)
		time.Sleep(time.Hour)
		stop()
		if n := len(f.received()); n != 2 {
			t.Errorf("%d mails", n)
		}
		if to := f.received()[0].to; len(to) != 2 || log.String() != "" {
			t.Errorf("to %v, the log says %s", to, log)
		}
		a, b := parse(t, f.received()[0].data), parse(t, f.received()[1].data)
		if a.header.Get("Message-Id") == b.header.Get("Message-Id") || !strings.Contains(b.text, "The agent was not there for 5 d 23 h of it.") {
			t.Errorf("%v\n%s", b.header, b.text)
		}
	})
}

// A server that is away, hangs or puts off gets the mail when it is back, once.
func TestReportWaits(t *testing.T) {
	var open atomic.Bool
	f := &fakeServer{mail: func(string) error {
		if open.Load() {
			return nil
		}
		return reply(451, 4, 7, 1, "later")
	}}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		dir := t.TempDir()
		stop := reporting(t, o, dir, "day", log)
		time.Sleep(8*time.Hour + 5*time.Minute)
		stop()
		if n := tried(o, "failed"); n < 3 || n > 8 {
			t.Errorf("%v tries in five minutes", n)
		}
		stop = reporting(t, o, dir, "day", log) // what waits outlives a stop
		time.Sleep(40 * time.Hour)              // and there is another one meanwhile
		if n := strings.Count(log.String(), "the report cannot be sent"); n != 2 {
			t.Errorf("said %d times in two runs:\n%s", n, log)
		}
		open.Store(true)
		time.Sleep(lastRetry)
		want := []string{"day of Sat 1 Jan: no incidents", "day of Sat 1 Jan: no incidents", "day of Sun 2 Jan: no incidents"}
		if got := subjects(t, f); len(got) < 2 || !slices.Equal(got, want[:len(got)]) {
			t.Errorf("%q; want %q", got, want)
		}
		if !strings.Contains(log.String(), "the report is sent again") || tried(o, "sent") != float64(len(f.received())) {
			t.Errorf("%v sent; the log says %s", tried(o, "sent"), log)
		}
		stop()
	})
}

// A kill between the server's OK and the note of it sends the same mail again.
func TestReportKilled(t *testing.T) {
	var dir string
	var kept []byte
	f := &fakeServer{}
	f.data = func([]byte) error {
		if kept == nil {
			var err error
			if kept, err = os.ReadFile(ReportPath(dir, "ops")); err != nil {
				return err
			}
		}
		return nil
	}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		dir = t.TempDir()
		stop := reporting(t, o, dir, "day", log)
		time.Sleep(9 * time.Hour)
		stop()
		after := t.TempDir() // as it would be after the kill
		if err := os.MkdirAll(filepath.Join(after, "report"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ReportPath(after, "ops"), kept, 0o600); err != nil {
			t.Fatal(err)
		}
		stop = reporting(t, o, after, "day", log)
		time.Sleep(time.Hour)
		stop()
		got := f.received()
		if len(got) != 2 {
			t.Fatalf("%d mails; want 2", len(got))
		}
		if a, b := parse(t, got[0].data), parse(t, got[1].data); a.header.Get("Message-Id") != b.header.Get("Message-Id") || a.text != b.text {
			t.Errorf("another mail: %v, %v", a.header, b.header)
		}
	})
}

// Who is refused is tried hourly and for a day; the others have it once.
func TestReportRefused(t *testing.T) {
	const a, b = "a@shop.example", "b@shop.example"
	answers := map[string]error{b: reply(550, 5, 1, 1, "no such user")}
	f := &fakeServer{rcpt: func(to string) error { return answers[to] }}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		stop := reporting(t, o, t.TempDir(), "week", log)
		time.Sleep(4 * 24 * time.Hour)
		stop()
		if got := f.received(); len(got) != 1 || !slices.Equal(got[0].to, []string{a}) {
			t.Errorf("%d mails, the first to %v", len(got), got[0].to)
		}
		if n := len(f.asked); n < 22 || n > 30 {
			t.Errorf("asked %d times", n)
		}
		if tried(o, "dropped") != 1 || !strings.Contains(log.String(), "the report is given up") {
			t.Errorf("%v dropped; the log says %s", tried(o, "dropped"), log)
		}
	})
}

// What was asked for by hand is what would be sent, and changes nothing.
func TestOpenReport(t *testing.T) {
	dir := t.TempDir()
	c := config(func(c *Config) { c.Report = &ReportConfig{Every: "day", At: "08:00"} })
	if _, err := OpenReport(c, dir, false); err == nil || !strings.Contains(err.Error(), "start the agent") {
		t.Errorf("no file: %v", err)
	}
	f := &fakeServer{}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		stop := reporting(t, o, dir, "day", log)
		time.Sleep(time.Hour)
		if _, err := OpenReport(c, dir, true); err == nil || !strings.Contains(err.Error(), "no day is over yet") {
			t.Errorf("the last: %v", err)
		}
		time.Sleep(8 * time.Hour)
		stop()
		for last, want := range map[bool]string{false: "day of Sat 1 Jan, so far: no incidents\n", true: "day of Sat 1 Jan: no incidents\n"} {
			r, err := OpenReport(c, dir, last)
			if err != nil {
				t.Fatal(err)
			}
			r.r.compose.zone = time.UTC
			if got := r.Text(time.Now()); !strings.HasPrefix(got, want) || strings.ContainsAny(got, "\x1b") {
				t.Errorf("%s\nwant %s", got, want)
			}
			before, err := os.ReadFile(ReportPath(dir, "ops"))
			if err != nil {
				t.Fatal(err)
			}
			r.r.o.sender = o.sender
			if err := r.Send(t.Context(), time.Now()); err != nil {
				t.Error(err)
			}
			if after, err := os.ReadFile(ReportPath(dir, "ops")); err != nil || string(after) != string(before) {
				t.Errorf("the file has changed, %v", err)
			}
		}
		if n := len(f.received()); n != 3 {
			t.Errorf("%d mails; want 3", n)
		}
	})
}

func TestReportConfig(t *testing.T) {
	const good = "name: ops\nserver: smtp.example.com:587\nfrom: logkeel@example.com\nto: ops@example.com\n"
	for _, tt := range []struct{ section, want, says string }{
		{"", "", ""},
		{"report: {}", "every week on Monday at 08:00", ""},
		{"report: {on: friday, at: 17:30}", "every week on Friday at 17:30", ""},
		{`report: {every: day, at: "06:00"}`, "every day at 06:00", ""},
		{"report: {every: month, on: 2}", "every month on the 2. at 08:00", ""},
		{"report: {every: hour}", "", `agent.yaml:6: email[0].report.every: "hour" is none of week, day and month; write week, day or month`},
		{"report: {on: 8}", "", `agent.yaml:6: email[0].report.on: "8" is no weekday; write a weekday, as monday; with every: month a day from 1 to 28; with every: day leave it out`},
		{"report: {at: 8}", "", `agent.yaml:6: email[0].report.at: "8" is no time of day; write it as "08:00"`},
	} {
		c, err := load(good + tt.section)
		switch {
		case err != nil && err.Error() != tt.says:
			t.Errorf("%s: %v", tt.section, err)
		case err == nil && tt.says != "":
			t.Errorf("%s: no error", tt.section)
		case err == nil && tt.want != "" && (c.Report == nil || c.Report.String() != tt.want):
			t.Errorf("%s: %v", tt.section, c.Report)
		case tt.section == "" && c.Report != nil:
			t.Error("a report that nobody asked for")
		}
	}
}
