package fluentd

import "slices"

// A record that ends each connection as soon as it comes hides whether anything
// else would get through. So a chunk behind it goes out first, and the record
// once that is acknowledged.
// It is one of another source, for each source is to arrive in order; only where
// there is none for minutes it may be one of the same.
const (
	lookAhead  = 64 // frames among which that chunk is looked for
	anySource  = 60 // connections from which on it may be of the same source
	everySoMay = 20 // connections of which it is so in one
)

// hides reports whether c, which is to go out first, is such a record.
func (q *queue) hides(c *chunk) bool {
	s := q.suspects[c.id]
	return c.records == 1 && s != nil && s.ended >= patienceWith && q.acks == 0 && len(q.disk) == 0
}

// probe finds the chunk that goes out instead of c, which then waits. Without
// one it is c. It releases mu while it reads.
func (q *queue) probe(c *chunk) (*chunk, error) {
	found, err := q.readAhead(c)
	if n := q.suspects[c.id].ended; found == nil && err == nil && n >= anySource && n%everySoMay == 0 {
		if q.cutting.c != nil {
			found = q.takePart()
		} else {
			q.spool.Rewind()
			q.spool.SkipTo(c.seq + 1)
			found, err = q.readFrame()
		}
	}
	q.spool.Rewind()
	q.spool.SkipTo(c.seq + 1)
	switch {
	case err != nil:
		q.recycle(c)
		return nil, err
	case found == nil:
		return c, nil
	}
	q.waiting = c
	if found.seq != c.seq {
		q.probed = found.seq
	}
	return found, nil
}

// readAhead finds the first chunk behind c that is the first of its source.
func (q *queue) readAhead(c *chunk) (*chunk, error) {
	passed := []string{c.source}
	for size, n := 0, 0; n < lookAhead && size < q.limits.window; n++ {
		if frames, _ := q.spool.Unread(); frames == 0 {
			break
		}
		f, err := q.readFrame()
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		if q.suspects[f.id] == nil && !slices.Contains(passed, f.source) {
			return f, nil
		}
		passed = append(passed, f.source)
		size += len(f.frame)
		q.recycle(f)
	}
	return nil, nil
}

// takeWaiting returns the record that waits for its probe, once that is
// acknowledged.
func (q *queue) takeWaiting() *chunk {
	c := q.waiting
	if q.acks == 0 {
		return nil
	}
	q.waiting, c.proven = nil, true
	q.fly(c)
	return c
}

// endProbe forgets the probe: the connection is lost.
func (q *queue) endProbe() {
	if q.waiting != nil {
		q.recycle(q.waiting)
	}
	q.waiting, q.probed, q.acks = nil, 0, 0
}
