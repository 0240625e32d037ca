package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A glass is an Alerter that keeps what it is given to judge.
type glass struct {
	noAlerts
	names []string // that some rule is on; none: all

	mu        sync.Mutex
	snapshots map[string][][]Sample
}

func (g *glass) Samples(name string, samples []Sample) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.snapshots[name] = append(g.snapshots[name], samples)
}

func (g *glass) Wants(name string) bool {
	for _, n := range g.names {
		if n == name {
			return true
		}
	}
	return len(g.names) == 0
}

func (g *glass) Meter(yield func(Sample)) {
	yield(Sample{Name: "logkeel_alerts", Labels: []Label{{"rule", "R"}}, Value: 1})
	g.MeterSelf(yield)
}

func (g *glass) MeterSelf(yield func(Sample)) { yield(Sample{Name: "logkeel_alerts_tick_seconds"}) }

// newest is the series of the agent's last snapshot of itself, by name and
// labels.
func (g *glass) newest() map[string]Sample {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[string]Sample{}
	for _, s := range g.snapshots[Self][len(g.snapshots[Self])-1] {
		name := s.Name
		for _, l := range s.Labels {
			name += "{" + l.Value + "}"
		}
		all[name] = s
	}
	return all
}

func watched(t *testing.T, names []string, collectors ...Collector) (*Agent, *glass) {
	l := openLedger(t, t.TempDir())
	g := &glass{noAlerts: noAlerts{l.Consumer(RulesConsumer)}, names: names, snapshots: map[string][][]Sample{}}
	p := fixed(l, slog.New(slog.DiscardHandler), newWords("bad"), collectors)
	p.Rules = RulesUnit{Build: func([]AlertOutput, Alerter) (Matcher, Alerter, error) { return newWords("bad"), g, nil }}
	p.Self = func(yield func(Sample)) { yield(Sample{Name: "logkeel_config_last_reload_successful", Value: 1}) }
	return newAgent(t, p), g
}

// TestSelf: the agent is sampled like anything else, at once and every 15 s, but
// not what was found, sampled or alerted of.
func TestSelf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, g := watched(t, nil, collectorFunc{"c", func(ctx context.Context, s Sink) error {
			f := s.Open(web)
			defer f.Close(false)
			s.Snapshot("mysql/db", []Sample{{Name: "mysql_up", Value: 1}})
			<-ctx.Done()
			return nil
		}})
		stop := runAgent(t, a)
		time.Sleep(time.Minute + time.Second)
		got := g.newest()
		for _, name := range []string{
			"logkeel_component_up{collector}{c}", "logkeel_component_failing_seconds{collector}{c}", "logkeel_state_unwritten_seconds{positions}",
			"logkeel_alerts_tick_seconds", "logkeel_config_last_reload_successful", "logkeel_sources",
		} {
			if _, ok := got[name]; !ok {
				t.Errorf("no %s", name)
			}
		}
		for name := range got {
			if strings.HasPrefix(name, "logkeel_findings") || strings.HasPrefix(name, "logkeel_alerts{") || strings.HasPrefix(name, "mysql") {
				t.Errorf("the agent looks at %s", name)
			}
		}
		stop()
		if n := len(g.snapshots[Self]); n != 5 {
			t.Errorf("%d snapshots in a minute, want 5", n)
		}
		a.Meter(func(s Sample) {
			if s.Name == "logkeel_config_last_reload_successful" {
				t.Error("what is only for rules is on the page") // there it stands already
			}
		})
	})
}

// TestSelfTakesWhatIsAskedFor: a sample that no rule is on is not kept.
func TestSelfTakesWhatIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, g := watched(t, []string{"logkeel_sources"})
		stop := runAgent(t, a)
		synctest.Wait()
		if got := g.newest(); len(got) != 1 || got["logkeel_sources"].Name == "" {
			t.Errorf("%v", got)
		}
		stop()
	})
}

