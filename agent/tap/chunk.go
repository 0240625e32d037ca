package tap

import (
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// A chunk is what one client has not been sent yet. Its memory is used again.
type chunk struct {
	text     []byte
	items    []item
	findings []agent.Finding // Match lies in text
	dropped  int             // lines after the items that there was no room for, or that were not decoded
}

// An item is a record, or an alert.
type item struct {
	source *agent.Source // nil: text is an alert in JSON
	time   int64
	text   agent.Span
	found  agent.Span // in findings
	left   int        // bytes of the text that are left out
	stream agent.Stream
	flags  agent.Flags
}

// What a client may lag behind. Beyond that lines are left out, and counted.
const (
	maxText     = 256 << 10 // bytes of texts
	maxItems    = 4096
	maxFindings = 2 * maxItems
	maxLine     = 64 << 10 // bytes of one text; the rest is left out
)

func (c *chunk) empty() bool { return len(c.items) == 0 && c.dropped == 0 }

func (c *chunk) full() bool { return len(c.items) >= maxItems || len(c.text) > maxText-maxLine }

func (c *chunk) reset() {
	clear(c.items) // sources may be gone
	clear(c.findings)
	c.text, c.items, c.findings, c.dropped = c.text[:0], c.items[:0], c.findings[:0], 0
}

// record takes record i of b with its findings. There is room.
func (c *chunk) record(b *agent.Batch, i int, findings []agent.Finding) {
	r := &b.Records[i]
	body := b.Body(i)
	kept := body
	if len(body) > maxLine {
		kept = body[:wholeRunes(body, maxLine)]
	}
	from := int32(len(c.text))
	c.text = append(c.text, kept...)
	first := int32(len(c.findings))
	for _, f := range findings[:min(len(findings), maxFindings-len(c.findings))] {
		f.Match.Start = min(max(f.Match.Start-r.Body.Start, 0), int32(len(kept))) + from
		f.Match.End = max(f.Match.Start, min(f.Match.End-r.Body.Start, int32(len(kept)))+from)
		c.findings = append(c.findings, f)
	}
	c.items = append(c.items, item{
		source: b.Source, time: r.Time, stream: r.Stream, flags: r.Flags, left: len(body) - len(kept),
		text: agent.Span{Start: from, End: int32(len(c.text))}, found: agent.Span{Start: first, End: int32(len(c.findings))},
	})
}

// wholeRunes is the greatest length up to n at which no character is cut in two.
func wholeRunes(s []byte, n int) int {
	for i := n; i > n-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	return n
}
