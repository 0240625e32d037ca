package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// next returns the seq that Next gives, or 0.
func next(t testing.TB, s *Spool) uint64 {
	t.Helper()
	f, ok, err := s.Next(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		return 0
	}
	return f.Seq
}

func TestQueue(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Frame{frameOf(1, "a", "b"), frameOf(2, "b"), {Payload: nil, Records: 3}, frameOf(3, "a")}
	if first := mustAppend(t, s, want...); first != 1 {
		t.Fatalf("first seq %d", first)
	}
	buf := make([]byte, 0, 1024)
	for i, w := range want {
		f, ok, err := s.Next(buf)
		if err != nil || !ok || f.Seq != uint64(i+1) || f.Records != w.Records || !bytes.Equal(f.Payload, w.Payload) || !slices.Equal(f.Ranges, w.Ranges) {
			t.Fatalf("frame %d: %+v %v %v", i, f, ok, err)
		}
		if len(f.Payload) > 0 && &f.Payload[0] != &buf[:1][0] {
			t.Error("the payload is not in the memory that was given")
		}
	}
	if n := next(t, s); n != 0 {
		t.Fatalf("seq %d after the last", n)
	}
	s.Done(3)
	s.Done(1)
	s.Done(1)
	s.Done(77)
	if frames, empty := s.Frames(), s.Empty(); frames != 2 || empty {
		t.Fatalf("%d frames, empty %v", frames, empty)
	}
	s.Rewind()
	if frames, bytes := s.Unread(); frames != 2 || bytes <= 0 {
		t.Fatalf("%d unread, %d bytes", frames, bytes)
	}
	if a, b, c := next(t, s), next(t, s), next(t, s); a != 2 || b != 4 || c != 0 {
		t.Fatalf("after Rewind %d %d %d", a, b, c)
	}
	mustAppend(t, s, frameOf(4, "a"), frameOf(5, "a"), frameOf(6, "a"))
	s.SkipTo(7)
	s.SkipTo(5)
	if a, b := next(t, s), next(t, s); a != 7 || b != 0 {
		t.Fatalf("after SkipTo %d %d", a, b)
	}
	for seq := range uint64(8) {
		s.Done(seq)
	}
	if frames, bytes := s.Unread(); !s.Empty() || frames != 0 || bytes != 0 {
		t.Fatalf("empty %v, %d unread, %d bytes", s.Empty(), frames, bytes)
	}
	if len(s.ahead) > 0 {
		t.Errorf("%d seqs are kept for nothing", len(s.ahead))
	}
	if p := positions(s); p["a"] != 6 || p["b"] != 2 {
		t.Fatalf("positions %v", p)
	}
}

