package agent

import (
	"context"
	"log/slog"
	"testing"
	"time"
)

// fixed are units that are what they are.
func fixed(l *Ledger, log *slog.Logger, m Matcher, collectors []Collector, outputs ...Output) Parts {
	p := Parts{Log: log, Ledger: l, Rules: rulesOf(m), ShutdownTimeout: 8 * time.Second}
	for _, c := range collectors {
		p.Collectors = append(p.Collectors, CollectorUnit{Name: c.Name(), Build: func() ([]Collector, error) { return []Collector{c}, nil }})
	}
	for _, o := range outputs {
		p.Outputs = append(p.Outputs, OutputUnit{Name: o.Name(), Build: func() (Output, error) { return o, nil }})
	}
	return p
}

func rulesOf(m Matcher) RulesUnit {
	return RulesUnit{Section: m, Build: func([]AlertOutput, Alerter) (Matcher, Alerter, error) { return m, nil, nil }}
}

func newAgent(t *testing.T, p Parts) *Agent {
	t.Helper()
	a, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// runAgent runs a until the test stops it.
func runAgent(t *testing.T, a *Agent) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
