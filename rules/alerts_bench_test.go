package rules

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// BenchmarkStorm has lines of 30 logs, each of which is a finding of one of 20
// rules: without alerts, and with those that count by log or by what a group
// found.
func BenchmarkStorm(b *testing.B) {
	const logs, rules = 30, 20
	for _, by := range []struct {
		name   string
		expr   string
		policy policy
	}{
		{"by log", "failure%c", times(5, time.Minute)},
		{"by group", `failure%c from (?P<ip>[0-9.]+)`, policy{threshold: 5, window: time.Minute, by: []keyPart{{name: "ip", group: true}}}},
	} {
		var list []loaded
		for i := range rules {
			e, err := compile(fmt.Sprintf(by.expr, 'a'+i))
			if err != nil {
				b.Fatal(err)
			}
			list = append(list, loaded{rule: &agent.Rule{Name: fmt.Sprint("R", i)}, match: []*expr{e}, policy: by.policy})
		}
		r := rand.New(rand.NewPCG(1, 2))
		var batches []*agent.Batch
		for n := range logs {
			batch := &agent.Batch{Source: &agent.Source{ID: fmt.Sprint("docker/", n), Name: fmt.Sprint("app-", n)}}
			for len(batch.Buf) < 256<<10 {
				appendRecord(batch, fmt.Sprintf("failure%c from 10.0.0.%d %s", 'a'+r.IntN(rules), r.IntN(40), logLine(r))[:240])
				batch.Records[len(batch.Records)-1].Time = time.Now().UnixNano()
			}
			batches = append(batches, batch)
		}
		for _, judged := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/alerts=%v", by.name, judged), func(b *testing.B) { benchmarkStorm(b, newSet(list), batches, judged) })
		}
	}
}

func benchmarkStorm(b *testing.B, set *Set, batches []*agent.Batch, judged bool) {
	log := slog.New(slog.DiscardHandler)
	ledger, err := agent.OpenLedger(b.TempDir(), log)
	if err != nil {
		b.Fatal(err)
	}
	a, err := NewAlerts(set, AlertOptions{Ledger: ledger, Dir: b.TempDir(), Outputs: []agent.AlertOutput{&told{byID: map[string]agent.Alert{}}}, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	lines := 0
	ticked := time.Now()
	before := cpuTime(b)
	for i := 0; b.Loop(); i++ {
		batch := batches[i%len(batches)]
		batch.Findings = batch.Findings[:0]
		batch.Pos = agent.Position{Epoch: 1, Offset: int64(i + 1)}
		set.Match(batch)
		lines += len(batch.Records)
		if !judged {
			a.consumer.Safe(batch.Source.ID, batch.Pos)
			continue
		}
		a.Records(batch, 0)
		if time.Since(ticked) > tick {
			a.Tick(b.Context(), nil)
			ticked = time.Now()
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(lines), "cpu-ns/line")
}
