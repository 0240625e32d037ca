package agent

import (
	"errors"
	"math/bits"
)

// A Filter finds, among the lines of a source as its log has them, those in which
// a rule may find something. Where nobody wants the others they need not be decoded.
type Filter interface {
	// Wanted sets in want, from the lowest on, a bit for each record of b whose
	// line has to be decoded. The bodies of b follow one another, and are the
	// insides of JSON strings in which no byte is escaped that need not be: only
	// control characters, those of "\<>&, U+2028 and U+2029. From index all on each
	// line has to be decoded, whatever want says.
	Wanted(b *Batch, want []uint64) (all int)
	// Opens reports whether what a record says, of whose lines b had nothing, matters
	// to those after it: then each line has to be decoded that follows in its block.
	Opens(body []byte) bool
}

// A Prefilter is a Matcher that can tell beforehand where it will find nothing.
type Prefilter interface {
	Matcher
	// Filter is that of the source, the same as long as nothing changes; nil where
	// each record has to be judged.
	Filter(src *Source) Filter
}

// A ContextAlerter is an Alerter that shows lines beside those with findings, where
// it is given them.
type ContextAlerter interface {
	Alerter
	// ContextLines is how many lines it shows before and after one, the same as long
	// as it runs.
	ContextLines() int
}

// A Selective output is one that may want flagged records only.
type Selective interface {
	RecordOutput
	// FlaggedOnly reports whether records without findings are nothing to it.
	FlaggedOnly() bool
}

// A Sifter is a Feed that may know beforehand which lines nobody wants.
type Sifter interface {
	Feed
	// Filter is what may be used for the batch that is to begin at from; nil where
	// all of its records are wanted. A batch of which something was passed over
	// names it, and it is an ErrOutdated to emit that after the filter has changed.
	Filter(from Position) Filter
}

// ErrOutdated says of a batch that lines of it were passed over which somebody
// wants by now: it has to be read again.
var ErrOutdated = errors.New("lines that were passed over are wanted by now")

// Passed are the lines that a batch covers and does not have as records.
type Passed struct {
	Filter Filter // that did not want them; nil: there are none
	Lines  int
	Bytes  int   // of their texts, decoded
	Time   int64 // of the last one, as of a Record
	End    int64 // likewise
}

// Lines is how many lines the batch covers, joined where the log had them in
// pieces: its records, and those that were passed over.
func (b *Batch) Lines() int { return len(b.Records) + b.Passed.Lines }

// LastTime is the time of the last line of the batch; 0 where it has none.
func (b *Batch) LastTime() int64 {
	n := len(b.Records)
	if n == 0 || b.Passed.End > b.Records[n-1].End {
		return b.Passed.Time
	}
	return b.Records[n-1].Time
}

// selective reports whether each of the outputs wants flagged records only.
func selective(outputs []RecordOutput) bool {
	for _, o := range outputs {
		if s, ok := o.(Selective); !ok || !s.FlaggedOnly() {
			return false
		}
	}
	return true
}

// Filter is for a batch that each consumer lacks as a whole. So nobody has to
// know where in the batch the lines were that were passed over.
func (f *feed) Filter(from Position) Filter {
	w := f.p.hold()
	defer f.p.release()
	if w.prefilter == nil {
		return nil
	}
	if t := f.p.tapped(); t != nil && t.Wants(f.src) {
		return nil
	}
	whole := true
	w.each(func(c *Consumer) { whole = whole && !from.Before(c.taken(f.src.ID)) })
	if !whole {
		return nil
	}
	return f.filter(w)
}

// outdated reports whether b was made with a filter that is not that of w.
func (f *feed) outdated(w *works, b *Batch) bool {
	used := b.Passed.Filter
	return used != nil && (w.prefilter == nil || f.filter(w) != used)
}

// filter is that of the source, which wants context where alerts show it.
func (f *feed) filter(w *works) Filter {
	narrow := w.prefilter.Filter(f.src)
	if narrow == nil || w.context == 0 {
		return narrow
	}
	if f.wide == nil || f.wide.Filter != narrow || f.wide.lines != w.context {
		f.wide = &wide{narrow, w.context}
	}
	return f.wide
}

const (
	// wideAlways is how many lines may be widened however many are wanted.
	wideAlways = 256
	// wideShare is of how much of all lines context may be wanted. Where there is
	// more a storm is on, and it would cost that all are decoded.
	wideShare = 2
)

// A wide filter wants some lines before and after those that another one wants.
type wide struct {
	Filter
	lines int
}

func (f *wide) Wanted(b *Batch, want []uint64) (all int) {
	n := len(b.Records)
	all = f.Filter.Wanted(b, want)
	wanted := 0
	for _, w := range want {
		wanted += bits.OnesCount64(w)
	}
	if n > wideAlways && wanted*(1+2*f.lines) > n/wideShare {
		return all
	}
	widen(want, f.lines)
	if all < n {
		all = max(0, all-f.lines)
	}
	if n&63 != 0 { // there are no lines behind the last one
		want[n>>6] &= 1<<(n&63) - 1
	}
	return all
}

// widen sets n more bits, less than 64, before and after each that is set.
func widen(want []uint64, n int) {
	before := uint64(0) // the word before, as it was
	for i, w := range want {
		next := uint64(0)
		if i+1 < len(want) {
			next = want[i+1]
		}
		for k := 1; k <= n; k++ {
			want[i] |= w<<k | before>>(64-k) | w>>k | next<<(64-k)
		}
		before = w
	}
}
