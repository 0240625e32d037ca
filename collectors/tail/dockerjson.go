package tail

import (
	"bytes"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// fragmentSize is the length from which on a record without a line end is the
// first part of a longer one: Docker cuts lines at 16 KiB. A shorter one is the
// end of an output that did not end in a line end.
const fragmentSize = 16 << 10

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
	// limit is how many bytes have to be read before split covers some.
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
}

func (d *dockerJSON) limit() int { return 4*d.maxLine + 64<<10 }

func (d *dockerJSON) split(b *agent.Batch, base int64, m mode) int {
	block := b.Buf
	at := 0
	for at < len(block) {
		end, next, ok := d.line(block, at, m)
		if !ok {
			break
		}
		l, ok := d.parse(block, at, end)
		switch {
		case !ok:
			if !blank(block[at:end]) {
				b.Records = append(b.Records, malformed(at, end, base+int64(next)))
			}
		case l.fragment:
			if next, ok = d.join(b, at, base, m); !ok {
				return next
			}
		default:
			b.Records = append(b.Records, agent.Record{Time: l.time, End: base + int64(next), Body: l.body, Stream: l.stream})
		}
		at = next
	}
	return at
}

// line finds the physical line at at: its end, and where the next one starts.
// ok is false when it is not complete.
func (d *dockerJSON) line(block []byte, at int, m mode) (end, next int, ok bool) {
	if n := bytes.IndexByte(block[at:], '\n'); n >= 0 {
		return at + n, at + n + 1, true
	}
	if m == final || len(block)-at >= d.limit() {
		end = min(len(block), at+d.maxLine)
		return end, end, true
	}
	return 0, 0, false
}

func malformed(at, end int, off int64) agent.Record {
	return agent.Record{Time: time.Now().UnixNano(), End: off, Body: span(at, end), Flags: agent.Malformed}
}

func span(start, end int) agent.Span { return agent.Span{Start: int32(start), End: int32(end)} }

// blank says that a line holds nothing: it is empty, or a hole that a crash of
// the machine left.
func blank(l []byte) bool { return len(bytes.Trim(l, " \t\r\x00")) == 0 }

// A group is a stretch of lines during which some record is incomplete. The
// streams of a container write into one file, so that the parts of one long
// line may have lines of the other stream between them.
type group struct {
	records []agent.Record // bodies lie in text
	text    []byte
	parts   [3]part // by stream
	open    int     // how many parts are in use
}

type part struct {
	used bool
	text []byte
	time int64
}

// join reads the group of lines that begins at at with a fragment. Its records'
// bodies then lie in the block in the place of the lines. It returns where the
// group ends. ok is false when the block has to be read again from there.
func (d *dockerJSON) join(b *agent.Batch, at int, base int64, m mode) (next int, ok bool) {
	g := &d.group
	g.reset()
	block, start := b.Buf, at
	for at < len(block) {
		end, next, ok := d.line(block, at, m)
		if !ok {
			return start, false
		}
		l, ok := d.parse(block, at, end)
		p := &g.parts[l.stream]
		switch {
		case !ok:
			if !blank(block[at:end]) {
				r := malformed(0, 0, base+int64(next))
				g.add(r, block[at:end])
			}
		case p.used && len(p.text)+l.body.Len() > d.maxLine:
			g.close(l.stream, base+int64(at), agent.Cut)
			if g.open == 0 { // parse has decoded this line already
				return g.finish(b, start, at), false
			}
			fallthrough
		case l.fragment:
			g.hold(l, block)
		default:
			g.take(l, block, base+int64(next))
		}
		at = next
		if g.open > 0 && at-start > d.limit()-64<<10 {
			g.closeAll(base+int64(at), agent.Cut)
		}
		if g.open == 0 {
			return g.finish(b, start, at), true
		}
	}
	if m != growing {
		g.closeAll(base+int64(at), 0)
		return g.finish(b, start, at), true
	}
	return start, false
}

func (g *group) reset() {
	g.records, g.text, g.open = g.records[:0], g.text[:0], 0
	for i := range g.parts {
		g.parts[i].used, g.parts[i].text = false, g.parts[i].text[:0]
	}
}

func (g *group) add(r agent.Record, body []byte) {
	n := len(g.text)
	g.text = append(g.text, body...)
	r.Body = span(n, len(g.text))
	g.records = append(g.records, r)
}

func (g *group) hold(l line, block []byte) {
	p := &g.parts[l.stream]
	if !p.used {
		p.used, p.time = true, l.time
		g.open++
	}
	p.text = append(p.text, block[l.body.Start:l.body.End]...)
}

// take ends the record that is open on the line's stream, or adds the line.
func (g *group) take(l line, block []byte, end int64) {
	body := block[l.body.Start:l.body.End]
	if p := &g.parts[l.stream]; p.used {
		p.text = append(p.text, body...)
		g.close(l.stream, end, 0)
		return
	}
	g.add(agent.Record{Time: l.time, End: end, Stream: l.stream}, body)
}

func (g *group) close(s agent.Stream, end int64, f agent.Flags) {
	p := &g.parts[s]
	g.add(agent.Record{Time: p.time, End: end, Stream: s, Flags: f}, p.text)
	p.used, p.text = false, p.text[:0]
	g.open--
}

func (g *group) closeAll(end int64, f agent.Flags) {
	for s := range g.parts {
		if g.parts[s].used {
			g.close(agent.Stream(s), end, f)
		}
	}
}

// finish moves the records to the batch and their bodies into the block.
func (g *group) finish(b *agent.Batch, start, end int) int {
	copy(b.Buf[start:], g.text)
	for _, r := range g.records {
		r.Body.Start += int32(start)
		r.Body.End += int32(start)
		b.Records = append(b.Records, r)
	}
	for i := range g.parts { // a long line leaves no memory behind
		if cap(g.parts[i].text) > 4*fragmentSize {
			g.parts[i].text = nil
		}
	}
	if cap(g.text) > 4*fragmentSize {
		g.text = nil
	}
	return end
}
