package engine

import (
	"math"
	"math/bits"
	"slices"

	"github.com/webgrip/logkeel/agent"
)

// A sweep says of each place of a log whether a window of three bytes may begin
// there. It does so for 32 places at a time, by the halves of each byte: for both
// halves of each of the three there is a table of 16 entries, with a bit a group of
// windows; a window of a group may be where all six have its bit. Windows that
// share what they have are put together, so that groups stay narrow.
type sweep struct {
	halves [2 * sweepWindow][32]byte // of byte k: 2k by its lower half, 2k+1 by its upper one; twice, for both lanes
}

const (
	sweepWindow = 3
	sweepGroups = 8
	sweepMost   = 200  // windows
	sweepChunk  = 4096 // bytes that are swept before what was found is looked at
	// sweepBlind is the share of places at which a look at the text follows, from
	// which on longer steps are faster.
	sweepBlind = 1.0 / 60
	// sweepLeast is the size of a batch from which on a sweep is worth while.
	sweepLeast = 128
)

// newSwept returns a table that is swept, nil where its windows are too many or
// too common.
func newSwept(targets []*target, around string) *table {
	t := &table{most: sweepWindow - 1}
	t.fill(targets, around)
	var all []window
	for _, list := range slices.Concat(t.long.list, t.short.list) {
		for i := range list {
			if w := windowOf(&list[i]); !slices.Contains(all, w) {
				all = append(all, w)
			}
			if len(all) > sweepMost {
				return nil
			}
		}
	}
	groups, share := group(all, around)
	if share > sweepBlind {
		return nil
	}
	t.swept = &sweep{}
	for g := range groups {
		for k := range groups[g] {
			for half, set := range [2]uint16{groups[g][k].low, groups[g][k].high} {
				for v := range 16 {
					if set>>v&1 != 0 {
						t.swept.halves[2*k+half][v] |= 1 << g
						t.swept.halves[2*k+half][16+v] |= 1 << g
					}
				}
			}
		}
	}
	return t
}

// A window is what stands at a place: for each byte which halves it may have.
type window [sweepWindow]struct{ low, high uint16 }

func windowOf(w *windowed) (out window) {
	from := w.last + 2 - sweepWindow
	for k := range out {
		for _, c := range Cases(w.Text[from+k], w.Fold) {
			out[k].low |= 1 << (c & 15)
			out[k].high |= 1 << (c >> 4)
		}
	}
	return out
}

// with is what stands for both windows.
func (w window) with(o window) window {
	for k := range w {
		w[k].low |= o[k].low
		w[k].high |= o[k].high
	}
	return w
}

// share is how often a log has what w stands for, of its places.
func (w window) share(around string) float64 {
	m, p := logModel(), 1.0
	for k := range w {
		sum := 0.0
		for c, f := range m.one {
			if w.has(k, byte(c)) {
				sum += f
			}
		}
		p *= sum
	}
	for i := range max(0, len(around)-sweepWindow+1) {
		if w.has(0, around[i]) && w.has(1, around[i+1]) && w.has(2, around[i+2]) {
			p += aroundShare
		}
	}
	return p
}

// has reports whether byte k may be c.
func (w *window) has(k int, c byte) bool {
	return w[k].low>>(c&15)&1 != 0 && w[k].high>>(c>>4)&1 != 0
}

// group puts each window where it adds least to how often a group is met. share is
// how often any is.
func group(all []window, around string) (groups [sweepGroups]window, share float64) {
	var shares [sweepGroups]float64
	for _, w := range all {
		best, least := 0, math.Inf(1)
		for g := range groups {
			if more := groups[g].with(w).share(around) - shares[g]; more < least {
				best, least = g, more
			}
		}
		groups[best] = groups[best].with(w)
		shares[best] = groups[best].share(around)
	}
	for _, s := range shares {
		share += s
	}
	return groups, share
}

// words sets in found the places of text at which a window may begin. text has 32
// bytes for each word of found, and two more.
func (s *sweep) words(text []byte, found []uint32) {
	for i := range found {
		places := uint32(0)
		for p := range 32 {
			groups := byte(0xff)
			for k, c := range text[32*i+p:][:sweepWindow] {
				groups &= s.halves[2*k][c&15] & s.halves[2*k+1][c>>4]
			}
			if groups != 0 {
				places |= 1 << p
			}
		}
		found[i] = places
	}
}

// sweep goes through the batch in the place of scan.
func (t *table) sweep(b *agent.Batch, c *Candidates) {
	var found [sweepChunk / 32]uint32
	records := b.Records
	at, end := int(records[0].Body.Start), int(records[len(records)-1].Body.End)
	buf, s := b.Buf[:end], stretch{}
	for {
		// Of the last place of a chunk two more bytes are looked at.
		n := min(sweepChunk, end-at-(sweepWindow-1)) / 32
		if n <= 0 {
			break
		}
		sweepWords(buf[at:at+32*n+sweepWindow-1], t.swept, found[:n])
		for i, places := range found[:n] {
			for ; places != 0; places &= places - 1 {
				t.check(buf, records, uint(at+32*i+bits.TrailingZeros32(places)+1), &s, c)
			}
		}
		at += 32 * n
	}
	s.at, s.end = uint(at), uint(end-1)
	t.alone(buf, records, &s, c)
}