// TestFailingIsMeasured: for how long, and why; one failure is over a minute later.
func TestFailingIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(5 * time.Minute)
		a, g := watched(t, nil, collectorFunc{"c", func(ctx context.Context, _ Sink) error {
			if time.Now().Before(until) {
				return errors.New("permission denied: " + strings.Repeat("é", 400))
			}
			<-ctx.Done()
			return nil
		}})
		stop := runAgent(t, a)
		time.Sleep(4 * time.Minute)
		s := g.newest()["logkeel_component_failing_seconds{collector}{c}"]
		if s.Value < 200 || s.Value > 240 || !strings.HasPrefix(s.Note, "permission denied: éé") || len(s.Note) > maxNote+len("…") {
			t.Errorf("failing for %v: %s", s.Value, s.Note)
		}
		time.Sleep(3 * time.Minute)
		if s := g.newest()["logkeel_component_failing_seconds{collector}{c}"]; s.Value != 0 || s.Note != "" {
			t.Errorf("failing for %v: %s", s.Value, s.Note)
		}
		stop()
	})
}

// TestStalled: a log that has more and of which nothing is heard, however that
// comes about; and none that is read, slowly, or to its end.
func TestStalled(t *testing.T) {
	const stalled = "logkeel_source_stalled_seconds"
	for _, c := range []struct {
		name  string
		read  func(ctx context.Context, f Feed)
		from  float64
		to    float64
		notes string
	}{
		{"to its end", func(_ context.Context, f Feed) { f.Behind(10); f.Behind(0) }, 0, 0, ""},
		{"nothing comes", func(_ context.Context, f Feed) { f.Behind(10) }, 570, 600, "the log is not read on, or nothing comes of it"},
		{"slowly", func(ctx context.Context, f Feed) {
			for ctx.Err() == nil {
				f.Behind(10)
				select {
				case <-ctx.Done():
				case <-time.After(10 * time.Second):
				}
			}
		}, 0, 0, ""},
		{"an output holds it up", func(ctx context.Context, f Feed) {
			b, err := f.Batch(ctx)
			if err != nil {
				return
			}
			b.Buf, b.Pos = append(b.Buf, 'x'), at(1, 1)
			b.Records = append(b.Records, Record{End: 1, Body: Span{0, 1}})
			_ = f.Emit(ctx, b) // ends with the agent
		}, 570, 600, "an output does not take what was read"},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, g := watched(t, []string{stalled}, collectorFunc{"c", func(ctx context.Context, s Sink) error {
				f := s.Open(web)
				defer f.Close(false)
				c.read(ctx, f)
				<-ctx.Done()
				return nil
			}})
			w := a.pipeline.works
			w.outputs = append(w.outputs, &closed{newRecorder(a.ledger, "o")})
			stop := runAgent(t, a)
			time.Sleep(10*time.Minute + time.Second)
			for name, s := range g.newest() {
				if s.Value < c.from || s.Value > c.to || s.Note != c.notes {
					t.Errorf("%s: %s is %v: %s", c.name, name, s.Value, s.Note)
				}
			}
			if len(g.newest()) != 1 {
				t.Errorf("%s: %v", c.name, g.newest())
			}
			stop()
		})
	}
}

// closed takes nothing.
type closed struct{ *recorder }

func (*closed) Write(ctx context.Context, _ *Batch, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

// BenchmarkSelf is what a snapshot of a large agent costs, which is one in 15 s.
func BenchmarkSelf(b *testing.B) {
	l, err := OpenLedger(b.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	g := &glass{noAlerts: noAlerts{l.Consumer(RulesConsumer)}, names: []string{"logkeel_source_stalled_seconds", "logkeel_source_unread_bytes"}, snapshots: map[string][][]Sample{}}
	p := fixed(l, slog.New(slog.DiscardHandler), newWords("bad"), nil)
	p.Rules = RulesUnit{Build: func([]AlertOutput, Alerter) (Matcher, Alerter, error) { return newWords("bad"), g, nil }}
	a, err := New(p)
	if err != nil {
		b.Fatal(err)
	}
	for i := range maxSeries {
		name := fmt.Sprint("c", i)
		a.pipeline.Open(&Source{ID: name, Collector: "docker", Name: name, Labels: []Label{{"container", name}}}).Behind(1)
	}
	b.ReportAllocs()
	for b.Loop() {
		a.sampleSelf()
		clear(g.snapshots)
	}
}
