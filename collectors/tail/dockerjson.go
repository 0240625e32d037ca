package tail

import (
	"bytes"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

const (
	// fragmentSize is the length from which on a record without a line end is
	// the first part of a longer one: Docker cuts lines at 16 KiB. A shorter one
	// is the end of an output that did not end in a line end.
	fragmentSize = 16 << 10
	// fragmentPause is how far the log's own time goes on, in nanoseconds, until
	// a long line that was begun has ended: Docker reads what a container writes
	// at once. Without it one stream that stopped in the middle of a line would
	// hold up the other.
	fragmentPause = int64(time.Second)
	maxAttrs      = 64 << 10
)

// A mode says what may follow in the file after a block.
type mode uint8

const (
	growing mode = iota
	paused       // nothing came for a while: a long line that was begun has ended
	final        // nothing will follow
)

// A splitter finds the records in a block of a file.
type splitter interface {
	// split appends to b.Records what is in b.Buf, which was read at offset
	// base of the file, and returns how many bytes the records cover. What is
	// still being put together is not covered, unless final says that nothing
	// will follow. It may use b.Buf to decode in.
	split(b *agent.Batch, base int64, m mode) int
	// limit is how many bytes a block has to have for split to cover some of
	// it, whatever they are.
	limit() int
	joining() *joining
	sieve() *sieve // nil: it decodes nothing
}

// dockerJSON splits the logs of Docker's json-file driver, one object a line:
//
//	{"log":"text\n","stream":"stdout","attrs":{…},"time":"2025-01-09T14:30:00.123456789Z"}
//
// Lines are decoded where they lie: a decoded text is never longer than its JSON.
// What is left lies close together, as far as it may, for rules and outputs are
// faster with it.
type dockerJSON struct {
	maxLine int
	clock   rfc3339
	group   group
	raw     []byte // of a line that is being decoded
	join    joining
	sifts   sieve
}

func (d *dockerJSON) joining() *joining { return &d.join }

func (d *dockerJSON) sieve() *sieve { return &d.sifts }

// maxPhysical is how long a line of the file may be. JSON makes up to six bytes
// of one.
func (d *dockerJSON) maxPhysical() int { return max(4*d.maxLine, 6*fragmentSize) + maxAttrs }

func (d *dockerJSON) limit() int { return maxGroup(d.maxLine) + d.maxPhysical() }

// A cursor is a place in a block.
type cursor struct {
	at     int
	extent extent // of the line there, where it was read
	line   line   // decoded
	read   bool
}

func (d *dockerJSON) split(b *agent.Batch, base int64, m mode) int {
	d.join.open = false
	block := b.Buf
	d.sifts.look(block, min(d.maxLine, fragmentSize), &d.clock)
	defer d.sifts.shrink(block)
	var c cursor
	for c.read || c.at < len(block) {
		if !c.read {
			if next := d.sifts.pass(b, c.at, base); next > 0 {
				c.at = next
				continue
			}
			e, ok := d.line(block, c.at, m)
			if !ok {
				break
			}
			l, ok := d.parse(block, c.at, e.end, after(b, c.at))
			if !ok {
				if !blank(block[c.at:e.end]) {
					d.add(b, e.malformed(c.at, base))
				}
				c.at = e.next
				continue
			}
			c.extent, c.line = e, l
		}
		l, e := c.line, c.extent
		if l.fragment || d.join.begins(block[l.body.Start:l.body.End]) != 0 {
			var ok bool
			if c, ok = d.together(b, c, base, m); !ok {
				break
			}
			continue
		}
		d.add(b, agent.Record{Time: l.time, End: base + int64(e.next), Body: l.body, Stream: l.stream})
		c.at, c.read = e.next, false
	}
	return c.at
}

// after is where the text of the line at at may lie: after those of b's records,
// with a line end between.
func after(b *agent.Batch, at int) int {
	n := len(b.Records)
	if n == 0 {
		return 0
	}
	end := int(b.Records[n-1].Body.End)
	if end >= at { // a piece of what goes on here
		return at
	}
	b.Buf[end] = '\n'
	return end + 1
}

// An extent is a physical line of a block: its end, and where the next begins.
type extent struct {
	end, next int
	cut       bool // it goes on after its end
}

// line finds the physical line at at. ok is false when it is not complete.
func (d *dockerJSON) line(block []byte, at int, m mode) (e extent, ok bool) {
	rest := block[at:min(len(block), at+d.maxPhysical())]
	n := bytes.IndexByte(rest, '\n')
	switch {
	case n >= 0:
		return extent{end: at + n, next: at + n + 1}, true
	case len(rest) == d.maxPhysical():
		return extent{end: at + d.maxLine, next: at + d.maxLine, cut: true}, true
	case m == final:
		return extent{end: len(block), next: len(block)}, true
	}
	return extent{}, false
}

// malformed is the record of the line, which begins at at.
func (e extent) malformed(at int, base int64) agent.Record {
	r := agent.Record{Time: time.Now().UnixNano(), End: base + int64(e.next), Body: span(at, e.end), Flags: agent.Malformed}
	if e.cut {
		r.Flags |= agent.Cut
	}
	return r
}

func span(start, end int) agent.Span { return agent.Span{Start: int32(start), End: int32(end)} }

// blank says that a line holds nothing: it is empty, or a hole that a crash of
// the machine left.
func blank(l []byte) bool { return len(bytes.Trim(l, " \t\r\x00")) == 0 }

// add appends the record, in pieces where it is longer than a record may be.
func (d *dockerJSON) add(b *agent.Batch, r agent.Record) {
	for r.Body.Len() > d.maxLine {
		piece := r
		piece.Body.End = piece.Body.Start + int32(d.maxLine)
		piece.Flags |= agent.Cut
		b.Records = append(b.Records, piece)
		r.Body.Start = piece.Body.End
	}
	b.Records = append(b.Records, r)
}

// together reads the group of lines of which that at c is the first one. Its
// records' bodies then lie in the block in the place of the lines. It returns
// where the group ends; the line there may have been read already. ok is false
// when the group does not end in the block: c is where it begins.
func (d *dockerJSON) together(b *agent.Batch, c cursor, base int64, m mode) (after cursor, ok bool) {
	g, block, start := &d.group, b.Buf, c.at
	g.reset()
	g.began, c.read = c.line.time, true
	for {
		if !c.read {
			if c.at-start > maxGroup(d.maxLine) {
				g.closeAll(base+int64(c.at), agent.Cut)
			}
			if c.at == d.join.seam {
				g.endLong(base + int64(c.at))
			}
			if g.open == 0 {
				break
			}
			var e extent
			if e, ok = d.line(block, c.at, m); c.at == len(block) || !ok {
				if d.rest(base+int64(c.at), c.at == len(block), m); g.open == 0 {
					break
				}
				d.join.end = g.waits()
				d.join.open = d.join.end != 0
				return cursor{at: start}, false
			}
			if c.line, ok = d.parse(block, c.at, e.end, c.at); !ok {
				if !blank(block[c.at:e.end]) {
					g.add(e.malformed(0, base), block[c.at:e.end])
				}
				c.at = e.next
				continue
			}
			c.extent, c.read = e, true
		}
		if !d.take(block, c, base, start) {
			break // it is the first one of what follows
		}
		c.at, c.read = c.extent.next, false
	}
	d.finish(b, start)
	return c, true
}

// take adds the line at c to the group, which begins at start. It returns false,
// and does not, where the line closes all that was open.
func (d *dockerJSON) take(block []byte, c cursor, base int64, start int) bool {
	g, l, at := &d.group, c.line, base+int64(c.at)
	body := block[l.body.Start:l.body.End]
	g.expire(l, at)
	p, state := &g.parts[l.stream], multiline.State(0)
	switch {
	case p.used && p.partial:
		if state = p.state; len(p.text)+len(body) > d.maxLine {
			g.close(l.stream, at, agent.Cut)
		}
	case p.used:
		next, joins := d.join.format.Next(p.state, body)
		switch {
		case !joins || l.time-p.heard > joinPause:
			g.close(l.stream, at, 0)
		case p.lines == maxJoined, len(p.text)+1+len(body) > d.maxLine:
			if g.close(l.stream, at, agent.Cut); c.at-start < enough(d.maxLine) {
				state = next
			}
		default:
			state = next
		}
	}
	if state == 0 && !p.used { // it belongs to nothing
		if g.open == 0 && c.at > start {
			return false
		}
		state = d.join.begins(body)
	}
	g.take(l, body, state, base+int64(c.extent.next))
	return true
}

// rest ends what has ended where the lines end, at an offset; all says that the
// block ends there as well.
func (d *dockerJSON) rest(offset int64, all bool, m mode) {
	if all && m != growing {
		d.group.endLong(offset)
	}
	if end := d.group.waits(); end != 0 && d.join.ends(offset, end, all, m) {
		d.group.closeWaiting(offset)
	}
}

// finish moves the group's records to the batch and their bodies into the block.
func (d *dockerJSON) finish(b *agent.Batch, start int) {
	g := &d.group
	copy(b.Buf[start:], g.text)
	for _, r := range g.records {
		r.Body.Start += int32(start)
		r.Body.End += int32(start)
		d.add(b, r)
	}
	g.shrink()
}
