package rules

import (
	"slices"

	"github.com/webgrip/logkeel/agent"
)

// before is the lines that stand before the record, as far as they are known, up to
// one that the rule found or that the alert shows already.
func (t *trail) before(m *moment, record int, k *key) (lines []agent.Line) {
	if t == nil {
		return nil
	}
	add := func(time int64, text []byte) bool {
		if lines == nil {
			lines = make([]agent.Line, 0, contextLines)
		}
		lines = append(lines, agent.Line{Time: dataTime(time), Source: m.b.Source.Name, Text: lineText(text), Context: true})
		m.room--
		return len(lines) < contextLines
	}
	defer func() { slices.Reverse(lines) }()
	for i := record; i > 0; i-- {
		if m.room <= 0 || m.b.GapAt(i) || k.has(t, m.base+int64(i-1)) || finds(m.b, i-1, k.rule) {
			return lines
		}
		if !add(m.b.Records[i-1].Time, m.b.Body(i-1)) {
			return lines
		}
	}
	if m.b.GapAt(0) {
		return lines
	}
	for i := m.from; i < t.n; i++ { // those that were judged before are in both
		l := &t.lines[contextLines-1-i]
		if m.room <= 0 || k.has(t, t.next-1-int64(i)) || slices.Contains(l.rules, int32(k.rule.rule.Index)) || !add(l.time, l.text) {
			return lines
		}
	}
	return lines
}

// after is up to n lines that stand behind the record, up to one that the rule
// found; left is how many may follow in the next batch.
func (t *trail) after(m *moment, record, n int, k *key) (lines []agent.Line, left int) {
	if t == nil {
		return nil, 0
	}
	b := m.b
	for i := record + 1; n > 0 && m.room > 0 && !b.GapAt(i); i++ {
		if i == len(b.Records) {
			return lines, n
		}
		if finds(b, i, k.rule) {
			break
		}
		if lines == nil {
			lines = make([]agent.Line, 0, n)
		}
		lines = append(lines, agent.Line{Time: dataTime(b.Records[i].Time), Source: b.Source.Name, Text: lineText(b.Body(i)), Context: true})
		n--
		m.room--
	}
	return lines, 0
}

// has reports whether the line is among the first ones of the alert.
func (k *key) has(t *trail, number int64) bool { return k.inFirst.of == t && number <= k.inFirst.to }

// finds reports whether the rule found the record.
func finds(b *agent.Batch, record int, r *rule) bool {
	return slices.ContainsFunc(findingsOf(b, record), func(f agent.Finding) bool { return f.Rule == r.rule })
}

func findingsOf(b *agent.Batch, record int) []agent.Finding {
	compare := func(f agent.Finding, record int32) int { return int(f.Record - record) }
	from, _ := slices.BinarySearchFunc(b.Findings, int32(record), compare)
	to := from
	for to < len(b.Findings) && int(b.Findings[to].Record) == record {
		to++
	}
	return b.Findings[from:to]
}

// leave keeps the last lines of the batch for the next one.
func (t *trail) leave(b *agent.Batch, from int) {
	if t == nil {
		return
	}
	n := len(b.Records)
	first := max(0, n-contextLines)
	switch {
	case len(b.Gaps) > 0:
		t.n, first = 0, max(first, int(b.Gaps[len(b.Gaps)-1]))
	case t.n > 0:
		first = max(first, from) // those before are here already
	}
	for i := first; i < n; i++ {
		l := t.lines[0]
		copy(t.lines[:], t.lines[1:])
		body := b.Body(i)
		l.time, l.text, l.rules = b.Records[i].Time, append(l.text[:0], body[:min(len(body), shownBytes+1)]...), l.rules[:0]
		for _, f := range findingsOf(b, i) {
			l.rules = append(l.rules, int32(f.Rule.Index))
		}
		t.lines[contextLines-1] = l
		t.n = min(t.n+1, contextLines)
	}
	t.next += int64(n - from)
}
