package engine

import (
	"encoding/binary"
	"math"

	"github.com/webgrip/logkeel/agent"
)

// A filter has a bit for each kind of four bytes, and says whether a target may
// end its window with them: where a step leads to nothing, as most do among
// hundreds of targets, that costs one load.
type filter [1 << 16 / 64]uint64

func (f *filter) has(k uint16) bool { return f[k>>6]&(1<<(k&63)) != 0 }
func (f *filter) set(k uint16)      { f[k>>6] |= 1 << (k & 63) }

// kindOf is the kind of the four bytes that start at i, letters in any case.
func kindOf(buf []byte, i uint) uint16 { return kind(binary.LittleEndian.Uint32(buf[i : i+4])) }

func kind(four uint32) uint16 { return uint16((four | 0x20202020) * 0x9E3779B1 >> 16) }

// Buckets are targets by what their windows end with.
type buckets struct {
	slot []uint16 // by key: where in lists; nil while there is nothing
	list [][]windowed
}

func (b *buckets) put(k uint16, w *windowed) {
	if b.slot == nil {
		b.slot, b.list = make([]uint16, 1<<16), [][]windowed{nil}
	}
	if b.slot[k] == 0 {
		b.slot[k] = uint16(len(b.list))
		b.list = append(b.list, nil)
	}
	list := &b.list[b.slot[k]]
	*list = append(*list, *w)
}

func (b *buckets) at(k uint16) []windowed {
	if b.slot == nil {
		return nil
	}
	return b.list[b.slot[k]]
}

// put adds a target by its window.
func (t *table) put(w windowed) {
	if w.last >= 2 {
		k := kindOf(w.Text, uint(w.last-2))
		t.filter.set(k)
		t.long.put(k, &w)
		return
	}
	if w.last == 1 {
		three := uint32(w.Text[0])<<8 | uint32(w.Text[1])<<16 | uint32(w.Text[2])<<24
		for before := range uint32(256) {
			t.filter.set(kind(three | before))
		}
	} else {
		for k := range t.filter {
			t.filter[k] = math.MaxUint64
		}
	}
	for _, x := range Cases(w.Text[w.last], w.Fold) {
		for _, y := range Cases(w.Text[w.last+1], w.Fold) {
			t.short.put(uint16(x)|uint16(y)<<8, &w)
		}
	}
}

// check looks for the targets whose window's last pair is at i.
func (t *table) check(buf []byte, records []agent.Record, i uint, s *stretch, c *Candidates) {
	if i >= 2 {
		verify(t.long.at(kindOf(buf, i-2)), buf, records, i, s, c)
	}
	verify(t.short.at(pairAt(buf, i)), buf, records, i, s, c)
}

// verify marks the record for each target of the list that is there.
func verify(list []windowed, buf []byte, records []agent.Record, i uint, s *stretch, c *Candidates) {
	for k := range list {
		w := &list[k]
		start := int(i) - w.last
		stop := start + len(w.Text)
		if start < 0 || stop > len(buf) || buf[start]|w.mask != w.head || !w.Is(buf[start:stop]) {
			continue
		}
		for uint(records[s.rec].Body.End) <= i {
			s.rec++
		}
		if body := records[s.rec].Body; start >= int(body.Start) && stop <= int(body.End) {
			c.mark(s.rec, w.wants)
		}
	}
}
