package agent

import "testing"

// An output that was killed before its first acknowledgement is not taken for a
// new one, which begins where the others are.
func TestKilledBeforeTheFirstAcknowledgement(t *testing.T) {
	dir := t.TempDir()
	l := openLedger(t, dir)
	f := NewPipeline(l, newWords("bad"), nil, []RecordOutput{newRecorder(l, "out")}).Open(web)
	emit(t, f, 1, 10, "a bad line")

	l = openLedger(t, dir) // nothing was acknowledged; the rules have counted all
	if got := l.Consumer(RulesConsumer).Position(web.ID); got.Offset != 10 {
		t.Fatalf("the rules are at %+v", got)
	}
	out := newRecorder(l, "out")
	f = NewPipeline(l, newWords("bad"), nil, []RecordOutput{out}).Open(web)
	if all := f.Resume(); len(all) == 0 || all[0].Offset != 0 || all[0].Epoch != 1 {
		t.Fatalf("resumes at %+v", all)
	}
	emit(t, f, 1, 10, "a bad line")
	if len(out.lines) != 10 {
		t.Errorf("%d lines, want all ten", len(out.lines))
	}
}

// While the ledger cannot be written nobody may keep positions beside it.
func TestNoPositionsAreKeptBesideABrokenLedger(t *testing.T) {
	l := openLedger(t, t.TempDir())
	c := l.Detached("rules", nil)
	c.Safe(web.ID, at(1, 5))
	if saved, err := c.Saved(); err != nil || len(saved) != 1 {
		t.Fatalf("%v, %v", saved, err)
	}
	l.broken = true
	if saved, err := c.Saved(); err == nil {
		t.Errorf("got %v", saved)
	}
}
