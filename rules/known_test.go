package rules

import (
	"os"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

func TestKnown(t *testing.T) {
	dir := t.TempDir()
	if all, err := Known(dir); err != nil || len(all) != 0 {
		t.Errorf("of an agent that never ran: %v, %v", all, err)
	}
	a := &Alerts{path: statePath(dir)}
	key := []agent.Label{{Name: "container", Value: "db"}}
	fires := agent.Alert{ID: "1", Rule: agent.Rule{Name: "Fires"}, Key: key}
	if err := a.store(&savedState{
		Version: stateVersion, Keys: []savedKey{{Rule: "Fires", Labels: key, Alert: &fires}, {Rule: "Counts", Labels: key}}, Outbox: []agent.Alert{{ID: "2", Rule: agent.Rule{Name: "Waits"}}},
	}); err != nil {
		t.Fatal(err)
	}
	all, err := Known(dir)
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	counts := agent.Alert{Rule: agent.Rule{Name: "Counts"}, Key: key}
	if all[0].Handle() != fires.Handle() || all[0].ID != "1" || all[1].Handle() != counts.Handle() || all[1].ID != "" || all[2].ID != "2" {
		t.Errorf("%+v", all)
	}
	if err := os.WriteFile(statePath(dir), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Known(dir); err == nil {
		t.Error("anything is taken")
	}
}
