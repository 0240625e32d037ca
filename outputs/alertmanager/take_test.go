package alertmanager

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// What has the same labels is one alert to Alertmanager: the end of the first does
// not end the second.
func TestSameLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{}
		o, stop := bench(t, t.TempDir(), io.Discard, p)
		defer stop()
		first, second := incident("Fire", "1", 1), incident("Fire", "1", 1)
		second.ID = "Fire/1/again"
		notify(t, o, first)
		pass(10 * time.Second)
		notify(t, o, over(first))
		pass(10 * time.Second)
		notify(t, o, second)
		for range 10 {
			pass(time.Minute)
			if one := p.taken()["1"]; !one.EndsAt.After(time.Now()) {
				t.Fatalf("it is over: %+v", one)
			}
		}
		notify(t, o, over(second))
		pass(time.Minute)
		if one := p.taken()["1"]; one.EndsAt.After(time.Now()) || o.Kept() != "" {
			t.Errorf("it is not over: %+v, kept %q", one, o.Kept())
		}
		third := incident("Fire", "1", 1)
		third.ID = "Fire/1/third"
		notify(t, o, third, over(third))
		pass(10 * time.Second)
		if one := p.taken()["1"]; !one.EndsAt.After(time.Now()) {
			t.Errorf("what was over within a moment was never said to fire: %+v", one)
		}
	})
}

// What is too many is counted and said, and what is over makes room.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		p := &peer{}
		o, stop := bench(t, t.TempDir(), &log, p, &peer{answer: func([]payload) (int, string) { return 500, "" }})
		var all []agent.Alert
		for i := range maxAlerts + 7 {
			all = append(all, incident("Fire", fmt.Sprint(i), 1))
		}
		notify(t, o, all...)
		if len(o.store.byID) != maxAlerts || o.dropped != 7 {
			t.Errorf("%d kept, %d dropped", len(o.store.byID), o.dropped)
		}
		pass(2 * time.Minute)
		notify(t, o, over(all[0]), over(all[1]))
		pass(time.Minute)
		notify(t, o, all[maxAlerts], all[maxAlerts+1], all[maxAlerts+2])
		stop()
		if len(o.store.byID) != maxAlerts || o.dropped != 8 || len(o.store.gone) != 2 {
			t.Errorf("%d kept, %d dropped, %d over", len(o.store.byID), o.dropped, len(o.store.gone))
		}
		if n := strings.Count(log.String(), "too many alerts"); n != 1 {
			t.Errorf("said %d times", n)
		}
		found := map[string]float64{}
		o.Meter(func(s agent.Sample) {
			key := s.Name
			for _, l := range s.Labels[1:] {
				key += " " + l.Value
			}
			found[key] = s.Value
		})
		for key, want := range map[string]float64{
			"logkeel_alertmanager_alerts": maxAlerts, "logkeel_alertmanager_dropped_total full": 8, "logkeel_alertmanager_refused_total am0:9093": 0,
			"logkeel_output_stalled_seconds alerts": 0,
		} {
			if got, ok := found[key]; !ok || got != want {
				t.Errorf("%s is %v, want %v", key, got, want)
			}
		}
		if found["logkeel_alertmanager_sent_total am0:9093"] < maxAlerts || found["logkeel_alertmanager_failed_total am1:9093"] == 0 {
			t.Errorf("%v", found)
		}
	})
}

// Times of logs may be any.
func TestStrangeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{}
		o, stop := bench(t, t.TempDir(), io.Discard, p)
		defer stop()
		for i, at := range []time.Time{time.Now().Add(time.Hour), time.Now().AddDate(9000, 0, 0), time.Date(-44, 3, 15, 0, 0, 0, 0, time.UTC), {}} {
			a := incident("Fire", fmt.Sprint(i), 1)
			a.Starts = at
			b := over(a)
			if !at.IsZero() {
				b.Ended = at.Add(-time.Second)
			}
			notify(t, o, a)
			pass(2 * time.Minute)
			notify(t, o, b)
			pass(time.Second)
			one := p.taken()[fmt.Sprint(i)]
			if one.StartsAt.After(time.Now()) || one.EndsAt.After(time.Now()) || one.EndsAt.Before(one.StartsAt) {
				t.Errorf("began %v: from %v to %v", at, one.StartsAt, one.EndsAt)
			}
		}
		pass(time.Minute)
		if o.Kept() != "" {
			t.Errorf("kept %q", o.Kept())
		}
	})
}

func TestMinSeverity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, stop := bench(t, t.TempDir(), io.Discard, &peer{})
		defer stop()
		o.c.MinSeverity = "warning"
		for _, s := range []string{"critical", "warning", "info"} {
			a := incident("Fire", s, 1)
			a.Rule.Severity = s
			notify(t, o, a)
		}
		if len(o.store.byID) != 2 {
			t.Errorf("%d are kept", len(o.store.byID))
		}
	})
}

// FuzzLabels: whatever rules, sources and lines hold, names and values are such as
// Alertmanager takes.
func FuzzLabels(f *testing.F) {
	for _, s := range []string{"", "a", "9a", "a b", "\xff", "é", "\x1b[31m", "a\r\nb", strings.Repeat("é", 150), strings.Repeat("\xff", 150)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		a := incident("Fire", value, 1)
		a.Rule.Summary, a.Rule.Runbook, a.Inhibited, a.Condition, a.Source, a.First[0].Text = value, value, value, value, value, value
		a.Labels = []agent.Label{{Name: name, Value: value}, {Name: "alertname", Value: value}}
		r := renderer{host: "web1"}
		labels := r.labelsOf(&a)
		if labels["alertname"] != "Fire" || labels["handle"] != a.Handle() {
			t.Fatalf("%v", labels)
		}
		for n, v := range labels {
			if !labelForm.MatchString(n) || v == "" || len(v) > maxValue || !utf8.ValidString(v) || strings.ContainsAny(v, "\x00\x1b\r") {
				t.Fatalf("%q: %q", n, v)
			}
		}
		for n, v := range annotationsOf(&a) {
			if v == "" || len(v) > maxText || !utf8.ValidString(v) || strings.ContainsAny(v, "\x00\x1b\r") {
				t.Fatalf("%q: %q", n, v)
			}
		}
	})
}

// FuzzParse: no file makes it panic, and what it takes can be written again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"alerts":[{"id":"a","rev":1,"labels":{"alertname":"A"},"annotations":{},"starts":"2026-01-01T00:00:00Z"}],"done":[{"id":"b","rev":2}]}`))
	f.Add([]byte(`{"version":1,"alerts":[null]}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(again); err != nil {
			t.Fatalf("%v: %s", err, again)
		}
	})
}
