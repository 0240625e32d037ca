package prometheus

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// contentType is that of the text format, which each Prometheus reads.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

var typeNames = [...]string{agent.Gauge: "gauge", agent.Counter: "counter", agent.Histogram: "histogram"}

// head writes what all series of a metric have in common.
func (p *page) head(s *agent.Sample) {
	p.buf = append(append(append(p.buf[:0], "# HELP "...), s.Name...), ' ')
	p.buf = append(escaped(p.buf, s.Help, false), "\n# TYPE "...)
	p.buf = append(append(append(append(p.buf, s.Name...), ' '), typeNames[s.Type]...), '\n')
	_, _ = p.out.Write(p.buf) // Flush says it
}

// series writes the lines of one series.
func (p *page) series(s *agent.Sample) {
	if s.Type != agent.Histogram {
		p.line(s, "", "", s.Value)
		return
	}
	for _, b := range s.Buckets {
		if !math.IsInf(b.Upper, 1) {
			p.line(s, "_bucket", string(number(nil, b.Upper)), float64(b.Count))
		}
	}
	p.line(s, "_bucket", "+Inf", float64(s.Count))
	p.line(s, "_sum", "", s.Value)
	p.line(s, "_count", "", float64(s.Count))
}

// line writes one line; le is the label of a bucket.
func (p *page) line(s *agent.Sample, suffix, le string, value float64) {
	p.buf = append(append(p.buf[:0], s.Name...), suffix...)
	p.buf = append(p.labels(p.buf, s.Labels, le), ' ')
	p.buf = append(number(p.buf, value), '\n')
	_, _ = p.out.Write(p.buf)
}

// labels appends them in the order of their names, and le at the end.
func (p *page) labels(buf []byte, labels []agent.Label, le string) []byte {
	if len(labels) == 0 && le == "" {
		return buf
	}
	before := byte('{')
	p.order[0] = sorted(labels, p.order[0])
	for _, i := range p.order[0] {
		buf = append(append(append(buf, before), labels[i].Name...), `="`...)
		buf = append(escaped(buf, labels[i].Value, true), '"')
		before = ','
	}
	if le != "" {
		buf = append(append(append(append(buf, before), `le="`...), le...), '"')
	}
	return append(buf, '}')
}

// escaped appends a text of which nothing is taken for an end of line, and, where
// it is quoted, nothing for the quote.
func escaped(buf []byte, text string, quoted bool) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\\':
			buf = append(buf, `\\`...)
		case c == '\n':
			buf = append(buf, `\n`...)
		case c == '"' && quoted:
			buf = append(buf, `\"`...)
		case c < utf8.RuneSelf:
			buf = append(buf, c)
		default:
			r, n := utf8.DecodeRuneInString(text[i:])
			buf = utf8.AppendRune(buf, r)
			i += n
			continue
		}
		i++
	}
	return buf
}

// number appends a value as Prometheus reads it.
func number(buf []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(buf, "+Inf"...)
	case math.IsInf(v, -1):
		return append(buf, "-Inf"...)
	}
	return strconv.AppendFloat(buf, v, 'g', -1, 64) // and NaN
}

// named reports whether the series' labels can be on a page.
func (p *page) named(s *agent.Sample) bool {
	for i, l := range s.Labels {
		if !validName(l.Name, false) || strings.HasPrefix(l.Name, "__") || s.Type == agent.Histogram && l.Name == "le" {
			p.wrong("%s: %q is no name of a label", s.Name, l.Name)
			return false
		}
		for _, other := range s.Labels[:i] {
			if other.Name == l.Name {
				p.wrong("%s: the label %s is there twice", s.Name, l.Name)
				return false
			}
		}
	}
	return true
}

// plain is the sample with names that each Prometheus takes: what is in them
// otherwise is an underscore. Values come from outside, as names of containers and
// paths do: what is no UTF-8 is replaced.
func plain(s agent.Sample) agent.Sample {
	s.Name = plainName(s.Name, true)
	for i, l := range s.Labels {
		if validName(l.Name, false) && utf8.ValidString(l.Value) {
			continue
		}
		s.Labels = slices.Clone(s.Labels) // they are others' too
		for i := range s.Labels[i:] {
			l := &s.Labels[len(s.Labels)-1-i]
			l.Name, l.Value = plainName(l.Name, false), strings.ToValidUTF8(l.Value, "\uFFFD")
		}
		break
	}
	return s
}

func plainName(name string, metric bool) string {
	if validName(name, metric) {
		return name
	}
	out := []byte(strings.ToValidUTF8(name, "_"))
	n := 0
	for i, r := range string(out) {
		out[n] = '_'
		if r < utf8.RuneSelf && (validName(string(r), metric) || i > 0 && r >= '0' && r <= '9') {
			out[n] = byte(r)
		}
		n++
	}
	return string(out[:n])
}

// validName reports whether each Prometheus takes it for the name of a metric or of
// a label.
func validName(name string, metric bool) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		case c >= '0' && c <= '9' && i > 0:
		case c == ':' && metric:
		default:
			return false
		}
	}
	return name != ""
}
