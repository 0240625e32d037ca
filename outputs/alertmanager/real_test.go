package alertmanager

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

// incident is an alert as rules make it.
func incident(rule, id string, rev uint64) agent.Alert {
	now := time.Now()
	return agent.Alert{
		ID: rule + "/" + id, Revision: rev, Rule: agent.Rule{Name: rule, Class: "error", Severity: "critical", Summary: "It burns"},
		Key: []agent.Label{{Name: "id", Value: id}}, Source: "shop", Starts: now.Add(-time.Second), Last: now, Seen: now, Count: rev,
		First: []agent.Line{{Time: now, Source: "shop", Text: "incident " + id}},
	}
}

func over(a agent.Alert) agent.Alert {
	a.Revision, a.Ended = a.Revision+1, time.Now()
	return a
}

func config(urls ...string) Config {
	var c Config
	c.SetDefaults()
	c.Name, c.URLs, c.ResendInterval = "am", urls, conf.Duration(2*time.Second)
	return c
}

// slower is for real instances: where nobody gets around to send an alert again
// for four times as long, it is over for them.
func slower(c Config) Config {
	c.ResendInterval = conf.Duration(5 * time.Second)
	return c
}

// running starts the output; stop ends it.
func running(t *testing.T, c Config, dir string) (o *Output, stop func()) {
	t.Helper()
	o, err := New(c, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return o, stop
}

func notify(t *testing.T, o *Output, alerts ...agent.Alert) {
	t.Helper()
	if err := o.Notify(t.Context(), alerts); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// heard is what the webhook was told, by rule and id: firing, resolved or both.
func heard(s *testenv.AM) map[string]string {
	said := map[string]map[string]bool{}
	for _, n := range s.Hook.Notices() {
		for _, a := range n.Alerts {
			key := a.Labels["alertname"] + "/" + a.Labels["id"]
			if said[key] == nil {
				said[key] = map[string]bool{}
			}
			said[key][string(a.Status)] = true
		}
	}
	all := map[string]string{}
	for key, m := range said {
		all[key] = strings.Join(slices.Sorted(maps.Keys(m)), " ")
	}
	return all
}

// Two instances get each incident and its end, the one that was away as well,
// and what begins and ends within a moment is told too.
func TestRealAlertmanager(t *testing.T) {
	t.Parallel()
	a, b := testenv.Alertmanager(t), testenv.Alertmanager(t)
	b.Stop()
	o, stop := running(t, slower(config(a.URL, b.URL)), t.TempDir())
	defer stop()
	var alerts []agent.Alert
	for i := range 70 { // more than a batch
		alerts = append(alerts, incident([]string{"Fire", "Flood"}[i%2], fmt.Sprint(i), 1))
	}
	notify(t, o, alerts...)
	eventually(t, "the instance that is there has all", func() bool { return len(a.Alerts()) == 70 })
	quick := incident("Quick", "q", 1)
	notify(t, o, quick, over(quick))
	for i := range alerts[:35] {
		notify(t, o, over(alerts[i]))
	}
	want := map[string]string{"Quick/q": "firing resolved"}
	for i, one := range alerts {
		want[one.ID] = "firing"
		if i < 35 {
			want[one.ID] = "firing resolved"
		}
	}
	eventually(t, "the webhook behind it is told", func() bool { return maps.Equal(heard(a), want) })
	for _, n := range a.Hook.Notices() {
		for _, one := range n.Alerts {
			if one.Labels["alertname"] != n.GroupLabels["alertname"] {
				t.Errorf("%v in a group of %v", one.Labels, n.GroupLabels)
			}
			if one.Labels["alertname"] == "Fire" && one.Annotations["summary"] != "It burns" {
				t.Errorf("annotations %v", one.Annotations)
			}
		}
	}
	if got := o.Kept(); got != "36 alerts that are over" {
		t.Errorf("kept: %q", got)
	}
	b.Start()
	eventually(t, "the webhook behind the other is told", func() bool { return maps.Equal(heard(b), want) })
	eventually(t, "ends are forgotten", func() bool { return o.Kept() == "" })
	for i := range alerts[35:] {
		notify(t, o, over(alerts[35+i]))
	}
	eventually(t, "nothing fires any more", func() bool { return len(a.Alerts())+len(b.Alerts()) == 0 })
	if got := o.instances[0].refused.Load() + o.instances[1].refused.Load(); got != 0 {
		t.Errorf("%d refused", got)
	}
}

// What lines and labels may hold is taken as it is, or made so.
func TestRealAlertmanagerTakesAnything(t *testing.T) {
	t.Parallel()
	s := testenv.Alertmanager(t)
	o, _ := running(t, slower(config(s.URL)), t.TempDir())
	hostile := []string{
		"<script>alert(1)</script>", "\x1b[31mred\x1b[0m\a", "a\r\nb: c", strings.Repeat("x", 1<<20), "\u202egpj.exe", "\xff\xfe\xc3(", "🔥🔥",
		"", "\x00", `"}]`, strings.Repeat("é", 200), strings.Repeat("\xff", 4096), "{{ .Labels }}", "\u2028",
	}
	for i, text := range hostile {
		a := incident("Hostile", fmt.Sprint(i), 1)
		a.Key = append(a.Key, agent.Label{Name: text, Value: text}, agent.Label{Name: "9" + text, Value: text})
		a.Labels = []agent.Label{{Name: "label", Value: text}, {Name: "alertname", Value: text}}
		a.Source, a.First[0].Text, a.Rule.Summary, a.Rule.Runbook, a.Condition = text, text, text, text, text
		notify(t, o, a)
	}
	eventually(t, "all are there", func() bool { return len(s.Alerts()) == len(hostile) })
	for _, a := range s.Alerts() {
		if a.Labels["alertname"] != "Hostile" {
			t.Errorf("a line renamed the alert: %v", a.Labels)
		}
		for name, v := range a.Annotations {
			if len(v) > maxText {
				t.Errorf("annotation %s has %d bytes", name, len(v))
			}
		}
	}
	if n := o.instances[0].refused.Load(); n != 0 {
		t.Errorf("%d refused", n)
	}
}

func TestRealSendTest(t *testing.T) {
	t.Parallel()
	s := testenv.Alertmanager(t)
	c := config(s.URL, "http://127.0.0.1:1")
	said := map[string]error{}
	if err := c.SendTest(t.Context(), func(to string, err error) { said[to] = err }); err != nil {
		t.Fatal(err)
	}
	if len(said) != 2 || said["127.0.0.1:1"] == nil || said[strings.TrimPrefix(s.URL, "http://")] != nil {
		t.Errorf("said %v", said)
	}
	all := s.Alerts()
	if len(all) != 1 || all[0].Labels["alertname"] != "LogkeelTest" || all[0].EndsAt.Sub(all[0].StartsAt) != time.Minute {
		t.Errorf("%+v", all)
	}
}
