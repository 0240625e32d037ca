package tail

import (
	"bytes"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// plain splits text files into lines.
type plain struct{ maxLine int }

// limit has room for a line end, which does not count.
func (p *plain) limit() int { return p.maxLine + 2 }

func (p *plain) split(b *agent.Batch, base int64, m mode) int {
	now := time.Now().UnixNano()
	at := 0
	for at < len(b.Buf) {
		rest := b.Buf[at:min(len(b.Buf), at+p.limit())]
		r := agent.Record{Time: now}
		n := bytes.IndexByte(rest, '\n')
		next := n + 1
		switch {
		case n > 0 && rest[n-1] == '\r':
			n--
		case n >= 0:
		case m == final || len(rest) == p.limit():
			n, next = len(rest), len(rest)
		default:
			return at
		}
		if n > p.maxLine {
			n, next, r.Flags = p.maxLine, p.maxLine, agent.Cut
		}
		r.Body, r.End = span(at, at+n), base+int64(at+next)
		b.Records = append(b.Records, r)
		at += next
	}
	return at
}
