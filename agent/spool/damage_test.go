package spool

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// frameOf is a frame of one record a source.
func frameOf(n int64, sources ...string) Frame {
	f := Frame{Payload: payload(strings.Join(sources, "+"), n), Records: len(sources)}
	for _, s := range sources {
		f.Ranges = append(f.Ranges, Range{Source: s, Records: 1, To: agent.Position{Epoch: 1, Offset: n}})
	}
	return f
}

func mustOpen(t testing.TB, fs FS, o Options) *Spool {
	t.Helper()
	o.FS = fs
	s, err := Open(worldDir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustAppend(t testing.TB, s *Spool, frames ...Frame) uint64 {
	t.Helper()
	first, err := s.Append(frames)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// drain reads all that is there, by seq.
func drain(t testing.TB, s *Spool) map[uint64]string {
	t.Helper()
	got := map[uint64]string{}
	for {
		f, ok, err := s.Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		got[f.Seq] = string(f.Payload)
	}
}

func positions(s *Spool) map[string]int64 {
	got := map[string]int64{}
	s.Positions(func(source string, p agent.Position) { got[source] = p.Offset })
	return got
}

// image is the files of a spool with two segments of four frames each.
func image(t testing.TB) (fs *memFS, want map[uint64]string) {
	fs = newMemFS()
	s := mustOpen(t, fs, Options{MaxBytes: 1 << 20, SegmentBytes: 560})
	want = map[uint64]string{}
	for n := int64(1); n <= 8; n++ {
		f := frameOf(n, "a", "b")
		f.Payload = append(payload("a+b", n)[:6], "and a payload of always the same size"...)
		want[mustAppend(t, s, f)] = string(f.Payload)
	}
	if len(s.segs) != 2 || len(s.segs[0].refs) != 4 {
		t.Fatalf("%d segments, %d frames in the first", len(s.segs), len(s.segs[0].refs))
	}
	return fs, want
}

func (m *memFS) clone() *memFS {
	c := newMemFS()
	for name, f := range m.names {
		c.names[name] = &inode{data: slices.Clone(f.data)}
	}
	return c
}

// TestFlippedBit flips bits of every byte of every segment: only the frame that
// has the byte is lost, it is said, and what is appended afterwards is there.
func TestFlippedBit(t *testing.T) {
	fs, want := image(t)
	for name, f := range fs.names {
		last := name == segmentPath(worldDir, 5)
		for i := range f.data {
			for _, bit := range []byte{0x01, 0xff} {
				at := fmt.Sprintf("%s byte %d bit %#x", name, i, bit)
				hurt := fs.clone()
				hurt.names[name].data[i] ^= bit
				lost := 0
				s := mustOpen(t, hurt, Options{MaxBytes: 1 << 20, SegmentBytes: 560, OnDrop: func(d Drop) {
					if d.Reason != Corrupt {
						t.Fatalf("%s: %+v", at, d)
					}
					lost = max(lost, d.Frames)
				}})
				got := drain(t, s)
				missing := len(want) - len(got)
				for seq, p := range got {
					if want[seq] != p {
						t.Fatalf("%s: seq %d is %q", at, seq, p)
					}
				}
				// The end of the last segment looks like a torn write.
				torn := last && missing == 1 && lost == 0 && got[8] == ""
				if missing > 1 || i < segmentHeader && missing > 0 || missing != lost && !torn {
					t.Fatalf("%s: %d frames are missing, %d said to be lost", at, missing, lost)
				}
				if p := positions(s)["a"]; p > 8 || !last && p != 8 {
					t.Fatalf("%s: position %d", at, p)
				}
				seq := mustAppend(t, s, frameOf(9, "a"))
				if again := drain(t, s); len(again) != 1 || again[seq] != string(frameOf(9, "a").Payload) {
					t.Fatalf("%s: appended seq %d, got %v", at, seq, again)
				}
				s = mustOpen(t, hurt, Options{MaxBytes: 1 << 20, SegmentBytes: 560})
				if again := drain(t, s); len(again) != len(got)+1 {
					t.Fatalf("%s: %d frames after a restart; want %d", at, len(again), len(got)+1)
				}
			}
		}
	}
}

// TestTornTail cuts the last segment at every byte of its last frame.
func TestTornTail(t *testing.T) {
	fs, want := image(t)
	name := segmentPath(worldDir, 5)
	size := len(fs.names[name].data)
	frame := size - (size-segmentHeader)/4
	for cut := frame; cut < size; cut++ {
		for _, zeros := range []int{0, 100} { // a size that is there before the bytes
			torn := fs.clone()
			torn.names[name].data = append(torn.names[name].data[:cut], make([]byte, zeros)...)
			s := mustOpen(t, torn, Options{MaxBytes: 1 << 20, SegmentBytes: 560, OnDrop: func(d Drop) {
				if zeros == 0 {
					t.Fatalf("cut at %d: %+v", cut, d)
				}
			}})
			if got := positions(s)["b"]; got != 7 {
				t.Fatalf("cut at %d: position %d", cut, got)
			}
			seq := mustAppend(t, s, frameOf(8, "a", "b"))
			s = mustOpen(t, torn, Options{})
			got := drain(t, s)
			if s.segs[1].cut && zeros == 0 {
				t.Fatalf("cut at %d: a gap is left", cut)
			}
			if len(got) != len(want) || got[seq] != string(frameOf(8, "a", "b").Payload) {
				t.Fatalf("cut at %d: %d frames", cut, len(got))
			}
		}
	}
}

// TestCutStays is the case that a segment's damage must outlive its being the
// last: a frame that never was safe is missing in it, the one behind it is not.
func TestCutStays(t *testing.T) {
	fs := newMemFS()
	s := mustOpen(t, fs, Options{})
	mustAppend(t, s, frameOf(1, "a"))
	mustAppend(t, s, frameOf(2, "a"), frameOf(3, "a"))
	r := s.segs[0].refs[1]
	fs.names[segmentPath(worldDir, 1)].data[r.off+int64(r.size)-1]++ // record 2 did not get there
	for range 3 {
		s = mustOpen(t, fs, Options{})
		if got := positions(s); got["a"] != 1 {
			t.Fatalf("position %d; record 2 would not be read again", got["a"])
		}
		mustAppend(t, s, frameOf(1, "b"))
	}
	if got := drain(t, s); len(got) != 5 {
		t.Fatalf("%d frames", len(got))
	}
}

// failing lets the calls fail that do one of the ops.
func (m *memFS) failing(ops ...string) {
	m.fail = func(_ int, op, _ string) error {
		if slices.Contains(ops, op) {
			return errInjected
		}
		return nil
	}
}

// strictPowerCut leaves what was synced and nothing else.
func (m *memFS) strictPowerCut() {
	m.names = maps.Clone(m.durable)
	for _, f := range m.names {
		f.data, f.writes = slices.Clone(f.synced), nil
	}
}

// TestOpenSyncs: frames that a killed process left unsynced are counted on once
// they were found, and must then be there after a power cut.
func TestOpenSyncs(t *testing.T) {
	for _, c := range []struct {
		name   string
		before int64 // frames in the segment
		fails  []string
	}{
		{"in a segment that is there", 1, []string{"sync", "truncate"}},
		{"in a new segment", 0, []string{"sync", "truncate", "remove"}},
		{"in a new segment without a name", 0, []string{"syncdir", "truncate", "remove"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := newMemFS()
			s := mustOpen(t, fs, Options{})
			for n := range c.before {
				mustAppend(t, s, frameOf(n+1, "a"))
			}
			fs.failing(c.fails...)
			if _, err := s.Append([]Frame{frameOf(c.before+1, "a")}); err == nil {
				t.Fatal("no error")
			}
			fs.fail = nil
			s = mustOpen(t, fs, Options{})
			if got := positions(s)["a"]; got != c.before+1 {
				t.Fatalf("position %d", got)
			}
			fs.strictPowerCut()
			if got := drain(t, mustOpen(t, fs, Options{})); len(got) != int(c.before)+1 {
				t.Fatalf("%d frames", len(got))
			}
		})
	}
}

// TestFailedAppendStaysOut: what a failed Append left, and nobody could take
// back, is no part of the spool once another one succeeded.
func TestFailedAppendStaysOut(t *testing.T) {
	fs := newMemFS()
	s := mustOpen(t, fs, Options{})
	mustAppend(t, s, frameOf(1, "a"))
	fs.failing("sync", "truncate")
	if _, err := s.Append([]Frame{frameOf(10, "b"), frameOf(11, "b"), frameOf(12, "b")}); err == nil {
		t.Fatal("no error")
	}
	fs.fail = nil
	mustAppend(t, s, frameOf(10, "c"))
	want := map[uint64]string{1: string(payload("a", 1)), 2: string(payload("c", 10))}
	if got := drain(t, s); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	s = mustOpen(t, fs, Options{})
	if got := drain(t, s); !maps.Equal(got, want) || positions(s)["b"] != 0 {
		t.Errorf("after a restart %v, %v", got, positions(s))
	}
}

// TestForgedFrame puts a frame, as it lies on the disk of some other spool, into
// a payload, and then damages the header before it.
func TestForgedFrame(t *testing.T) {
	other := newMemFS()
	o := mustOpen(t, other, Options{})
	for n := range int64(3) {
		mustAppend(t, o, frameOf(1000+n, "a"))
	}
	forged := other.names[segmentPath(worldDir, 1)].data[segmentHeader:]

	fs := newMemFS()
	s := mustOpen(t, fs, Options{})
	mustAppend(t, s, Frame{Payload: forged, Records: 1, Ranges: []Range{{Source: "b", Records: 1, To: agent.Position{Epoch: 1, Offset: 1}}}})
	mustAppend(t, s, frameOf(5, "c"))
	fs.names[segmentPath(worldDir, 1)].data[segmentHeader] ^= 1
	s = mustOpen(t, fs, Options{})
	if got := drain(t, s); len(got) != 1 || got[2] != string(payload("c", 5)) {
		t.Fatalf("got %v", got)
	}
	if got := positions(s); got["a"] != 0 {
		t.Fatalf("a log line moved a position to %d", got["a"])
	}
}

func TestForeignFiles(t *testing.T) {
	fs, want := image(t)
	newer := make([]byte, segmentHeader)
	putSegmentHeader(newer, 99, 1)
	for i := 0; i < segmentHeader; i += copySize {
		binary.LittleEndian.PutUint32(newer[i+4:], 2)
		binary.LittleEndian.PutUint32(newer[i+24:], checksum(newer[i:i+24]))
	}
	renamed := make([]byte, segmentHeader)
	putSegmentHeader(renamed, 3, 1)
	for name, data := range map[string][]byte{
		"00000000000000000003.seg.bak": []byte("mine"),
		"README":                       []byte("mine"),
		"3.seg":                        []byte("mine"),
		"00000000000000000003.seg":     bytes.Repeat([]byte("nonsense"), 100),
		"00000000000000000004.seg":     renamed,
		"00000000000000000099.seg":     newer,
		"00000000000000000100.seg":     []byte("short"),
	} {
		fs.names[worldDir+"/"+name] = &inode{data: data}
	}
	s := mustOpen(t, fs, Options{OnDrop: func(d Drop) { t.Errorf("%+v", d) }})
	if got := drain(t, s); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for name, there := range map[string]bool{
		"00000000000000000003.seg.bak": true, "README": true, "3.seg": true,
		"00000000000000000003.seg.bad": true, "00000000000000000003.seg": false,
		"00000000000000000004.seg.bad": true, "00000000000000000004.seg": false,
		"00000000000000000099.seg.bad": true, "00000000000000000099.seg": false,
		"00000000000000000100.seg": false, "00000000000000000100.seg.bad": false,
	} {
		if (fs.names[worldDir+"/"+name] != nil) != there {
			t.Errorf("%s there: %v", name, !there)
		}
	}
	for n := 200; n < 210; n++ {
		fs.names[segmentPath(worldDir, uint64(n))] = &inode{data: make([]byte, 100)}
	}
	mustOpen(t, fs, Options{})
	bad := 0
	for name := range fs.names {
		if strings.HasSuffix(name, ".bad") {
			bad++
		}
	}
	if bad != keepBad {
		t.Errorf("%d files put aside; want %d", bad, keepBad)
	}
}

// TestCommitFile damages the file that says what is done.
func TestCommitFile(t *testing.T) {
	fs, want := image(t)
	s := mustOpen(t, fs, Options{})
	s.Done(1)
	s.Done(2)
	if got := len(drain(t, mustOpen(t, fs, Options{}))); got != len(want)-2 {
		t.Fatalf("%d frames after two of %d were done", got, len(want))
	}
	path := s.commit.path
	for _, c := range []struct {
		name string
		hurt func(b []byte) []byte
		done int
	}{
		{"the newer slot", func(b []byte) []byte { b[int64(s.commit.gen%2)*slotStride+20]++; return b }, 1},
		{"the older slot", func(b []byte) []byte { b[int64((s.commit.gen+1)%2)*slotStride+20]++; return b }, 2},
		{"both", func(b []byte) []byte { b[0]++; b[slotStride]++; return b }, 0},
		{"empty", func([]byte) []byte { return nil }, 0},
		{"nonsense", func([]byte) []byte { return []byte("nonsense") }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			hurt := fs.clone()
			hurt.names[path].data = c.hurt(hurt.names[path].data)
			s := mustOpen(t, hurt, Options{})
			if c.done == 0 && len(hurt.names[path].data) > 0 {
				t.Fatal("what could not be read is still there, and may be read another time")
			}
			if got := len(drain(t, s)); got != len(want)-c.done {
				t.Fatalf("%d frames; want %d", got, len(want)-c.done)
			}
			for seq := range want {
				s.Done(seq)
			}
			if s = mustOpen(t, hurt, Options{}); !s.Empty() || s.next != 9 {
				t.Fatalf("empty %v, next %d", s.Empty(), s.next)
			}
		})
	}
}

// TestFindAcrossReads puts a header at each offset around the end of what one
// read takes, among bytes that look like the start of one.
func TestFindAcrossReads(t *testing.T) {
	const seed, size = 7, 2*windowScan + 500
	h := header{seq: 5}
	b := make([]byte, frameHeader)
	h.put(b)
	seal(b, seed)
	for _, noise := range []string{"....", string(frameMagic[:]), string(frameMagic[:3]) + "."} {
		data := bytes.Repeat([]byte(noise), size/4)
		for at := windowScan - frameHeader - 5; at < windowScan+5; at++ {
			fs := newMemFS()
			fs.names["f"] = &inode{data: slices.Clone(data)}
			copy(fs.names["f"].data[at:], b)
			f, err := fs.OpenFile("f", 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			w := window{f: f, size: int64(len(data))}
			got, err := w.find(0, seed, func(h header) bool { return h.seq == 5 })
			if err != nil || got != int64(at) {
				t.Fatalf("%q: found at %d, %v; want %d", noise, got, err, at)
			}
			if got, err = w.find(int64(at)+1, seed, func(header) bool { return true }); err != nil || got != w.size {
				t.Fatalf("%q: found at %d, %v; want the end, %d", noise, got, err, w.size)
			}
		}
	}
}

// TestUnreadableFrame: what the disk does not give three times is dropped.
func TestUnreadableFrame(t *testing.T) {
	fs, want := image(t)
	var drops []Drop
	s := mustOpen(t, fs, Options{OnDrop: func(d Drop) { drops = append(drops, d) }})
	fs.fail = func(_ int, op, _ string) error {
		if op == "read" {
			return errInjected
		}
		return nil
	}
	for range readTries - 1 {
		if _, _, err := s.Next(nil); err == nil {
			t.Fatal("no error")
		}
	}
	if len(drops) > 0 {
		t.Fatalf("dropped too early: %+v", drops)
	}
	if _, _, err := s.Next(nil); err == nil { // that of the next frame
		t.Fatal("no error")
	}
	fs.fail = nil
	if got := drain(t, s); len(got) != len(want)-1 || got[1] != "" || len(drops) != 1 || drops[0].Frames != 1 {
		t.Fatalf("%d frames, drops %+v", len(got), drops)
	}
}

// TestRemovedSegment: somebody made room by hand.
func TestRemovedSegment(t *testing.T) {
	fs, want := image(t)
	lost := 0
	s := mustOpen(t, fs, Options{OnDrop: func(d Drop) { lost += d.Frames }})
	delete(fs.names, segmentPath(worldDir, 1))
	if got := drain(t, s); len(got) != len(want)-4 || lost != 4 {
		t.Fatalf("%d frames, %d lost", len(got), lost)
	}
}
