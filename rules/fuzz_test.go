package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules/fields"
)

// A maker turns the fuzzer's bytes into expressions and lines. When they run
// out it makes the simplest thing.
type maker struct{ data []byte }

func (m *maker) pick(n int) int {
	if len(m.data) == 0 {
		return 0
	}
	c := m.data[0]
	m.data = m.data[1:]
	return int(c) % n
}

func atoms() []string {
	return []string{
		"xss", "slow", "fail", "failed", "a", "b", "k", "s", "K", "S", "kiss", "Q", "qz", "DEADLOCK", "connection", " ", "é", "ß", "日", "1",
		"ſ", "\u212a", `\x00`, `\n`, `\x{FFFD}`, ".", `\d`, `\w`, `\s`, `\S`, "[ab]", "[^a]", "[a-z]", "[sS]", "[kK]", "[é日]", "(?s:.)",
		"^", "$", `\b`, `\B`, `\A`, `\z`, "(?m:^)", "(?m:$)", `\x{D800}`, "",
	}
}

func (m *maker) expr(depth int) string {
	list := atoms()
	if depth <= 0 {
		return list[m.pick(len(list))]
	}
	switch m.pick(12) {
	case 0, 1:
		return list[m.pick(len(list))]
	case 2, 3:
		return m.expr(depth-1) + m.expr(depth-1)
	case 4:
		return m.expr(depth-1) + []string{".*", ".*?", ".+", `\s+`}[m.pick(4)] + m.expr(depth-1)
	case 5:
		return "(" + m.expr(depth-1) + "|" + m.expr(depth-1) + ")"
	case 6:
		return m.expr(depth-1) + "|" + m.expr(depth-1) + "|" + m.expr(depth-1)
	case 7:
		return "(?i:" + m.expr(depth-1) + ")"
	case 8:
		return "(?:" + m.expr(depth-1) + ")" + []string{"*", "+", "?", "*?", "+?", "??"}[m.pick(6)]
	case 9:
		return "(?:" + m.expr(depth-1) + ")" + []string{"{2}", "{0,2}", "{1,3}", "{2,}", "{0}", "{1,2}?"}[m.pick(6)]
	case 10:
		return "(?U:" + m.expr(depth-1) + ")"
	}
	return "(" + m.expr(depth-1) + m.expr(depth-1) + ")"
}

func (m *maker) line() string {
	list := append(atoms()[:22], "XSS", "Failed", "KISS", "KIſS", "É", "ẞ", "\x00", "\n", "\xff", "\x80", "\xc3", "\xe6\x97", "\ufffd", "-", "ab", "Slow", "")
	var b strings.Builder
	for range m.pick(12) {
		b.WriteString(list[m.pick(len(list))])
	}
	return b.String()
}

// condition makes the rule, or none of it, ask for more than a match.
func (m *maker) condition(r *loaded) {
	list := []string{"", "g == 'a'", "g != ''", "not g =~ '[ab]'", "g >= 1 or h == ''", "h !~ 's'", "g < 1s"}
	text := list[m.pick(len(list))]
	if text == "" {
		return
	}
	w, err := parseWhere(text, func(string) *whereError { return nil })
	if err != nil {
		panic(err.msg)
	}
	r.where = w
	for i, e := range r.match {
		if named, err := compile([]string{"(?P<g>" + e.Regexp().String() + ")", "(?P<h>" + e.Regexp().String() + ")(?P<g>.?)"}[i%2]); err == nil {
			e = named
		}
		r.match[i] = e
		w.bind(e)
	}
}

