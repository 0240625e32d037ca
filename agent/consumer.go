package agent

import (
	"errors"
	"slices"
	"sort"
	"strings"
	"time"
)

// A Consumer is somebody to whom records have to get, whatever happens: an
// output, or the rules. For each source it knows two positions. Taken is how
// far the running consumer has accepted the source, and is lost with the
// process; Safe is how far a restart need not read again.
type Consumer struct {
	ledger   *Ledger
	name     string
	detached bool              // its positions are not in the ledger's file
	places   map[string]*place // by source ID; guarded by ledger.mu
}

var errBroken = errors.New("positions cannot be written")

// A Saved is a position that a detached consumer keeps itself.
type Saved struct {
	Source   string   `json:"source"`
	Position Position `json:"position"`
	Seen     int64    `json:"seen"` // unix seconds of its last move
}

// A place is one consumer's standing in one source. Guarded by ledger.mu.
type place struct {
	safe, taken Position
	seen        int64  // unix seconds of the last move
	open        bool   // somebody reads the source now
	key         []byte // the start of its line in the ledger
}

// place returns the source's place, made if need be. The caller holds mu.
func (c *Consumer) place(source string) *place {
	p := c.places[source]
	if p == nil {
		p = &place{key: quotedKey(c.name, source)}
		c.places[source] = p
	}
	return p
}

// Safe says that everything of the source up to p is safe. It never moves a
// position back.
func (c *Consumer) Safe(source string, p Position) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	pl := c.place(source)
	if !pl.safe.Before(p) {
		return
	}
	pl.safe, pl.seen = p, time.Now().Unix()
	if pl.taken.Before(p) {
		pl.taken = p
	}
	if !c.detached {
		c.ledger.append(pl.key, positionEntry(p, pl.seen))
	}
}

// Saved is how far each source is safe, for a detached consumer to keep. As in
// the ledger's file, sources that nobody opens any more are left out in time. It
// is an error while the ledger cannot be written: no position may be kept of a
// source before those at which the outputs began it.
func (c *Consumer) Saved() ([]Saved, error) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	if c.ledger.broken {
		return nil, errBroken
	}
	oldest := c.ledger.oldest(time.Now())
	saved := make([]Saved, 0, len(c.places))
	for source, p := range c.places {
		if p.kept(oldest) {
			saved = append(saved, Saved{source, p.safe, p.seen})
		}
	}
	slices.SortFunc(saved, func(a, b Saved) int { return strings.Compare(a.Source, b.Source) })
	return saved, nil
}

// kept reports whether the place is one to keep.
func (p *place) kept(oldest int64) bool {
	return !p.safe.IsZero() && (p.open || p.seen >= oldest)
}

// Position is how far the source is safe; zero where nothing is known.
func (c *Consumer) Position(source string) Position {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	if p := c.places[source]; p != nil {
		return p.safe
	}
	return Position{}
}

func (c *Consumer) taken(source string) Position {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	if p := c.places[source]; p != nil {
		return p.taken
	}
	return Position{}
}

func (c *Consumer) take(source string, p Position) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	if pl := c.place(source); pl.taken.Before(p) {
		pl.taken = p
	}
}

// rewind forgets what was taken and is not safe: it has to be read again. It
// reports whether there is any.
func (c *Consumer) rewind() (lost bool) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	for _, p := range c.places {
		lost = lost || p.safe.Before(p.taken)
		p.taken = p.safe
	}
	return lost
}

func (c *Consumer) setOpen(source string, open bool) {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	p := c.place(source)
	p.open, p.seen = open, time.Now().Unix()
}

// firstAfter is the index of the first record of b that lies beyond p; ok is
// false when b has nothing beyond p, not even its own position.
func firstAfter(b *Batch, p Position) (i int, ok bool) {
	if !p.Before(b.Pos) {
		return len(b.Records), false
	}
	if p.Epoch < b.Pos.Epoch {
		return 0, true
	}
	return sort.Search(len(b.Records), func(i int) bool { return b.Records[i].End > p.Offset }), true
}