func TestClosed(t *testing.T) {
	s := mustOpen(t, newMemFS(), Options{})
	mustAppend(t, s, frameOf(1, "a"))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Append([]Frame{frameOf(2, "a")}); !errors.Is(err, ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if _, _, err := s.Next(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Next: %v", err)
	}
	s.Done(1)
	if s.Empty() {
		t.Error("Done after Close")
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("x", maxRanges)
	for _, c := range []struct {
		name, want string
		frame      Frame
	}{
		{"payload", "over the spool's limit", Frame{Payload: make([]byte, maxPayload+1)}},
		{"ranges", "over the spool's limit", Frame{Ranges: []Range{{Source: long}}}},
		{"records", "-1 records", Frame{Records: -1}},
		{"all", "more than the 10000000 bytes", Frame{Payload: make([]byte, 10_000_000)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustOpen(t, newMemFS(), Options{MaxBytes: 10_000_000})
			mustAppend(t, s, frameOf(1, "a"))
			if _, err := s.Append([]Frame{frameOf(2, "a"), c.frame}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if seq := mustAppend(t, s, frameOf(2, "a")); seq != 2 || len(drain(t, s)) != 2 {
				t.Errorf("seq %d after an error", seq)
			}
		})
	}
}

// TestFull appends far more than fits, with some of it acknowledged: all that
// was appended is acknowledged, there, or was reported as dropped.
func TestFull(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		dropped, oversize := map[string]int{}, 0
		o := Options{MaxBytes: 6000, OnDrop: func(d Drop) {
			if d.Reason != Full || d.Records <= 0 || d.Frames <= 0 || d.To.Epoch != 1 {
				t.Errorf("%+v", d)
			}
			dropped[d.Source] += d.Records
		}}
		s := mustOpen(t, newMemFS(), o)
		appended, acked := map[string]int{}, map[string]int{}
		ack := func(f Frame) {
			before := s.Frames()
			s.Done(f.Seq)
			if s.Frames() < before { // or else it was dropped while on its way
				for _, r := range f.Ranges {
					acked[r.Source] += r.Records
				}
			}
		}
		var flight []Frame
		for n := range int64(400) {
			f := Frame{Payload: make([]byte, rng.IntN(300))}
			if rng.IntN(40) == 0 {
				f.Payload, oversize = make([]byte, 5500), oversize+1 // takes the active segment, too
			}
			for _, source := range sources {
				if rng.IntN(2) == 0 {
					records := 1 + rng.IntN(9)
					f.Records += records
					f.Ranges = append(f.Ranges, Range{Source: source, Records: records, To: agent.Position{Epoch: 1, Offset: n}})
					appended[source] += records
				}
			}
			if len(f.Ranges) == 0 {
				continue
			}
			mustAppend(t, s, f)
			if s.Bytes() > o.MaxBytes {
				t.Fatalf("%d bytes", s.Bytes())
			}
			for range rng.IntN(2) {
				if f, ok, _ := s.Next(nil); ok {
					flight = append(flight, f)
				}
			}
			if len(flight) > 0 && rng.IntN(2) == 0 {
				i := rng.IntN(len(flight))
				ack(flight[i])
				flight = slices.Delete(flight, i, i+1)
			}
		}
		s.Rewind()
		for {
			f, ok, err := s.Next(nil)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			ack(f)
		}
		if !s.Empty() || oversize == 0 {
			t.Fatalf("empty %v, %d of the large", s.Empty(), oversize)
		}
		total := 0
		for _, source := range sources {
			if dropped[source] == 0 || acked[source] == 0 || appended[source] != acked[source]+dropped[source] {
				t.Errorf("seed %d %s: %d appended, %d acknowledged, %d dropped", seed, source, appended[source], acked[source], dropped[source])
			}
			total += dropped[source]
		}
		if got := meter(s)[`logkeel_spool_dropped_records_total{reason="full"}`]; got != float64(total) {
			t.Errorf("metric %v; want %d", got, total)
		}
	}
}

// A hookFS calls a function before each read.
type hookFS struct {
	*memFS
	onRead *func()
}

type hookFile struct {
	File
	onRead *func()
}

func (h hookFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := h.memFS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return hookFile{f, h.onRead}, nil
}

func (f hookFile) ReadAt(b []byte, off int64) (int, error) {
	if hook := *f.onRead; hook != nil {
		*f.onRead = nil
		hook()
	}
	return f.File.ReadAt(b, off)
}

// TestDropWhileRead drops the segment that Next is reading: it goes on with the
// first frame that is left.
func TestDropWhileRead(t *testing.T) {
	var hook func()
	drops := 0
	s := mustOpen(t, hookFS{newMemFS(), &hook}, Options{MaxBytes: 4000, OnDrop: func(d Drop) {
		if d.Reason != Full {
			t.Errorf("%+v", d)
		}
		drops += d.Records
	}})
	n := int64(0)
	fill := func() {
		for before := drops; drops == before; {
			n++
			mustAppend(t, s, frameOf(n, "a"))
		}
	}
	fill()
	s.SkipTo(uint64(drops) + 1)
	hook = fill
	f, ok, err := s.Next(nil)
	if err != nil || !ok || f.Seq != uint64(drops)+1 || string(f.Payload) != string(payload("a", int64(f.Seq))) {
		t.Fatalf("%d dropped, then %v %q %v %v", drops, f.Seq, f.Payload, ok, err)
	}
}

// TestFullAndNotRemovable: what cannot be removed is not dropped over and over.
func TestFullAndNotRemovable(t *testing.T) {
	fs := newMemFS()
	drops := 0
	s := mustOpen(t, fs, Options{MaxBytes: 4000, OnDrop: func(d Drop) { drops += d.Records }})
	n := int64(0)
	for drops == 0 {
		n++
		mustAppend(t, s, frameOf(n, "a"))
	}
	before := drops
	fs.fail = func(_ int, op, _ string) error {
		if op == "remove" {
			return errInjected
		}
		return nil
	}
	refused := 0
	for range 50 {
		if _, err := s.Append([]Frame{frameOf(n+1, "a")}); err != nil {
			refused++
		} else {
			n++
		}
	}
	if refused == 0 || s.Bytes() > 4000 || drops > 2*before {
		t.Fatalf("%d refused, %d bytes, %d dropped, %d before", refused, s.Bytes(), drops, before)
	}
	fs.fail = nil
	mustAppend(t, s, frameOf(n+1, "a"))
	if got := s.Frames() + drops; got != int(n+1) {
		t.Fatalf("%d frames and %d dropped of %d", s.Frames(), drops, n+1)
	}
}

func meter(s *Spool) map[string]float64 {
	got := map[string]float64{}
	s.Meter(func(m agent.Sample) {
		name := m.Name
		for _, l := range m.Labels {
			name += fmt.Sprintf("{%s=%q}", l.Name, l.Value)
		}
		got[name] = m.Value
	})
	return got
}

func TestMeter(t *testing.T) {
	fs := newMemFS()
	s := mustOpen(t, fs, Options{Labels: []agent.Label{{Name: "output", Value: "x"}}})
	mustAppend(t, s, frameOf(1, "a"), frameOf(2, "a"))
	fs.fail = func(int, string, string) error { return errInjected }
	if _, err := s.Append([]Frame{frameOf(3, "a")}); err == nil {
		t.Fatal("no error")
	}
	fs.fail = nil
	g := s.segs[0]
	fs.names[g.path].data[g.size-1]++
	drain(t, s)
	got := meter(s)
	for name, want := range map[string]float64{
		`logkeel_spool_bytes{output="x"}`:                                   float64(g.size),
		`logkeel_spool_max_bytes{output="x"}`:                               1 << 30,
		`logkeel_spool_frames{output="x"}`:                                  1,
		`logkeel_spool_dropped_records_total{output="x"}{reason="full"}`:    0,
		`logkeel_spool_dropped_records_total{output="x"}{reason="corrupt"}`: 1,
		`logkeel_spool_dropped_frames_total{output="x"}{reason="full"}`:     0,
		`logkeel_spool_dropped_frames_total{output="x"}{reason="corrupt"}`:  1,
		`logkeel_spool_write_errors_total{output="x"}`:                      1,
		`logkeel_spool_used_ratio{output="x"}`:                              float64(s.Bytes()) / (1 << 30),
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v; want %v", name, v, want)
		}
	}
	if len(got) != 9 {
		t.Errorf("%d samples: %v", len(got), got)
	}
}

// TestConcurrent appends, reads and acknowledges at once, with lost connections
// and on a small spool that is emptied all the time.
func TestConcurrent(t *testing.T) {
	const n = 3000
	dir := t.TempDir()
	s, err := Open(dir, Options{SegmentBytes: 4096, OnDrop: func(d Drop) { t.Errorf("%+v", d) }})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	sent, appended := make(chan uint64, 32), make(chan struct{}, 1)
	wg.Go(func() {
		defer close(appended)
		for i := int64(1); i <= n; i += 10 {
			var frames []Frame
			for j := range int64(10) {
				frames = append(frames, frameOf(i+j, "a"))
			}
			if _, err := s.Append(frames); err != nil {
				t.Error(err)
				return
			}
			select {
			case appended <- struct{}{}:
			default:
			}
		}
	})
	wg.Go(func() {
		defer close(sent)
		var buf []byte
		for reads := 1; ; reads++ {
			f, ok, err := s.Next(buf)
			if err != nil {
				t.Error(err)
				return
			}
			if !ok {
				_, more := <-appended
				if unread, _ := s.Unread(); !more && unread == 0 {
					return
				}
				continue
			}
			buf = f.Payload
			if string(buf) != string(payload("a", int64(f.Seq))) {
				t.Errorf("seq %d is %q", f.Seq, buf)
			}
			sent <- f.Seq
			if reads%97 == 0 {
				s.Rewind()
			}
		}
	})
	wg.Go(func() {
		for seq := range sent {
			s.Done(seq)
			s.Meter(func(agent.Sample) {})
			s.Positions(func(string, agent.Position) {})
		}
	})
	wg.Wait()
	if !s.Empty() || s.Frames() != 0 {
		t.Errorf("%d frames are left", s.Frames())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNextAllocates(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range int64(1000) {
		f := frameOf(n, "file/a", "file/b")
		f.Payload = make([]byte, 10_000)
		mustAppend(t, s, f)
	}
	buf := make([]byte, 0, 16<<10)
	if got := testing.AllocsPerRun(500, func() {
		if _, ok, err := s.Next(buf); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}); got > 4 {
		t.Errorf("%v allocations a frame", got)
	}
}
