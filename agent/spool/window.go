package spool

import (
	"bytes"
	"fmt"
)

const (
	windowHop  = 4 << 10  // what one read takes at a header
	windowScan = 64 << 10 // and while a header is looked for
)

// A window reads a segment piece by piece: from header to header, or on and on
// where it looks for one.
type window struct {
	f    File
	size int64 // nothing is read beyond
	buf  []byte
	off  int64 // of buf in the file
}

// at returns n bytes at off, or fewer at the end. They are good until the next
// call. Where they have to be read, up to ahead bytes are.
func (w *window) at(off int64, n, ahead int) ([]byte, error) {
	n = int(min(int64(n), max(0, w.size-off)))
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		want := int(min(int64(max(n, ahead)), w.size-off))
		if cap(w.buf) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.off = w.buf[:want], off
		if err := readFull(w.f, w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	i := int(off - w.off)
	return w.buf[i : i+n], nil
}

// header reads the frame header at off.
func (w *window) header(off int64, seed uint32) (header, error) {
	b, err := w.at(off, frameHeader, windowHop)
	if err != nil {
		return header{}, err
	}
	h, ok := parseHeader(b, seed)
	if !ok {
		return header{}, errDamaged
	}
	return h, nil
}

// ranges reads the ranges of the frame at off.
func (w *window) ranges(off int64, h header, name func([]byte) string) ([]Range, error) {
	b, err := w.at(off+frameHeader, int(h.ranges), windowHop)
	if err != nil {
		return nil, err
	}
	if len(b) < int(h.ranges) || checksum(b) != h.rangesSum {
		return nil, fmt.Errorf("%w: ranges", errDamaged)
	}
	rs, err := parseRanges(b, name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return rs, nil
}

// payloadSound reports whether the payload of the frame at off is what it was.
func (w *window) payloadSound(off int64, h header) (bool, error) {
	b, err := w.at(off+frameHeader+int64(h.ranges), int(h.payload), windowScan)
	return err == nil && len(b) == int(h.payload) && checksum(b) == h.payloadSum, err
}

// find looks for the next header from off on that ok takes. Without one it
// returns the window's size.
func (w *window) find(off int64, seed uint32, ok func(header) bool) (int64, error) {
	for off < w.size {
		b, err := w.at(off, windowScan, windowScan)
		if err != nil {
			return 0, err
		}
		i := bytes.Index(b, frameMagic[:])
		for i >= 0 && i+frameHeader <= len(b) {
			if h, sound := parseHeader(b[i:], seed); sound && ok(h) {
				return off + int64(i), nil
			}
			j := bytes.Index(b[i+1:], frameMagic[:])
			if j < 0 {
				i = -1
				break
			}
			i += 1 + j
		}
		switch {
		case off+int64(len(b)) >= w.size:
			return w.size, nil
		case i >= 0: // its header goes on beyond b
			off += int64(i)
		default:
			off += int64(len(b)) - int64(len(frameMagic)) + 1
		}
	}
	return w.size, nil
}
