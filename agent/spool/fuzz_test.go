package spool

import (
	"reflect"
	"testing"
)

// FuzzOpen opens a spool with a segment of any bytes, once as they are and once
// with the checksums put right, reads it, and goes on with it.
func FuzzOpen(f *testing.F) {
	fs, _ := image(f)
	path := segmentPath(worldDir, 1)
	whole := fs.names[path].data
	f.Add(whole, false)
	f.Add(whole, true)
	f.Add(whole[:len(whole)-7], false)
	f.Add(whole[:segmentHeader+4], true)
	f.Add(append(append([]byte{}, whole...), whole[segmentHeader:]...), true)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend {
			b = mended(b)
		}
		fs := newMemFS()
		fs.names[path] = &inode{data: append([]byte{}, b...)}
		o := Options{MaxBytes: 1 << 30, FS: fs}
		s, err := Open(worldDir, o)
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for buf := []byte(nil); ; read++ {
			f, ok, err := s.Next(buf)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if buf = f.Payload; cap(buf) > 2*len(b)+64 {
				t.Fatalf("%d bytes for a payload of a segment of %d", cap(buf), len(b))
			}
		}
		s.next = min(s.next, 1<<60)
		seq := mustAppend(t, s, frameOf(1, "a"))
		if got := next(t, s); got != seq {
			t.Fatalf("seq %d; want %d", got, seq)
		}
		if s, err = Open(worldDir, o); err != nil {
			t.Fatal(err)
		}
		if got := len(drain(t, s)); got != read+1 {
			t.Fatalf("%d frames after a restart; want %d", got, read+1)
		}
	})
}

// mended puts the checksums of a segment right, so that the fuzzer gets past
// them.
func mended(b []byte) []byte {
	b = append([]byte{}, b...)
	if len(b) < segmentHeader {
		return b
	}
	seed := putSegmentHeader(b, 1, 7)
	for i := segmentHeader; i+frameHeader <= len(b); i++ {
		if [4]byte(b[i:]) == frameMagic {
			seal(b[i:], seed)
			if h, ok := parseHeader(b[i:], seed); ok && int64(i)+h.size() <= int64(len(b)) {
				ranges := b[i+frameHeader:][:h.ranges]
				h.rangesSum, h.payloadSum = checksum(ranges), checksum(b[i+frameHeader+len(ranges):][:h.payload])
				h.put(b[i:])
				seal(b[i:], seed)
			}
		}
	}
	return b
}

func FuzzRanges(f *testing.F) {
	f.Add(appendRanges(nil, frameOf(1, "a", "b").Ranges))
	f.Add(appendRanges(nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		name := func(b []byte) string { return string(b) }
		rs, err := parseRanges(b, name)
		if err != nil {
			return
		}
		again, err := parseRanges(appendRanges(nil, rs), name)
		if err != nil || !reflect.DeepEqual(rs, again) {
			t.Fatalf("%v, then %v, %v", rs, again, err)
		}
	})
}
