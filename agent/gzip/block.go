package gzip

import (
	"encoding/binary"
	"slices"
)

// A writer appends bits to b, the lowest first.
type writer struct {
	b    []byte
	held uint64 // bits that are not in b yet
	n    uint   // how many, less than 8 between calls
}

func (w *writer) add(v uint64, n uint) {
	w.held |= v << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.b = append(w.b, byte(w.held))
		w.held >>= 8
	}
}

// done returns all that was written, up to a whole byte.
func (w *writer) done() []byte {
	if w.n > 0 {
		w.b = append(w.b, byte(w.held))
	}
	return w.b
}

// order is in which the widths of the codes' lengths are given.
var order = [...]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// A run is lengths of codes, as a block's head has them.
type run struct{ symbol, more, extra uint8 }

// write writes a block: the codes that suit it best, and the text in them.
func (c *Compressor) write(w *writer, text []byte, final bool) {
	if !slices.ContainsFunc(c.dists.count[:], func(n uint32) bool { return n > 0 }) {
		c.dists.count[0] = 1 // there has to be one
	}
	c.texts.build(15)
	c.dists.build(15)
	texts, dists := c.texts.used(257), c.dists.used(1)
	var all [286 + 30]uint8
	copy(all[:], c.texts.length[:texts])
	copy(all[texts:], c.dists.length[:dists])
	var list [len(all)]run
	runs := list[:runsOf(list[:], all[:texts+dists])]
	clear(c.widths.count[:])
	for _, r := range runs {
		c.widths.count[r.symbol]++
	}
	c.widths.build(7)
	widths := len(order)
	for widths > 4 && c.widths.length[order[widths-1]] == 0 {
		widths--
	}
	head := uint64(2 << 1) // with codes of its own
	if final {
		head |= 1
	}
	w.add(head, 3)
	w.add(uint64(texts-257), 5)
	w.add(uint64(dists-1), 5)
	w.add(uint64(widths-4), 4)
	for _, s := range order[:widths] {
		w.add(uint64(c.widths.length[s]), 3)
	}
	for _, r := range runs {
		w.add(uint64(c.widths.code[r.symbol]), uint(c.widths.length[r.symbol]))
		w.add(uint64(r.more), uint(r.extra))
	}
	c.prepare()
	c.text(w, text)
	w.add(uint64(c.texts.code[endOfText]), uint(c.texts.length[endOfText]))
}

// runsOf puts in list how lengths are written, and returns how many runs that is.
func runsOf(list []run, lengths []uint8) (n int) {
	for i := 0; i < len(lengths); {
		l, k := lengths[i], 1
		for i+k < len(lengths) && lengths[i+k] == l && k < 138 {
			k++
		}
		switch {
		case l == 0 && k >= 11:
			list[n] = run{18, uint8(k - 11), 7}
		case l == 0 && k >= 3:
			list[n] = run{17, uint8(k - 3), 3}
		case l != 0 && i > 0 && lengths[i-1] == l && k >= 3:
			k = min(k, 6)
			list[n] = run{16, uint8(k - 3), 2}
		default:
			k = 1
			list[n] = run{symbol: l}
		}
		n++
		i += k
	}
	return n
}

// prepare joins the code of each length with its extra bits.
func (c *Compressor) prepare() {
	for l := range uint32(len(c.length)) {
		code, extra := lengthCode(l)
		symbol := endOfText + 1 + code
		n := uint32(c.texts.length[symbol])
		c.length[l] = uint32(c.texts.code[symbol]) | (l&(1<<extra-1))<<n | (n+extra)<<24
	}
}

// text writes the sequences, of which text has the plain bytes.
func (c *Compressor) text(w *writer, text []byte) {
	need := c.size()/8 + 16
	b := slices.Grow(w.b, need)
	at := len(b)
	b = b[:at+need]
	held, n := w.held, w.n
	for _, s := range c.found {
		for _, x := range text[:s.plain] {
			held |= uint64(c.texts.code[x]) << (n & 63)
			n += uint(c.texts.length[x])
			if n >= 48 {
				binary.LittleEndian.PutUint64(b[at:], held)
				at += int(n / 8)
				held >>= n &^ 7 & 63
				n &= 7
			}
		}
		text = text[s.plain:]
		if s.length == 0 {
			continue
		}
		text = text[s.length:]
		// So that there is room for the 48 bits that a match may take.
		binary.LittleEndian.PutUint64(b[at:], held)
		at += int(n / 8)
		held >>= n &^ 7 & 63
		n &= 7
		l := c.length[s.length-3]
		held |= uint64(l&(1<<24-1)) << (n & 63)
		n += uint(l >> 24)
		d := uint32(s.dist)
		code, extra := distCode(d)
		held |= uint64(c.dists.code[code]) << (n & 63)
		n += uint(c.dists.length[code])
		held |= uint64(d&(1<<extra-1)) << (n & 63)
		n += uint(extra)
		if n >= 48 {
			binary.LittleEndian.PutUint64(b[at:], held)
			at += int(n / 8)
			held >>= n &^ 7 & 63
			n &= 7
		}
	}
	for ; n >= 8; n -= 8 {
		b[at] = byte(held)
		at++
		held >>= 8
	}
	w.b, w.held, w.n = b[:at], held, n
}

// size is how many bits the sequences take.
func (c *Compressor) size() (n int) {
	for s, count := range c.texts.count {
		extra := uint32(0)
		if s > endOfText {
			extra = lengthExtra(uint32(s - endOfText - 1))
		}
		n += int(count) * int(uint32(c.texts.length[s])+extra)
	}
	for s, count := range c.dists.count {
		n += int(count) * (int(c.dists.length[s]) + max(0, s/2-1))
	}
	return n
}

// lengthExtra is how many extra bits a code of a length has.
func lengthExtra(code uint32) uint32 {
	if code < 8 || code == 28 {
		return 0
	}
	return code/4 - 1
}
