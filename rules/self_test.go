package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// TestUnwrittenIsMeasured: that what was counted cannot be written is measured
// until it can, with the reason; and so is a loop that hangs.
func TestUnwrittenIsMeasured(t *testing.T) {
	b := newBench(t, rulesOf(t, `match: error`)...)
	self := func(name string) (s agent.Sample) {
		b.MeterSelf(func(m agent.Sample) {
			if m.Name == name {
				s = m
			}
		})
		return s
	}
	good := b.path
	b.log("app", b.wall, "error")
	b.pass(time.Second)
	if s := self("logkeel_state_unwritten_seconds"); s.Value != 0 || s.Note != "" {
		t.Errorf("unwritten for %v: %s", s.Value, s.Note)
	}
	b.path = filepath.Join(b.dir, "gone", stateName)
	b.log("app", b.wall, "error")
	b.pass(time.Minute)
	if s := self("logkeel_state_unwritten_seconds"); s.Value <= 0 || !strings.Contains(s.Note, os.ErrNotExist.Error()) && !strings.Contains(s.Note, "no such file") {
		t.Errorf("unwritten for %v: %s", s.Value, s.Note)
	}
	b.path = good
	b.log("app", b.wall, "error")
	b.pass(time.Minute)
	if s := self("logkeel_state_unwritten_seconds"); s.Value != 0 || s.Note != "" {
		t.Errorf("unwritten for %v: %s", s.Value, s.Note)
	}

	b.Tick(t.Context(), nil)
	b.elapsed += 90 * time.Second
	if s := self("logkeel_alerts_tick_seconds"); s.Value != 90 {
		t.Errorf("the last tick was %v s ago, want 90", s.Value)
	}
	b.MeterSelf(func(s agent.Sample) {
		if s.Name == "logkeel_alerts" || s.Name == "logkeel_alerts_fired_total" {
			t.Errorf("rules may look at what they fire: %s", s.Name)
		}
	})
}

// TestSelfIsInForce without being named, once, and not where nobody wants it.
func TestSelfIsInForce(t *testing.T) {
	count := func(c Config) (n int) {
		set, err := Load(c, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range set.Rules() {
			if r.File == packPrefix+selfPack {
				n++
			}
		}
		return n
	}
	named := count(Config{Packs: []string{selfPack}})
	if named < 10 || count(Config{Self: true}) != named || count(Config{Self: true, Packs: []string{selfPack, "samples"}}) != named || count(Config{Packs: []string{"samples"}}) != 0 {
		t.Errorf("%d rules where it is named; %d, %d and %d", named, count(Config{Self: true}), count(Config{Self: true, Packs: []string{selfPack}}), count(Config{}))
	}
}
