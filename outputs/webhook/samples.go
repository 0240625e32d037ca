package webhook

import (
	"math"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// check executes the template on samples of all kinds of notices. kind is that
// of the notice that went wrong.
func (r *renderer) check() (kind string, err error) {
	for _, n := range samples() {
		if _, err := r.render(&n); err != nil {
			return kindOf(n.Kind), err
		}
	}
	if _, err := r.execute(testPayload(r.receiver, r.host, time.Unix(1_700_000_000, 0))); err != nil {
		return kindTest, err
	}
	return "", nil
}

// samples are notices as they come: of each kind, of findings and of samples,
// with all that there can be and with as little as possible.
func samples() []notify.Notice {
	start := time.Unix(1_700_000_000, 0).UTC()
	const text = "\x1b[31m\"a\\b\" <b>&</b> 'c'\r\n\tsecond line \u202e \xff \u00e4 \U0001f44d `${x}` {{.}} %s"
	full := agent.Alert{
		ID: "0123456789abcdef", Revision: 3, Source: "shop-app-1",
		Rule:   agent.Rule{Name: "ApplicationError", Class: "error", Severity: "critical", Summary: "the application logged an \"error\"", Runbook: "Is everything up:\n  docker compose ps", File: "pack:operations", Line: 7},
		Key:    []agent.Label{{Name: "service", Value: "app"}},
		Labels: []agent.Label{{Name: "project", Value: "shop"}, {Name: "service", Value: text}},
		Starts: start, Last: start.Add(time.Minute), Seen: start, Count: 37,
		First:    []agent.Line{{Time: start, Source: "shop-app-1", Text: "before " + text, Context: true}, {Time: start, Source: "shop-app-1", Text: text}},
		Latest:   []agent.Line{{Time: start.Add(time.Minute), Source: "shop-app-1", Text: text}},
		Shapes:   []agent.Shape{{Text: text, Count: 36}, {Text: "(other)", Count: 1}},
		Timeline: &agent.Timeline{Start: start, Step: 10 * time.Second, Counts: []uint64{1, 30, 0, 6}},
		Around:   []agent.Fact{{Name: "CPU of shop-db-1", Value: "198 %"}},
	}
	ended := full
	ended.Ended, ended.End, ended.Inhibited, ended.Late = start.Add(time.Hour), "its log is gone", "HostDown", true
	sample := agent.Alert{ID: "s", Rule: agent.Rule{Name: "PageSlow", Class: "slow", Severity: "warning"}, Source: "shop", Starts: start, Last: start, Condition: "probe_duration_seconds > 1.5 for 3m", Value: 2.35}
	noNumber := sample
	noNumber.Value = math.NaN()
	absent := sample
	absent.Absent, absent.Condition = true, "nothing from redis for 5m"
	bare := agent.Alert{ID: "b", Rule: agent.Rule{Name: "X", Severity: "info"}}

	group := []agent.Label{{Name: "rule", Value: "ApplicationError"}}
	one := func(kind notify.Kind, alerts ...agent.Alert) notify.Notice {
		n := notify.Notice{ID: "0123456789abcdef.2", Thread: "0123456789abcdef.1", Kind: kind, Group: group, Alerts: alerts, Route: -1}
		if kind != notify.Firing {
			n.Previous = start
		}
		return n
	}
	reminder := one(notify.Update, full)
	reminder.Reminder = true
	late := one(notify.Firing, ended)
	late.Late, late.Group = true, nil
	many := one(notify.Digest, full, ended, sample, bare)
	many.More, many.MoreFindings = 12, 1<<63
	heldBack := one(notify.HeldBack)
	heldBack.Group = nil
	heldBack.Held = &notify.Held{Cap: 20, Within: time.Hour, Until: start.Add(time.Hour), Groups: 3, Alerts: 14, Findings: 2000}
	return []notify.Notice{
		one(notify.Firing, full), one(notify.Firing, sample), one(notify.Firing, noNumber), one(notify.Firing, absent), one(notify.Firing, bare),
		one(notify.Update, full, ended), reminder, one(notify.Resolved, ended), late, many, heldBack,
	}
}

const kindTest = "test"

// testPayload says that it is a test. Nothing fires, so that nothing stays open.
func testPayload(receiver, host string, now time.Time) *payload {
	now = now.UTC()
	a := makeAlert(&agent.Alert{
		ID: "test", Rule: agent.Rule{Name: "LogkeelTest", Class: "test", Severity: "info", Summary: "This is a test. Nothing is wrong: somebody ran logkeel check --send-test."},
		Source: "logkeel", Starts: now, Last: now, Ended: now,
		First: []agent.Line{{Time: now, Source: "logkeel", Text: "this is a test"}}, Count: 1,
	}, shrinking[0])
	return &payload{
		Version: version, Kind: kindTest, ID: "test." + now.Format("20060102T150405.000000000"), Thread: "test", Status: resolved, Severity: "info",
		Receiver: receiver, Host: host, Title: "[test] this is a test of output " + receiver,
		GroupLabels: map[string]string{"rule": "LogkeelTest"}, Alerts: []alert{a},
	}
}
