package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/collectors/tail"
	"github.com/webgrip/logkeel/rules"
)

// A flaggedOutput keeps the records that have findings.
type flaggedOutput struct {
	consumer *agent.Consumer
	all      bool // it says that it wants the others, too

	mu      sync.Mutex
	records []string
	pos     agent.Position
	passed  int // lines
}

func (*flaggedOutput) Name() string                   { return "flagged" }
func (*flaggedOutput) Run(context.Context) error      { return nil }
func (*flaggedOutput) Drain(context.Context) error    { return nil }
func (o *flaggedOutput) Consumer() *agent.Consumer    { return o.consumer }
func (o *flaggedOutput) FlaggedOnly() bool            { return !o.all }
func (o *flaggedOutput) position() (p agent.Position) { o.mu.Lock(); defer o.mu.Unlock(); return o.pos }

func (o *flaggedOutput) Write(_ context.Context, b *agent.Batch, from int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range b.Findings {
		r := b.Records[f.Record]
		if int(f.Record) < from {
			continue
		}
		if r.Flags&agent.Malformed != 0 {
			r.Time = 0 // it has none: that of the reading counts
		}
		o.records = append(o.records, fmt.Sprintf("%d %d %s %d %s %s %q", r.End, r.Time, r.Stream, r.Flags, f.Rule.Name, b.Buf[f.Match.Start:f.Match.End], b.Body(int(f.Record))))
	}
	o.passed += b.Passed.Lines
	o.pos = b.Pos
	return nil
}

// anyContainer knows each container.
type anyContainer struct{}

func (anyContainer) Wanted(*agent.Container) bool { return true }

func (anyContainer) Container(id string) (*agent.Container, bool) {
	return &agent.Container{ID: id, Name: "app"}, true
}

// hostileLog is one of Docker's with lines of all kinds, and some that are none.
func hostileLog(seed uint64, lines int) []byte {
	rnd := rand.New(rand.NewPCG(seed, 1))
	texts := []string{
		`10.0.0.1 - - [09/Jan/2025:14:30:00 +0000] \"GET /?a=%d\u0026b=\u003cx\u003e HTTP/1.1\" 200\n`, `[2025-01-09] production.INFO: %d\tnothing\n`,
		`[2025-01-09] production.ERROR: %d \"x\"\n`, `\u0045RROR %d\n`, `E\u0052ROR\n`, `slow\/timeout %d\n`, `\\nERROR %d\r\n`, `\u001b[31mCRITICAL\u001b[0m %d\n`,
		`password=Kx93nfLq%d failed login\n`, `connection to db-%d has failed\n`, `no line end ERROR %d`, `\n`, ``, `é %d ERROR 😀 \ud83d\ude00\n`, "\xff%d\xfe xss\\n",
		`-----BEGIN PRIVATE KEY-----\n`, `xssMIIEvQIBADANBgkqhkiG9w%dBAQEFAASCBKcwggSj\n`, `-----BEGIN \u0050RIVATE KEY-----\n`, `torn ERROR %d", "stream":"stdout`,
	}
	shapes := []string{
		`{"log":"§","stream":"stdout","time":"2025-01-09T14:30:%02d.123456789Z"}`, `{"log":"§","stream":"stderr","time":"2025-01-09T14:30:%02d.1234567Z"}`,
		`{"log":"§","stream":"stdout","time":"2025-01-09T14:30:%02dZ"}`, `{"log":"§","stream":"stderr","attrs":{"tag":"ERROR"},"time":"2025-01-09T14:30:%02d.1Z"}`,
		`{"time":"2025-01-09T14:30:%02d.5Z","log":"§","stream":"stderr"}`, `{"log":"§","stream":"stdout","time":"never %d"}`, `§ not json %d`, "\x00\x00" + `{"log":"§","stream":"stdout","time":"2025-01-09T14:30:%02d.1Z"}`,
	}
	var b strings.Builder
	for i := range lines {
		text, shape := texts[rnd.IntN(2)], shapes[rnd.IntN(3)]
		if rnd.IntN(10) == 0 {
			text = texts[rnd.IntN(len(texts))]
		}
		if rnd.IntN(200) == 0 {
			shape = shapes[rnd.IntN(len(shapes))]
		}
		if rnd.IntN(300) == 0 {
			text = strings.Repeat("x", 16<<10-3) + []string{"ERR", "xxx", "ERROR"}[rnd.IntN(3)]
		}
		if strings.Contains(text, "%d") {
			text = fmt.Sprintf(text, i)
		}
		fmt.Fprintf(&b, strings.Replace(shape, "§", strings.ReplaceAll(text, "%", "%%"), 1)+"\n", i*60/lines)
	}
	return []byte(b.String())
}

// siftLog reads the log and returns what was found in it, and the agent's counters.
func siftLog(t *testing.T, set *rules.Set, path string, size int64, all bool) (out *flaggedOutput, counters []string) {
	t.Helper()
	ledger, err := agent.OpenLedger(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer ledger.Close()
	return siftTo(t, ledger, set, nil, path, size, all)
}

func siftTo(t *testing.T, ledger *agent.Ledger, set *rules.Set, alerts agent.Alerter, path string, size int64, all bool) (out *flaggedOutput, counters []string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	out = &flaggedOutput{consumer: ledger.Consumer("flagged"), all: all}
	p := agent.NewPipeline(ledger, set, alerts, []agent.RecordOutput{out})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- tail.New(tail.Options{Name: "docker", Globs: []string{path}, Docker: true, Log: log, Poll: 20 * time.Millisecond, Labeler: anyContainer{}}).Run(ctx, p)
	}()
	for deadline := time.Now().Add(time.Minute); out.position().Offset < size && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	p.Meter(func(s agent.Sample) {
		if strings.HasPrefix(s.Name, "logkeel_source_") || s.Name == "logkeel_findings_total" {
			counters = append(counters, fmt.Sprint(s.Name, s.Labels, s.Value))
		}
	})
	return out, counters
}

// TestSiftedIsTheSame reads hostile logs with and without looking through them
// before they are decoded, and wants the same findings, counters and position.
func TestSiftedIsTheSame(t *testing.T) {
	for seed := range uint64(4) {
		var options []rules.Option
		if seed%2 == 1 {
			options = append(options, rules.Redacting(rules.Redact{Secrets: true}))
		}
		set, err := rules.Load(rules.Config{Packs: []string{"operations"}}, "", options...)
		if err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprintf("%064x", seed)
		path := filepath.Join(t.TempDir(), id+"-json.log")
		content := hostileLog(seed, 8000)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		want, wantCounters := siftLog(t, set, path, int64(len(content)), true)
		got, counters := siftLog(t, set, path, int64(len(content)), false)
		least := 2000
		if len(options) > 0 {
			least = 10 // in each block a key may begin
		}
		if want.passed != 0 || got.passed < least && tail.CanSift() {
			t.Errorf("%d lines were passed over where all are wanted, and %d where only flagged ones are", want.passed, got.passed)
		}
		if len(want.records) < 100 || !slices.Equal(got.records, want.records) {
			t.Errorf("seed %d: %d findings, want %d", seed, len(got.records), len(want.records))
		}
		if !slices.Equal(counters, wantCounters) {
			t.Errorf("seed %d: the counters are\n%s\nwant\n%s", seed, strings.Join(counters, "\n"), strings.Join(wantCounters, "\n"))
		}
		if got.pos != want.pos {
			t.Errorf("seed %d: the position is %+v, want %+v", seed, got.pos, want.pos)
		}
	}
}
