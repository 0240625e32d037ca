package rules

import (
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// What fires is in the order in which people should look at it, without lines;
// what was over is told once, also where there is no output.
func TestFiring(t *testing.T) {
	m := times(1, 10*time.Second)
	low := ruleOn("Low", m)
	low.rule.Severity = "info"
	b := newBench(t, low, ruleOn("Down", m), ruleOn("Slow", m))
	b.set.inhibit([]inhibition{inhibiting(t, `rule="Down"`, `rule="Slow"`)})
	var over []agent.Alert
	b.outputs = nil
	b.Alerts.told = func(alerts []agent.Alert) {
		for _, a := range alerts {
			if !a.Firing() {
				over = append(over, a)
			}
		}
	}
	names := func(most int) (got string, all int) {
		alerts, all := b.Firing(most)
		for _, a := range alerts {
			got += a.Rule.Name + "<" + a.Inhibited + " "
			if a.First != nil || a.Latest != nil || a.Shapes != nil {
				t.Errorf("%s has lines", a.Rule.Name)
			}
		}
		return got, all
	}
	if got, all := names(10); got != "" || all != 0 {
		t.Errorf("at first %q, %d", got, all)
	}
	b.log("app", b.wall, "slow", "low", "down")
	b.tick()
	for most, want := range map[int]string{10: "Down< Low< Slow<Down ", 2: "Down< Low< ", 0: ""} {
		if got, all := names(most); got != want || all != 3 {
			t.Errorf("%d of them: %q, %d, want %q", most, got, all, want)
		}
	}
	b.pass(time.Minute)
	if got, all := names(10); got != "" || all != 0 {
		t.Errorf("at last %q, %d", got, all)
	}
	if len(over) != 3 {
		t.Errorf("%d were over, want 3", len(over))
	}
}
