package forward

import (
	"math"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	maxOpen      = 16       // lines in pieces that one source may have at a time
	maxOpenBytes = 16 << 20 // of all sources
)

// A partial is a line of which Docker has sent some pieces. The frames that they
// lie in are kept until the line is safe as a whole.
type partial struct {
	id    string
	text  []byte
	since time.Time // of the last piece
	until uint64    // once that is too long ago: the frame before which the next piece may still be
	last  item      // the record of that, without its text
	end   int64     // the offset behind the whole line, once there is one
	cut   bool      // it is what is left of a line that was too long
	late  bool      // nothing is added any more, and it is given behind the source's floor
}

// piece adds a piece to its line. It appends to the source's items what is whole
// then, or too long.
func (d *dispatcher) piece(s *source, seq uint64, it *item, id string, last bool) {
	p := s.find(id)
	if p == nil {
		if len(s.open) >= maxOpen {
			oldest := s.open[0]
			oldest.cut = true
			d.give(s, oldest, it.end)
		}
		p = &partial{id: id, end: math.MaxInt64, last: *it}
		s.open = append(s.open, p)
		d.partials++
	}
	p.text = append(p.text, it.text...)
	d.openBytes += len(it.text)
	p.since, p.until = d.now, 0
	p.keep(it, last)
	if n := len(d.needs); n == 0 || d.needs[n-1].seq != seq || d.needs[n-1].p != p {
		d.needs = append(d.needs, need{seq: seq, s: s, p: p})
		s.pending++
	}
	if !last && len(p.text) < d.maxLine && d.openBytes < maxOpenBytes {
		return
	}
	p.cut = p.cut || !last
	latest := p.last
	if !last && it.end <= s.floor && d.openBytes < maxOpenBytes {
		// A consumer may be beyond and lack it: before a restart the line may have
		// been given in other parts.
		p.late = true
		s.late++
	} else {
		d.give(s, p, it.end)
	}
	if !last { // what follows is a piece of the same line
		s.open = append(s.open, &partial{id: id, end: math.MaxInt64, cut: true, since: d.now, last: latest})
		d.partials++
	}
}

// keep notes what a piece's record has besides its text. The last one's is used
// at once; that of another has to outlive the window.
func (p *partial) keep(it *item, last bool) {
	first := p.last.time
	p.last = *it
	p.last.time, p.last.text, p.last.joined = first, nil, true
	if !last {
		p.last.record = append([]byte(nil), it.record...)
		p.last.key = append([]byte{}, it.key...)
	}
}

// give makes an item of what has come of the line.
func (d *dispatcher) give(s *source, p *partial, end int64) {
	for i, o := range s.open {
		if o == p {
			s.open = append(s.open[:i], s.open[i+1:]...)
			d.partials--
			break
		}
	}
	p.end = end
	d.openBytes -= len(p.text)
	if p.late {
		s.late--
	}
	if len(p.text) == 0 && p.cut {
		p.end = 0 // the line ended with the piece before
		return
	}
	it := p.last
	it.text, it.end = p.text, end
	p.text, p.last = nil, item{} // needs may keep p for long
	if p.cut {
		it.flags |= agent.Cut
	}
	s.add(d, &it)
}

func (s *source) find(id string) *partial {
	for _, p := range s.open {
		if p.id == id && !p.late {
			return p
		}
	}
	return nil
}

// postponed gives what had to wait for the source's floor.
func (d *dispatcher) postponed(s *source, end int64) {
	for i := 0; s.late > 0 && i < len(s.open); {
		if p := s.open[i]; p.late {
			d.give(s, p, end)
		} else {
			i++
		}
	}
}

// overdue gives what waits too long for its last piece: all of a source's, for
// there is only one place behind its last frame. What had come when it was too
// long is read first, for the pipeline may be slower than clients; and so are the
// frames that some consumers had before a restart, for it has to lie behind them.
func (d *dispatcher) overdue() {
	read, end := d.read, d.spool.End()
	if n, _ := d.spool.Unread(); n == 0 || len(d.needs) >= maxNeeds {
		read = end
	}
	for _, s := range d.sources {
		late := false
		for _, p := range s.open {
			if d.now.Sub(p.since) < d.pieceWait {
				continue
			}
			if p.until == 0 {
				p.until = end
			}
			late = late || read >= p.until
		}
		for late && len(s.open) > 0 {
			p := s.open[0]
			p.cut = true
			d.give(s, p, offset(s.last)+1)
		}
	}
}
