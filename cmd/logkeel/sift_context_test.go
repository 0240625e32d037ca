package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/collectors/tail"
	"github.com/webgrip/logkeel/rules"
)

// A deafOutput takes no alert.
type deafOutput struct{}

func (deafOutput) Name() string                                     { return "deaf" }
func (deafOutput) Run(context.Context) error                        { return nil }
func (deafOutput) Reconcile(context.Context, map[string]bool) error { return nil }
func (deafOutput) Notify(context.Context, []agent.Alert) error      { return os.ErrClosed }

// siftAlerts reads the log and returns the alerts that its lines make, by ID.
func siftAlerts(t *testing.T, set *rules.Set, path string, size int64, all bool, outputs ...agent.AlertOutput) (alerts map[string]agent.Alert, passed int) {
	t.Helper()
	log, dir := slog.New(slog.DiscardHandler), t.TempDir()
	ledger, err := agent.OpenLedger(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	a, err := rules.NewAlerts(set, rules.AlertOptions{Ledger: ledger, Dir: dir, Outputs: outputs, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	out, _ := siftTo(t, ledger, set, a, path, size, all)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := a.Run(ended, func() map[string]int64 { return nil }); err != nil {
		t.Fatal(err)
	}
	var state struct{ Outbox []agent.Alert }
	b, err := os.ReadFile(filepath.Join(dir, "alerts.json"))
	if err == nil {
		err = json.Unmarshal(b, &state)
	}
	if err != nil {
		t.Fatal(err)
	}
	alerts = map[string]agent.Alert{}
	for _, a := range state.Outbox {
		alerts[a.ID] = a
	}
	return alerts, out.passed
}

// TestSiftedHasContext reads a log of which only flagged records are wanted, and
// wants alerts to show beside them what they show where all are wanted; and that
// no more is decoded where nobody is told.
func TestSiftedHasContext(t *testing.T) {
	set, err := rules.Load(rules.Config{Packs: []string{"operations"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	lines := 0
	write := func(n int, text string) {
		for range n {
			fmt.Fprintf(&log, `{"log":"%s %d\n","stream":"stdout","time":"2025-01-09T14:30:00.%09dZ"}`+"\n", text, lines, lines)
			lines++
		}
	}
	write(900, "a line of no interest")
	write(1, "production.ERROR: the first")
	write(3000, "nothing to see")
	write(1, "production.ERROR: the second")
	write(2, "nothing")
	write(1, "production.ERROR: the third")
	write(4000, "nothing")
	path := filepath.Join(t.TempDir(), strings.Repeat("0", 64)+"-json.log")
	if err := os.WriteFile(path, []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	size := int64(log.Len())
	want, _ := siftAlerts(t, set, path, size, true, deafOutput{})
	got, passed := siftAlerts(t, set, path, size, false, deafOutput{})
	_, most := siftAlerts(t, set, path, size, false)
	if tail.CanSift() && (most < lines-300 || passed > most-13 || passed < most-100) {
		t.Errorf("%d of %d lines were passed over, and %d where nobody is told", passed, lines, most)
	}
	if len(want) == 0 || len(got) != len(want) {
		t.Fatalf("%d alerts, want %d", len(got), len(want))
	}
	context := 0
	for id, w := range want {
		g := got[id]
		if g.Count != w.Count || !slices.Equal(g.First, w.First) || !slices.Equal(g.Latest, w.Latest) {
			t.Errorf("%s: %d times\n%v\n%v\nwant %d times\n%v\n%v", w.Rule.Name, g.Count, g.First, g.Latest, w.Count, w.First, w.Latest)
		}
		for _, l := range slices.Concat(g.First, g.Latest) {
			if l.Context {
				context++
			}
		}
	}
	if context < 9 {
		t.Errorf("%d lines of context", context)
	}
}
