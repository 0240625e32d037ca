package spool

import (
	"errors"
	"maps"
	"slices"
	"testing"
)

// TestAckedAheadSurvives: what was done while a frame before it was not comes
// back neither after a kill nor after a stop.
func TestAckedAheadSurvives(t *testing.T) {
	fs := newMemFS()
	s := mustOpen(t, fs, Options{})
	for n := range int64(50) {
		mustAppend(t, s, frameOf(n, "a"))
	}
	drain(t, s)
	var want []uint64
	for seq := range uint64(50) {
		if seq%3 == 0 {
			want = append(want, seq+1)
		} else {
			s.Done(seq + 1)
		}
	}
	for _, stop := range []bool{false, true, false} {
		if stop {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s = mustOpen(t, fs, Options{})
		if got := slices.Sorted(maps.Keys(drain(t, s))); !slices.Equal(got, want) {
			t.Fatalf("%v; want %v", got, want)
		}
		s.Done(want[len(want)-1]) // ahead again
		want = want[:len(want)-1]
	}
	for _, seq := range want {
		s.Done(seq)
	}
	if n := s.acked.entries; n != 0 || !s.Empty() {
		t.Errorf("%d entries are left", n)
	}
}

// TestAckedFileBounded: frames that are done ahead all the time do not make the
// file grow.
func TestAckedFileBounded(t *testing.T) {
	fs := newMemFS()
	s := mustOpen(t, fs, Options{SegmentBytes: 8 << 10})
	seq := uint64(0)
	next := func() uint64 {
		mustAppend(t, s, frameOf(int64(seq), "a"))
		seq++
		return seq
	}
	first := next()
	most := 0
	for range 3 * ackedSpare {
		second := next()
		s.Done(second)
		third := next()
		s.Done(first)
		first = third
		s.Done(next()) // always one ahead
		most = max(most, s.acked.entries)
	}
	if most > ackedSpare+100 || s.acked.entries > ackedSpare {
		t.Errorf("%d entries", most)
	}
	s = mustOpen(t, fs, Options{})
	if got := slices.Sorted(maps.Keys(drain(t, s))); !slices.Equal(got, []uint64{first}) {
		t.Errorf("%v; want %d alone", got, first)
	}
}

// TestAckedOfAnother: entries of a segment that is no more, damaged ones, and
// those of frames that are not there mark nothing as done.
func TestAckedOfAnother(t *testing.T) {
	fs := newMemFS()
	s := mustOpen(t, fs, Options{})
	for n := range int64(10) {
		mustAppend(t, s, frameOf(n, "a"))
	}
	g, _, _ := s.from(3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b := appendAcked(nil, 3, g.seed^1)
	b = appendAcked(b, 4, g.seed)
	b[ackedEntry+2]++
	b = appendAcked(b, 12, g.seed)
	b = appendAcked(b, 5, g.seed)
	b = append(b, b[:7]...)
	f, err := fs.OpenFile(s.acked.path, 0o102, 0o600)
	if err == nil {
		_, err = f.WriteAt(b, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, fs, Options{})
	got := slices.Sorted(maps.Keys(drain(t, s)))
	if want := []uint64{1, 2, 3, 4, 6, 7, 8, 9, 10}; !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
	if first := mustAppend(t, s, frameOf(11, "a"), frameOf(12, "a")); first != 13 {
		t.Errorf("seq %d, which may be that of an entry", first)
	}
}

// TestAckedCannotBeWritten: it is said, and the frames are sent again.
func TestAckedCannotBeWritten(t *testing.T) {
	fs := newMemFS()
	s := mustOpen(t, fs, Options{})
	for n := range int64(3) {
		mustAppend(t, s, frameOf(n, "a"))
	}
	fs.fail = func(int, string, string) error { return errors.New("broken") }
	s.Done(3)
	if n := meter(s)[`logkeel_spool_write_errors_total`]; n != 1 {
		t.Errorf("%v errors", n)
	}
	fs.fail = nil
	s = mustOpen(t, fs, Options{})
	if got := drain(t, s); len(got) != 3 {
		t.Errorf("%d frames", len(got))
	}
}
