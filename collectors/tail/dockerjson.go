package tail

import (
	"bytes"
	"time"

	"github.com/webgrip/logkeel/agent"
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
}

// dockerJSON splits the logs of Docker's json-file driver, one object a line:
//
//	{"log":"text\n","stream":"stdout","attrs":{…},"time":"2025-01-09T14:30:00.123456789Z"}
//
// Lines are decoded where they lie: a decoded text is never longer than its JSON.
type dockerJSON struct {
	maxLine int
	clock   rfc3339
	group   group
	raw     []byte // of a line that is being decoded
}

// maxGroup is how many bytes of the file a group may have.
func (d *dockerJSON) maxGroup() int { return 4 * d.maxLine }

// maxPhysical is how long a line of the file may be. JSON makes up to six bytes
// of one.
func (d *dockerJSON) maxPhysical() int { return max(4*d.maxLine, 6*fragmentSize) + maxAttrs }

func (d *dockerJSON) limit() int { return d.maxGroup() + d.maxPhysical() }

func (d *dockerJSON) split(b *agent.Batch, base int64, m mode) int {
	block := b.Buf
	at := 0
	for at < len(block) {
		e, ok := d.line(block, at, m)
		if !ok {
			break
		}
		l, ok := d.parse(block, at, e.end)
		switch {
		case !ok:
			if !blank(block[at:e.end]) {
				d.add(b, e.malformed(at, base))
			}
		case l.fragment:
			next, ok := d.join(b, l, at, e.next, base, m)
			if !ok {
				return next
			}
			e.next = next
		default:
			d.add(b, agent.Record{Time: l.time, End: base + int64(e.next), Body: l.body, Stream: l.stream})
		}
		at = e.next
	}
	return at
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

// join reads the group of lines from start on of which l, up to at, is the first
// one. Its records' bodies then lie in the block in the place of the lines. It
// returns where the group ends. ok is false when the block has to be read again
// from there.
func (d *dockerJSON) join(b *agent.Batch, l line, start, at int, base int64, m mode) (next int, ok bool) {
	g, block := &d.group, b.Buf
	g.reset()
	g.hold(l, block)
	for {
		if at-start > d.maxGroup() {
			g.closeAll(base+int64(at), agent.Cut)
		} else if at == len(block) && m != growing {
			g.closeAll(base+int64(at), 0)
		}
		if g.open == 0 {
			return d.finish(b, start, at), true
		}
		if at == len(block) {
			return start, false
		}
		e, ok := d.line(block, at, m)
		if !ok {
			return start, false
		}
		l, ok := d.parse(block, at, e.end)
		if !ok {
			if !blank(block[at:e.end]) {
				g.add(e.malformed(0, base), block[at:e.end])
			}
			at = e.next
			continue
		}
		g.expire(l, base+int64(at))
		if p := &g.parts[l.stream]; p.used && len(p.text)+l.body.Len() > d.maxLine {
			g.close(l.stream, base+int64(at), agent.Cut)
			if g.open == 0 { // the line has been decoded: it is read again
				return d.finish(b, start, at), false
			}
		}
		if l.fragment {
			g.hold(l, block)
		} else {
			g.take(l, block, base+int64(e.next))
		}
		at = e.next
	}
}

// finish moves the group's records to the batch and their bodies into the block.
func (d *dockerJSON) finish(b *agent.Batch, start, end int) int {
	g := &d.group
	copy(b.Buf[start:], g.text)
	for _, r := range g.records {
		r.Body.Start += int32(start)
		r.Body.End += int32(start)
		d.add(b, r)
	}
	g.shrink()
	return end
}
