package tail

import (
	"bytes"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// plain splits text files into lines.
type plain struct{ maxLine int }

func (p *plain) limit() int { return p.maxLine + 1 }

func (p *plain) split(b *agent.Batch, base int64, m mode) int {
	now := time.Now().UnixNano()
	at := 0
	for at < len(b.Buf) {
		rest := b.Buf[at:]
		n := bytes.IndexByte(rest, '\n')
		r := agent.Record{Time: now}
		next := at + n + 1
		switch {
		case n >= 0 && n <= p.maxLine:
			if n > 0 && rest[n-1] == '\r' {
				n--
			}
		case n > p.maxLine || len(rest) > p.maxLine:
			n, next, r.Flags = p.maxLine, at+p.maxLine, agent.Cut
		case m == final:
			n, next = len(rest), len(b.Buf)
		default:
			return at
		}
		r.Body, r.End = span(at, at+n), base+int64(next)
		b.Records = append(b.Records, r)
		at = next
	}
	return at
}
