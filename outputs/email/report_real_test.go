package email

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/report"
	"github.com/webgrip/logkeel/agent/testenv"
)

// TestRealReport: a report that came due while the agent was away, and a server
// that is away at first, runs as the agent runs it.
func TestRealReport(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	s.Stop()
	dir := t.TempDir()
	now := time.Now()
	// The agent ran from ten days ago on for three days, when a week ended.
	schedule := report.Schedule{Weekday: now.AddDate(0, 0, -7).Weekday(), Hour: 8}
	found := 0.0
	meter := func(yield func(agent.Sample)) {
		yield(agent.Sample{Name: "logkeel_findings_total", Type: agent.Counter, Value: found, Labels: []agent.Label{{Name: "rule", Value: "<b>\x1b[31m"}, {Name: "class", Value: "error"}}})
	}
	book, err := report.Open(ReportPath(dir, "ops"), report.Options{Schedule: schedule, Zone: time.Local, Started: now.AddDate(0, 0, -10), Meter: meter})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := book.Observe(now.AddDate(0, 0, i-10), time.Duration(i)*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		found += 50
	}
	log := &logged{}
	c := realConfig(s, func(c *Config) {
		c.Report = &ReportConfig{Every: "week", On: schedule.Weekday.String(), At: "08:00"}
	})
	o, err := NewReporting(c, dir, Reports{Meter: meter, Started: now}, nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	for strings.Count(log.String(), "the report cannot be sent") == 0 {
		time.Sleep(10 * time.Millisecond)
	}
	s.Start()
	m := s.Await(1, time.Minute)[0]
	if want := []string{"a@shop.example", "b@shop.example"}; !slices.Equal(slices.Sorted(slices.Values(m.To)), want) {
		t.Errorf("for %v", m.To)
	}
	if !strings.Contains(m.Subject(), "week of "+now.AddDate(0, 0, -10).Format("2 Jan")+": no incidents") ||
		!strings.Contains(m.Text, `<b>\x1b[31m  100`) || !strings.Contains(m.HTML, `&lt;b&gt;\x1b[31m`) {
		t.Errorf("came: %s\n%s\n%s", m.Subject(), m.Text, m.HTML)
	}
	for pending := 1.0; pending > 0; time.Sleep(10 * time.Millisecond) { // the server delivers before it says so
		o.Meter(func(s agent.Sample) {
			if s.Name == "logkeel_reports_pending" {
				pending = s.Value
			}
		})
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if n := len(s.Mails()); n != 1 {
		t.Errorf("%d mails; want 1", n)
	}
}
