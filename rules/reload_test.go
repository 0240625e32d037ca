package rules

import (
	"log/slog"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// reload replaces the Alerts in a running agent: samplers go on as they were.
func (b *bench) reload() {
	b.t.Helper()
	b.flush(b.t.Context(), true)
	ledger, err := agent.OpenLedger(b.t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	b.Alerts, err = NewAlerts(newSet(b.rules), AlertOptions{
		Ledger: ledger, Dir: b.dir, Outputs: []agent.AlertOutput{&b.told}, Log: slog.New(slog.DiscardHandler), Before: b.Alerts, Clock: b.clock,
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// A reload of the rules does not take a sampler that is asked once an hour for
// one that is gone: its alert neither ends nor begins again.
func TestAReloadWaitsForASnapshotThatIsRare(t *testing.T) {
	b := newBench(t, ruleOf(measure{sample: "up", equals: number(0)}, eachSeries))
	for range 4 {
		b.Samples("http/page", []agent.Sample{value("up", 0, "target", "page")})
		b.pass(20 * time.Minute)
		b.reload()
		b.pass(40 * time.Minute)
	}
	if a := b.told.one(t); !a.Firing() {
		t.Errorf("%+v", a)
	}
	if n := b.Alerts.rules[0].fired; n != 1 {
		t.Errorf("fired %d times, want 1", n)
	}
	b.pass(4 * time.Hour)
	if a := b.told.one(t); a.Firing() {
		t.Errorf("it is not measured any more, and fires: %+v", a)
	}
}