// FuzzMatch compares findings with what regexp says of each expression and line.
func FuzzMatch(f *testing.F) {
	f.Add([]byte{0}, []byte{1, 0}, uint8(0))
	f.Add([]byte{7, 0, 10, 5, 0, 1, 0, 2}, []byte{3, 10, 9, 22, 4, 1, 2, 3, 4}, uint8(40))
	f.Add([]byte{4, 0, 14, 0, 0, 3, 5, 0, 24, 0, 31}, []byte("some lines of whatever there is"), uint8(7))
	f.Add([]byte{6, 7, 0, 1, 0, 20, 8, 0, 38, 2, 9, 0, 13, 3}, []byte("\x05\x19\x1a\x1b\x1c\x1d\x07\x1e\x1f\x20\x21"), uint8(90))
	f.Fuzz(func(t *testing.T, exprs, lines []byte, repeat uint8) {
		if len(exprs) > 200 || len(lines) > 400 {
			return
		}
		var list []loaded
		m := &maker{exprs}
		for len(m.data) > 0 && len(list) < 8 {
			r := loaded{rule: &agent.Rule{Name: "r"}}
			for range 1 + m.pick(2) {
				if e, err := compile(m.expr(3)); err == nil {
					r.match = append(r.match, e)
				}
			}
			if m.pick(4) == 0 {
				if e, err := compile(m.expr(2)); err == nil {
					r.not = append(r.not, e)
				}
			}
			m.condition(&r)
			list = append(list, r)
		}
		var bodies []string
		for m := (&maker{lines}); len(m.data) > 0; {
			bodies = append(bodies, m.line())
		}
		n := len(bodies)
		for range repeat % 50 { // so that it is scanned in several stretches
			bodies = append(bodies, bodies[:n]...)
		}
		b := batchOf(bodies...)
		newSet(list).Match(b)
		compare(t, list, b)
	})
}

// compare checks the findings of b one by one.
func compare(t *testing.T, list []loaded, b *agent.Batch) {
	t.Helper()
	next := 0
	for i := range b.Records {
		body := b.Body(i)
		for _, r := range list {
			var at []int
			if r.format == fields.None {
				at = firstOf(r.match, r.where, body)
			} else {
				at = firstInFormat(t, r, b, i)
			}
			if at == nil || firstOf(r.not, nil, body) != nil {
				continue
			}
			start := b.Records[i].Body.Start
			want := agent.Finding{Rule: r.rule, Record: int32(i), Match: agent.Span{Start: start + int32(at[0]), End: start + int32(at[1])}}
			if next >= len(b.Findings) || b.Findings[next] != want {
				t.Fatalf("record %d, %q: want rule %d, %v at %v; finding %d of %v", i, body, r.rule.Index, sources(r.match), at, next, b.Findings)
			}
			next++
			compareGroups(t, r, body)
		}
	}
	if next != len(b.Findings) {
		t.Fatalf("%d findings too many", len(b.Findings)-next)
	}
}

// compareGroups wants what the groups of the rule's expressions found to be what
// regexp says of the whole body.
func compareGroups(t *testing.T, r loaded, body []byte) {
	t.Helper()
	for _, e := range r.match {
		start, end, ok := e.Find(body)
		if !ok {
			continue
		}
		text, got := e.Groups(body, start, end)
		for i, at := range e.Regexp().FindSubmatchIndex(body) {
			if at >= 0 && !e.Asserts() {
				at -= start
			}
			if i >= len(got) || got[i] != at {
				t.Fatalf("%v in %q: groups are at %v of %q", e.Regexp(), body, got, text)
			}
		}
	}
}

// firstOf is where the first expression of the list that matches, and of which w
// holds, does, by regexp alone.
func firstOf(list []*expr, w *where, body []byte) []int {
	for _, e := range list {
		at := e.Regexp().FindSubmatchIndex(body)
		if at != nil && (w == nil || w.holds(&found{body: body, at: at, slots: e.slots})) {
			return at[:2]
		}
	}
	return nil
}

