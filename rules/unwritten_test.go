package rules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// TestFullDiskIsTold: an alert is handed on though the file cannot be written,
// and again until its output has it on the disk; then it is in the file, or gone.
func TestFullDiskIsTold(t *testing.T) {
	b := newBench(t, rulesOf(t, `match: error`)...)
	good := b.path
	b.path = filepath.Join(b.dir, "gone", stateName)
	b.told.err, b.told.takes = fmt.Errorf("mail: %w", agent.ErrInMemory), true
	b.log("app", b.wall, "error")
	b.pass(time.Second)
	if a := b.told.one(t); !a.Firing() {
		t.Errorf("told %+v", a)
	}
	if b.Stored() == nil {
		t.Error("it is said to be stored")
	}
	b.pass(59 * time.Second)
	if b.told.calls < 5 || b.told.calls > 15 {
		t.Errorf("handed on %d times in a minute", b.told.calls)
	}
	b.path = good
	b.pass(2 * time.Second)
	b.start() // a kill before the output had room
	b.tick()
	if len(b.outbox) != 1 {
		t.Fatalf("%d alerts are kept for the output", len(b.outbox))
	}
	b.pass(time.Hour)
	if a := b.told.one(t); a.Firing() || len(b.outbox) != 1 {
		t.Errorf("%+v, and %d are kept for the output", a, len(b.outbox))
	}
	b.told.err = nil
	b.pass(10 * time.Second)
	if len(b.outbox) != 0 {
		t.Errorf("%d alerts are kept though the output has them", len(b.outbox))
	}
	if data, err := os.ReadFile(good); err != nil || len(data) == 0 {
		t.Error(err)
	}
}

// TestFullDiskIsBounded: alerts that are told from memory make room for others
// without a word, and those that nobody has stay.
func TestFullDiskIsBounded(t *testing.T) {
	b := newBench(t, rulesOf(t, `match: error`)...)
	ended := func(n int, from string) {
		for i := range n {
			b.changed(&agent.Alert{ID: fmt.Sprint(from, i), Starts: b.wall, Ended: b.wall}, true)
		}
	}
	b.told.err, b.told.takes = agent.ErrInMemory, true
	ended(maxEnded, "told")
	b.tick()
	b.told.err, b.told.takes = errors.New("no"), false
	ended(100, "untold")
	b.pass(time.Second)
	untold := 0
	for id := range b.outbox {
		if id[:2] == "un" {
			untold++
		}
	}
	if len(b.outbox) != maxEnded || untold != 100 || b.dropped != 0 {
		t.Errorf("%d wait, %d of which nobody has; %d are dropped", len(b.outbox), untold, b.dropped)
	}
}
