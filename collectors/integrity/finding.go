package integrity

import (
	"cmp"
	"slices"
	"time"
)

// A kind is what is wrong with a file, or new about it.
type kind uint8

const ( // in the order in which they give way to others where there are too many
	kindAdded kind = iota
	kindRemoved
	kindChanged
	kindMode
	kindOwner
	kindForged // the content differs, and neither size nor times do
	kindWorldWritable
	kindSetuid
	kinds
)

func (k kind) String() string {
	return [kinds]string{"added", "removed", "changed", "mode", "owner", "forged", "world_writable", "setuid"}[k]
}

func kindNamed(s string) (kind, bool) {
	for k := range kinds {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

// A state is a file at one time; its hash is nil where it is not known.
type state struct {
	meta
	hash *hash
}

// A finding is one thing about one file.
type finding struct {
	at       time.Time
	path     string // as the file system has it
	kind     kind
	old, new *state // nil where there was none, or is none any more
}

// maxFindings bounds those that are told one by one, of one look and all together.
const maxFindings = 20

// A batch is what one look finds: the gravest findings, and how many there are of
// each kind.
type batch struct {
	findings []finding
	counts   [kinds]int
	by       counters
}

// counters are what is counted of the files: a file whose mode was changed to one
// that everybody may write counts as changed mode.
type counters struct {
	Changed, Added, Removed, Owner, Mode uint64
}

func (c *counters) add(o counters) {
	c.Changed += o.Changed
	c.Added += o.Added
	c.Removed += o.Removed
	c.Owner += o.Owner
	c.Mode += o.Mode
}

func (b *batch) add(f finding) {
	b.counts[f.kind]++
	switch f.kind {
	case kindAdded:
		b.by.Added++
	case kindRemoved:
		b.by.Removed++
	case kindChanged, kindForged:
		b.by.Changed++
	case kindMode:
		b.by.Mode++
	case kindOwner:
		b.by.Owner++
	}
	if len(b.findings) < maxFindings {
		b.findings = append(b.findings, f)
		return
	}
	least := 0
	for i := range b.findings {
		if b.findings[i].kind <= b.findings[least].kind { // of those that are alike the first ones stay
			least = i
		}
	}
	if f.kind > b.findings[least].kind {
		b.findings = append(slices.Delete(b.findings, least, least+1), f)
	}
}

func (b *batch) total() (n int) {
	for _, c := range b.counts {
		n += c
	}
	return n
}

// event reports whether it is told of as something that happened. What is loose is
// told of for as long as it is so.
func (k kind) event() bool { return k < kindWorldWritable }

// remember adds a batch's events to the findings that are shown: the gravest, then
// the newest; one of a path and kind. Those from before since are forgotten. It
// reports how many had no room.
func remember(shown []finding, b *batch, since time.Time) (kept []finding, over int) {
	for k, n := range b.counts {
		if kind(k).event() {
			over += n
		}
	}
	var all []finding
	for _, f := range b.findings {
		if f.kind.event() {
			all = append(all, f)
			over--
		}
	}
	all = append(all, shown...)
	slices.SortStableFunc(all, func(x, y finding) int {
		return cmp.Or(cmp.Compare(y.kind, x.kind), y.at.Compare(x.at))
	})
	known := map[seriesKey]bool{}
	for _, f := range all {
		key := seriesKey{f.path, f.kind}
		if f.at.Before(since) || known[key] {
			continue
		}
		known[key] = true
		if len(kept) < maxFindings {
			kept = append(kept, f)
		} else {
			over++
		}
	}
	return kept, over
}

// A seriesKey is what a series of logkeel_integrity_finding is told by.
type seriesKey struct {
	path string
	kind kind
}
