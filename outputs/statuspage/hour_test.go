package statuspage

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
)

// The last hour is what was counted within it, of all logs, rules and severities.
func TestHour(t *testing.T) {
	w := busy()
	o := w.options()
	now := noon
	o.History = history.New(Tracks()...)
	page := New(o)
	ask := func() (hour Hour, code int) {
		rec := httptest.NewRecorder()
		page.ServeHTTP(rec, httptest.NewRequest("GET", HourPath, nil))
		if rec.Code == 200 {
			if err := json.Unmarshal(rec.Body.Bytes(), &hour); err != nil {
				t.Fatal(err)
			}
		}
		return hour, rec.Code
	}
	if _, code := ask(); code != 503 {
		t.Errorf("before anything was observed: %d", code)
	}
	// For two hours: 4 lines and 1 finding in an observation, an alert in every tenth.
	n := 2*int(time.Hour/history.Every) + 1
	for i := range n {
		at := now.Add(time.Duration(i) * history.Every)
		o.History.Observe(at, func(yield func(agent.Sample)) {
			count := func(name string, v int, pairs ...string) {
				yield(agent.Sample{Name: name, Type: agent.Counter, Value: float64(v), Labels: labels(pairs...)})
			}
			count(linesMetric, 3*i, "source", "a")
			count(linesMetric, i, "source", "b")
			count(findingsMetric, i/2, "source", "a", "severity", "critical")
			count(findingsMetric, i-i/2, "source", "a", "severity", "info")
			count("logkeel_alerts_fired_total", i/10, "rule", "x")
		})
	}
	hour, _ := ask()
	points := float64(time.Hour / history.Every)
	if hour.Lines != 4*points || hour.Findings != points || hour.Fired != points/10 {
		t.Errorf("%+v, want %v lines", hour, 4*points)
	}
	last := now.Add(time.Duration(n-1) * history.Every)
	if !hour.Until.Equal(last) || hour.Until.Sub(hour.Since) != time.Hour-history.Every {
		t.Errorf("from %s until %s", hour.Since, hour.Until)
	}
}
