package tap

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"runtime"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// ordinary finds something in each hundredth line.
type ordinary struct{}

func (ordinary) Rules() []*agent.Rule { return []*agent.Rule{broken} }

func (ordinary) Match(b *agent.Batch) {
	for i := 0; i < len(b.Records); i += 100 {
		b.Findings = append(b.Findings, agent.Finding{Rule: broken, Record: int32(i), Match: b.Records[i].Body})
	}
}

// BenchmarkLooked is what a batch of a thousand lines costs in the pipeline, by who
// looks: nobody; one that reads nothing; one that wants findings; one that reads all
// as fast as it can.
func BenchmarkLooked(b *testing.B) {
	for _, by := range []struct {
		name, ask string
		reads     bool
	}{{"nobody", "", false}, {"unread", "{}\n", false}, {"findings", `{"findings":true}` + "\n", true}, {"all", "{}\n", true}} {
		b.Run(by.name, func(b *testing.B) {
			log, dir := slog.New(slog.DiscardHandler), b.TempDir()
			l, err := agent.OpenLedger(dir, log)
			if err != nil {
				b.Fatal(err)
			}
			p := agent.NewPipeline(l, ordinary{}, nil, nil)
			h := NewHub(Options{Dir: dir, Log: log, Rules: func() []*agent.Rule { return nil }})
			ctx, stop := context.WithCancel(b.Context())
			done := make(chan struct{})
			go func() { defer close(done); h.Run(ctx, p) }()
			defer func() { stop(); <-done }()
			if by.ask != "" {
				for { // until it listens
					if conn, err := dial(ctx, dir); err == nil {
						defer conn.Close()
						io.WriteString(conn, by.ask)
						if by.reads {
							go io.Copy(io.Discard, conn)
						}
						break
					}
				}
				for len(*h.filled.Load()) == 0 {
					runtime.Gosched()
				}
			}
			f, end := p.Open(app), int64(0)
			const lines, size = 1000, 100
			text := bytes.Repeat([]byte("x"), size)
			b.SetBytes(lines * size)
			b.ReportAllocs()
			for b.Loop() {
				batch, err := f.Batch(ctx)
				if err != nil {
					b.Fatal(err)
				}
				for range lines {
					end++
					start := int32(len(batch.Buf))
					batch.Buf = append(batch.Buf, text...)
					batch.Records = append(batch.Records, agent.Record{End: end, Body: agent.Span{Start: start, End: start + size}})
				}
				batch.Pos = agent.Position{Epoch: 1, Offset: end}
				if err := f.Emit(ctx, batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
