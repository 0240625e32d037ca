package engine

import (
	"encoding/binary"

	"github.com/webgrip/logkeel/agent"
)

// Buckets are targets by what their windows end with. A bit says whether there
// is any, so that where a step leads to nothing, as most do among hundreds of
// targets, that costs two loads.
type buckets struct {
	some [1 << 16 / 64]uint64
	slot []uint16 // by the same 16 bits: where in lists; nil while there is nothing
	list [][]windowed
}

func (b *buckets) has(k uint16) bool { return b.some[k>>6]&(1<<(k&63)) != 0 }

func (b *buckets) put(k uint16, w *windowed) {
	if b.slot == nil {
		b.slot = make([]uint16, 1<<16)
	}
	if !b.has(k) {
		b.some[k>>6] |= 1 << (k & 63)
		b.slot[k] = uint16(len(b.list))
		b.list = append(b.list, nil)
	}
	list := &b.list[b.slot[k]]
	*list = append(*list, *w)
}

// quadAt stands for the four bytes that start at i, letters in any case.
func quadAt(buf []byte, i uint) uint16 {
	const odd = 0x9E3779B1
	return uint16((binary.LittleEndian.Uint32(buf[i:i+4]) | 0x20202020) * odd >> 16)
}

// put adds a target by its window.
func (t *table) put(w windowed) {
	if w.last >= 2 {
		t.quads.put(quadAt(w.Text, uint(w.last-2)), &w)
		return
	}
	for _, x := range Cases(w.Text[w.last], w.Fold) {
		for _, y := range Cases(w.Text[w.last+1], w.Fold) {
			t.pairs.put(uint16(x)|uint16(y)<<8, &w)
		}
	}
}

// check looks for the targets whose window's last pair is at i.
func (t *table) check(buf []byte, records []agent.Record, i uint, s *stretch, c *Candidates) {
	if i >= 2 {
		if k := quadAt(buf, i-2); t.quads.has(k) {
			verify(t.quads.list[t.quads.slot[k]], buf, records, i, s, c)
		}
	}
	if t.pairs.slot != nil {
		if k := pairAt(buf, i); t.pairs.has(k) {
			verify(t.pairs.list[t.pairs.slot[k]], buf, records, i, s, c)
		}
	}
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
