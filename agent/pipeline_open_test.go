package agent

import (
	"context"
	"log/slog"
	"slices"
	"testing"
)

// A listener is an Alerter that notes which sources are open.
type listener struct {
	noAlerts
	said []string
}

func (l *listener) Opened(src *Source) { l.said = append(l.said, "open "+src.ID) }

func (l *listener) Closed(src *Source, gone bool) {
	if gone {
		l.said = append(l.said, "gone "+src.ID)
	} else {
		l.said = append(l.said, "closed "+src.ID)
	}
}

func TestTheAlerterHearsWhatIsOpen(t *testing.T) {
	l, err := OpenLedger(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	heard, next := &listener{noAlerts: noAlerts{l.Consumer(RulesConsumer)}}, &listener{noAlerts: noAlerts{l.Consumer(RulesConsumer)}}
	p := NewPipeline(l, newWords("bad"), heard, nil)
	a, b := p.Open(&Source{ID: "a"}), p.Open(&Source{ID: "b"})
	a.Close(true)
	if err := p.swap(func() (*works, error) { return newWorks(l, newWords("bad"), next, nil), nil }); err != nil {
		t.Fatal(err)
	}
	b.Close(false)
	if want := []string{"open a", "open b", "gone a"}; !slices.Equal(heard.said, want) {
		t.Errorf("heard %q, want %q", heard.said, want)
	}
	if want := []string{"open b", "closed b"}; !slices.Equal(next.said, want) {
		t.Errorf("after a reload heard %q, want %q", next.said, want)
	}
}

// An output that looks at what it is given while it is given it.
type looker struct {
	*recorder
	look func(*Batch)
}

func (l looker) Write(ctx context.Context, b *Batch, from int) error {
	l.look(b)
	return l.recorder.Write(ctx, b, from)
}

// While an output holds up a batch nobody knows what comes behind it; and records that
// are as they should be are not marked.
func TestWhatAnOutputSeesOfABatch(t *testing.T) {
	l, err := OpenLedger(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rules := newWords("bad", "good")
	rules[1].Unmarked = true
	var p *Pipeline
	looked := false
	out := looker{newRecorder(l, "out"), func(b *Batch) {
		looked = true
		if n := p.Unread()["a"]; n != 1 {
			t.Errorf("%d bytes are unread while a batch is held up, want 1", n)
		}
		if len(b.Findings) != 1 || b.Findings[0].Rule.Name != "bad" {
			t.Errorf("findings %+v", b.Findings)
		}
	}}
	p = NewPipeline(l, rules, nil, []RecordOutput{out})
	f := p.Open(&Source{ID: "a"})
	b, err := f.Batch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Buf = append(b.Buf, "goodbad"...)
	b.Records = append(b.Records, Record{End: 4, Body: Span{0, 4}}, Record{End: 7, Body: Span{4, 7}})
	b.Pos = Position{Epoch: 1, Offset: 7}
	if err := f.Emit(t.Context(), b); err != nil || !looked {
		t.Fatal(err, looked)
	}
	if n, ok := p.Unread()["a"]; n != 0 || !ok {
		t.Errorf("%d bytes are unread afterwards, known: %v", n, ok)
	}
}