// firstInFormat is firstOf for a rule whose records have fields, which are read
// for it alone.
func firstInFormat(t *testing.T, r loaded, b *agent.Batch, record int) []int {
	t.Helper()
	w := fields.NewWanted(r.format)
	var numbers []int
	if r.where != nil {
		for _, name := range r.where.groups {
			n := -1
			if !hasGroup(r.match, name) {
				n = w.Add(name)
			}
			numbers = append(numbers, n)
		}
	}
	var v fields.Values
	body := b.Body(record)
	in := fields.Input{Body: body, Stream: b.Records[record].Stream.String()}
	if record < len(b.Fields) {
		in.Map, in.Key = b.Buf[b.Fields[record].Map.Start:b.Fields[record].Map.End], b.Buf[b.Fields[record].Key.Start:b.Fields[record].Key.End]
	}
	if !v.Read(w, &in) {
		return nil
	}
	for _, e := range r.match {
		f := &found{slots: e.slots, numbers: numbers, fields: &v}
		at := []int{0, min(len(body), maxShown)}
		if !e.unmatched {
			if at = e.Regexp().FindSubmatchIndex(body); at == nil {
				continue
			}
			f.body, f.at = body, at
		} else {
			for _, n := range slices.Backward(numbers) {
				if start, end, ok := v.Span(n); ok {
					at = []int{start, end}
				}
			}
		}
		if r.where == nil || r.where.holds(f) {
			return at[:2]
		}
	}
	return nil
}

func sources(list []*expr) (out []string) {
	for _, e := range list {
		out = append(out, e.Regexp().String())
	}
	return out
}

// FuzzLoad reads whatever there is as a rule file, and uses what was read.
func FuzzLoad(f *testing.F) {
	for _, name := range Packs() {
		for _, file := range packFiles(name) {
			data, err := packs.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte(threeRules))
	f.Add([]byte("groups: [{name: g, rules: [{name: r, match: '(?P<ms>\\d+)', where: ms > 5s, threshold: 5, window: 1h, by: [ms]}, {name: s, sample: a, above: 5KB, for: 1m}]}]"))
	f.Add([]byte("groups: [{name: g, rules: [{name: r, format: json, where: a.b == 'x' or n > 5, by: [a.b]}, {name: s, format: logfmt, match: x, where: stream != 'stderr'}]}]"))
	f.Add([]byte("groups: [{name: g, rules: [{name: r, format: access, where: status >= 500 and path =~ '^/api', by: [client]}, {name: s, format: record, where: a != ''}]}]"))
	f.Add([]byte("groups: [{name: g, rules: [{name: r, match: x, absent: 1h, by: []}, {name: s, sample: a, delta: 1h, below: -5KB}, {name: t, match: y, spike: 2.5, window: 1h}, {name: u, absent: 1m, source: {a: [b, c]}}]}]"))
	f.Add([]byte("groups: [{name: g, rules: [{name: r, match: '(?P<n>x)', alert: false, metric: {name: x, histogram: n, buckets: [1ms, 1], labels: [n, a.b], max_series: 5}}]}]"))
	f.Add([]byte("groups: [{name: g, rules: [{name: r, match: '(', not: [''], source: {a: []}, class: x, severity: y}]}]"))
	f.Add([]byte("groups: [{name: g, rules: [{name: r, sample: a, changed: [b, c], by: [d]}, {name: s, sample: a, expected: {b: [x, ''], c: true}}, {name: t, sample: a, absent: 1h, source: {target: [a, b]}, window: 1d}]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &loader{names: map[string]place{}}
		l.data("f.yaml", data)
		for _, err := range l.errs {
			if !strings.HasPrefix(err.Error(), "f.yaml") {
				t.Errorf("no place in %q", err)
			}
		}
		if len(l.errs) > 0 {
			return
		}
		b := batchOf("a line", "", "xss connection failed\x00\xff", `x {"a":{"b":"x"},"n":7}`, `a.b=x n=7 stream=x`, `10.0.0.1 - - [x] "GET /api%2f/x?a=b HTTP/1.1" 500 7`)
		newSet(l.rules).Match(b)
		compare(t, l.rules, b)
		for _, f := range b.Findings {
			r := &newSet(l.rules).rules[f.Rule.Index]
			if r.measure != nil {
				t.Errorf("a rule on a sample is found in a line")
			}
			if f.Rule.Name == "" || f.Rule.Group == "" || f.Rule.Class == "" || f.Rule.Severity == "" || f.Rule.Line == 0 {
				t.Errorf("the rule is not whole: %+v", *f.Rule)
			}
		}
	})
}
