package tap

import (
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// A Message is one line of JSON that the agent sends. Text is as it was logged, but
// for secrets that were cut: whoever shows it has to escape it.
type Message struct {
	// Of a record.
	Time      string            `json:"time,omitempty"` // RFC 3339, UTC, nanoseconds
	Source    string            `json:"source,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Stream    string            `json:"stream,omitempty"`
	Line      string            `json:"line"`
	Findings  []Finding         `json:"findings,omitempty"`
	Malformed bool              `json:"malformed,omitempty"` // the line is not in its log's format
	Cut       bool              `json:"cut,omitempty"`       // it is a piece of a longer one
	Left      int               `json:"left_out,omitempty"`  // bytes at the end that are not in Line

	Alert   *Alert `json:"alert,omitempty"`   // an alert as it was told
	Dropped int    `json:"dropped,omitempty"` // lines that are not shown

	Hello *Hello `json:"hello,omitempty"` // the first message
	Error string `json:"error,omitempty"` // instead of Hello: what is asked for is not had
	End   string `json:"end,omitempty"`   // the last message: why it ends
}

// A Finding is a rule that held for a record.
type Finding struct {
	Rule     string `json:"rule"`
	Class    string `json:"class"`
	Severity string `json:"severity"`
	Match    string `json:"match"` // at most 200 bytes
}

// An Alert is what an alert is about, without its lines.
type Alert struct {
	Rule      string            `json:"rule"`
	Class     string            `json:"class"`
	Severity  string            `json:"severity"`
	State     string            `json:"state"` // firing or resolved
	Handle    string            `json:"handle"`
	Source    string            `json:"source"`
	Summary   string            `json:"summary,omitempty"`
	Key       map[string]string `json:"key,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Starts    time.Time         `json:"starts"`
	Ended     time.Time         `json:"ended,omitzero"`
	Count     uint64            `json:"count,omitempty"`
	Condition string            `json:"condition,omitempty"`
	Value     float64           `json:"value,omitempty"`
	Measured  bool              `json:"measured,omitempty"` // the value says something
	Inhibited string            `json:"inhibited,omitempty"`
}

// A Hello says who answers.
type Hello struct {
	Version string   `json:"version"`
	Notes   []string `json:"notes,omitempty"` // what may not be meant so
}

const maxMatch = 200

// An encoder writes records; it remembers how the last source is written.
type encoder struct {
	source *agent.Source
	begin  []byte
}

func (e *encoder) record(b []byte, c *chunk, it *item) []byte {
	b = append(b, `{"time":"`...)
	b = time.Unix(0, it.time).UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `",`...)
	b = append(b, e.of(it.source)...)
	if it.stream != agent.None {
		b = append(b, `,"stream":"`...)
		b = append(append(b, it.stream.String()...), '"')
	}
	b = append(b, `,"line":`...)
	b = appendString(b, c.text[it.text.Start:it.text.End])
	for i, f := range c.findings[it.found.Start:it.found.End] {
		if i == 0 {
			b = append(b, `,"findings":[`...)
		} else {
			b = append(b, ',')
		}
		match := c.text[f.Match.Start:f.Match.End]
		if len(match) > maxMatch {
			match = match[:wholeRunes(match, maxMatch)]
		}
		b = member(b, `{"rule":`, f.Rule.Name)
		b = member(b, `,"class":`, f.Rule.Class)
		b = member(b, `,"severity":`, f.Rule.Severity)
		b = append(appendString(append(b, `,"match":`...), match), '}')
	}
	if it.found.Len() > 0 {
		b = append(b, ']')
	}
	if it.flags&agent.Malformed != 0 {
		b = append(b, `,"malformed":true`...)
	}
	if it.flags&agent.Cut != 0 {
		b = append(b, `,"cut":true`...)
	}
	if it.left > 0 {
		b = strconv.AppendInt(append(b, `,"left_out":`...), int64(it.left), 10)
	}
	return append(b, "}\n"...)
}

func (e *encoder) of(src *agent.Source) []byte {
	if e.source != src {
		e.source = src
		e.begin = appendLabels(append(member(e.begin[:0], `"source":`, src.Name), `,"labels":`...), src.Labels)
	}
	return e.begin
}

func appendLabels(b []byte, labels []agent.Label) []byte {
	b = append(b, '{')
	for i, l := range labels {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, []byte(l.Name)), ':')
		b = appendString(b, []byte(l.Value))
	}
	return append(b, '}')
}

func member(b []byte, name, value string) []byte {
	return appendString(append(b, name...), []byte(value))
}

// appendString writes s as a string in JSON that is safe to show: what a terminal
// would heed is written as \u001b or \u202e; what is no UTF-8, as \ufffd.
func appendString(b, s []byte) []byte {
	b = append(b, '"')
	for len(s) > 0 {
		n := 0
		for n < len(s) && s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' && s[n] != '\\' {
			n++
		}
		b = append(b, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			break
		}
		r, size := utf8.DecodeRune(s)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case unicode.IsPrint(r) && r != utf8.RuneError:
			b = append(b, s[:size]...)
		case r <= 0xffff:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		s = s[size:]
	}
	return append(b, '"')
}
