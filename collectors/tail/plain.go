package tail

import (
	"bytes"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// plain splits text files into lines.
type plain struct {
	maxLine int
	join    joining

	// stamp is a line's time, and how many bytes before its text that takes; nil:
	// a line's time is that at which it is read. A line that has none has that of
	// the one before.
	stamp  Stamp
	before int64
}

// A Stamp says when a line was written, in nanoseconds since 1970, and how many
// bytes of it are no more than that; ok is false where it cannot tell.
type Stamp func(line []byte) (ns int64, skip int, ok bool)

// record is that of the line that lies at at, and ends at e.
func (p *plain) record(block []byte, at int, e extent, base, now int64) agent.Record {
	r := agent.Record{Time: now, End: base + int64(e.next), Body: span(at, e.end)}
	if p.stamp != nil {
		if ns, skip, ok := p.stamp(block[at:e.end]); ok {
			p.before = ns
			r.Body.Start += int32(skip)
		}
		r.Time = p.before
	}
	return r
}

func (p *plain) joining() *joining { return &p.join }

// sieve is nil: there is nothing to decode that could be spared.
func (p *plain) sieve() *sieve { return nil }

func (p *plain) limit() int {
	if p.join.format != nil {
		return maxGroup(p.maxLine) + p.maxPhysical()
	}
	return p.maxPhysical()
}

// maxPhysical has room for a line end, which does not count.
func (p *plain) maxPhysical() int { return p.maxLine + 2 }

// line finds the line at at. ok is false when it is not complete.
func (p *plain) line(block []byte, at int, m mode) (e extent, ok bool) {
	rest := block[at:min(len(block), at+p.maxPhysical())]
	n := bytes.IndexByte(rest, '\n')
	next := n + 1
	switch {
	case n > 0 && rest[n-1] == '\r':
		n--
	case n >= 0:
	case m == final || len(rest) == p.maxPhysical():
		n, next = len(rest), len(rest)
	default:
		return extent{}, false
	}
	if n > p.maxLine {
		return extent{end: at + p.maxLine, next: at + p.maxLine, cut: true}, true
	}
	return extent{end: at + n, next: at + next}, true
}

func (p *plain) split(b *agent.Batch, base int64, m mode) int {
	p.join.open = false
	if p.join.format != nil {
		return p.splitJoined(b, base, m)
	}
	now := time.Now().UnixNano()
	at := 0
	for at < len(b.Buf) {
		e, ok := p.line(b.Buf, at, m)
		if !ok {
			break
		}
		r := p.record(b.Buf, at, e, base, now)
		if e.cut {
			r.Flags = agent.Cut
		}
		b.Records = append(b.Records, r)
		at = e.next
	}
	return at
}
