package scan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

const (
	timeLayout = "2006-01-02T15:04:05.000Z07:00" // local
	maxWide    = 2000                            // bytes of a record that are printed
	before     = 500                             // of them, before a match that lies further on

	matched = "\x1b[31;1m"
	faint   = "\x1b[2m"
	bold    = "\x1b[1m"
	plain   = "\x1b[0m"
)

// print writes a match.
func (r *report) print(c *chunk, m *match) error {
	if r.s.JSON {
		r.text = r.matchJSON(r.text[:0], c, m)
	} else {
		r.text = r.matchText(r.text[:0], c, m)
	}
	_, err := r.out.Write(append(r.text, '\n'))
	if err != nil {
		return fmt.Errorf("write the matches: %w", err)
	}
	return nil
}

func (r *report) matchText(b []byte, c *chunk, m *match) []byte {
	b = r.paint(b, faint)
	if m.untimed {
		b = append(b, '-')
	} else {
		b = time.Unix(0, m.record.Time).AppendFormat(b, timeLayout)
	}
	b = append(r.paint(b, plain), ' ')
	b = append(appendVisible(b, []byte(m.source.Name)), ' ')
	findings := c.findings[m.from:m.to]
	for i, f := range findings {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(r.paint(b, bold), f.Rule.Name...)
		b = append(r.paint(b, plain), '(')
		b = append(append(b, f.Rule.Severity...), ')')
	}
	return r.line(append(b, ' '), c.text, m.record.Body, findings)
}

// paint sets the colour, where there are any.
func (r *report) paint(b []byte, color string) []byte {
	if r.s.Color {
		b = append(b, color...)
	}
	return b
}

// line writes the record, with what matched in colour. Of a long one it writes what
// is around the first match.
func (r *report) line(b, text []byte, body agent.Span, findings []agent.Finding) []byte {
	spans := make([]agent.Span, 0, 8)
	for _, f := range findings {
		spans = append(spans, f.Match)
	}
	slices.SortFunc(spans, func(x, y agent.Span) int { return int(x.Start - y.Start) })
	at, end := body.Start, body.End
	if body.Len() > maxWide {
		if first := spans[0].Start; first-at > maxWide-before {
			at = startOfRune(text, first-before, body.Start)
			b = append(b, "…"...)
		}
		end = startOfRune(text, min(end, at+maxWide), at)
	}
	for _, s := range spans {
		from, to := max(s.Start, at), min(s.End, end)
		if from >= to {
			continue
		}
		b = appendVisible(b, text[at:from])
		b = r.paint(b, matched)
		b = appendVisible(b, text[from:to])
		b = r.paint(b, plain)
		at = to
	}
	if at < end {
		b = appendVisible(b, text[at:end])
	}
	if end < body.End {
		b = append(b, "…"...)
	}
	return b
}

// startOfRune goes back to where a character begins.
func startOfRune(text []byte, at, least int32) int32 {
	for i := at; i > least && i > at-utf8.UTFMax && int(i) < len(text); i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return at
}

// appendVisible writes untrusted text so that it is on one line and the terminal
// shows what it is: control characters, escape sequences, what changes the direction
// of text or has no width, and bytes that are not UTF-8 stand there as \x1b or
// \u202e. The lines of a record of several have a sign between them.
func appendVisible(b, s []byte) []byte {
	for len(s) > 0 {
		n := 0
		for n < len(s) && s[n] >= ' ' && s[n] < 0x7f {
			n++
		}
		b = append(b, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			break
		}
		r, size := utf8.DecodeRune(s)
		switch {
		case r == utf8.RuneError && size == 1:
			b = fmt.Appendf(b, `\x%02x`, s[0])
		case r == '\n':
			b = append(b, " ↵ "...)
		case r == '\t' || unicode.Is(unicode.Zs, r):
			b = append(b, ' ')
		case unicode.IsPrint(r):
			b = append(b, s[:size]...)
		case r < utf8.RuneSelf:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r <= 0xffff:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
		s = s[size:]
	}
	return b
}

// A matchObject is a match in JSON.
type matchObject struct {
	Time     string            `json:"time,omitempty"`
	Source   string            `json:"source"`
	Labels   map[string]string `json:"labels"`
	Stream   string            `json:"stream,omitempty"`
	Line     string            `json:"line"`
	Findings []findingObject   `json:"findings"`
}

type findingObject struct {
	Rule     string `json:"rule"`
	Class    string `json:"class"`
	Severity string `json:"severity"`
	Match    string `json:"match"`
}

func (r *report) matchJSON(b []byte, c *chunk, m *match) []byte {
	body := m.record.Body
	o := matchObject{Source: m.source.Name, Labels: map[string]string{}, Stream: m.record.Stream.String(), Line: string(c.text[body.Start:body.End])}
	if !m.untimed {
		o.Time = stampOf(m.record.Time)
	}
	for _, l := range m.source.Labels {
		o.Labels[l.Name] = l.Value
	}
	for _, f := range c.findings[m.from:m.to] {
		o.Findings = append(o.Findings, findingObject{f.Rule.Name, f.Rule.Class, f.Rule.Severity, string(c.text[f.Match.Start:f.Match.End])})
	}
	return appendJSON(b, o)
}

func stampOf(ns int64) string {
	if ns == 0 {
		return ""
	}
	return time.Unix(0, ns).UTC().Format(time.RFC3339Nano)
}

// appendJSON writes v; what a terminal would heed is written as \u202e, which is the
// same text.
func appendJSON(b []byte, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil { // there is nothing in it that cannot be written
		return b
	}
	for _, c := range string(data) {
		if c < 0x7f || unicode.IsPrint(c) {
			b = utf8.AppendRune(b, c)
		} else if c <= 0xffff {
			b = fmt.Appendf(b, `\u%04x`, c)
		} else {
			c -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		}
	}
	return b
}

// size is a number of bytes, for people.
func size(n int64) string {
	switch {
	case n < 1e4:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1e7:
		return strconv.FormatInt(n/1e3, 10) + " kB"
	case n < 1e10:
		return strconv.FormatInt(n/1e6, 10) + " MB"
	}
	return strconv.FormatFloat(float64(n)/1e9, 'f', 1, 64) + " GB"
}

// thousands writes a count with its thousands apart.
func thousands[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is a count of things.
func plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}
