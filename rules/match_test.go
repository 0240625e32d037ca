package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules/engine"
)

// newSet has nothing cut out of records.
func newSet(list []loaded) *Set { return buildSet(list, nil) }

// parse loads rules from text.
func parse(tb testing.TB, text string) *Set {
	tb.Helper()
	l := &loader{names: map[string]place{}}
	l.data("rules.yaml", []byte(text))
	if len(l.errs) > 0 {
		tb.Fatal(l.errs)
	}
	s := newSet(l.rules)
	s.inhibit(l.inhibits)
	return s
}

// oneRule makes a set of one rule named r with these keys.
func oneRule(tb testing.TB, keys string) *Set {
	tb.Helper()
	return parse(tb, "groups: [{name: g, rules: [{name: r, "+keys+"}]}]")
}

// batchOf has the bodies as records, with something between them.
func batchOf(bodies ...string) *agent.Batch {
	b := &agent.Batch{Source: &agent.Source{ID: "test"}}
	for _, body := range bodies {
		b.Buf = append(b.Buf, `{"log":"`...)
		appendRecord(b, body)
		b.Buf = append(b.Buf, `","stream":"stdout"}`...)
	}
	return b
}

// describe gives each finding as record:rule:text.
func describe(b *agent.Batch) []string {
	var list []string
	for _, f := range b.Findings {
		list = append(list, fmt.Sprintf("%d:%s:%s", f.Record, f.Rule.Name, b.Buf[f.Match.Start:f.Match.End]))
	}
	return list
}

const threeRules = `
groups:
  - name: one
    rules:
      - {name: a, match: [late, 'first \w+'], not: [except, '(?i)never']}
      - {name: b, match: '\d+'}
  - name: two
    rules:
      - {name: c, match: '(?i)WORD'}
`

func TestFindings(t *testing.T) {
	s := parse(t, threeRules)
	b := batchOf(
		"nothing",
		"7 words, first things late",
		"",
		"first aid, except here",
		"first aid NEVER 1",
		"in first place\x00\nsWoRd",
	)
	b.Findings = append(b.Findings, agent.Finding{Rule: s.Rules()[2]})
	s.Match(b)
	got := describe(b)
	want := []string{"0:c:", "1:a:late", "1:b:7", "1:c:word", "4:b:1", "5:a:first place", "5:c:WoRd"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOnlyBodiesCount(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: stream, match: stream}
      - {name: log, match: log}
      - {name: across, match: 'x","stream'}
      - {name: quote, match: '"}'}
      - {name: q, match: Q}
`)
	for _, n := range []int{1, 2, 50, 500} {
		bodies := slices.Repeat([]string{"stre", "am", "x", "", "lo"}, n)
		b := batchOf(bodies...)
		s.Match(b)
		if len(b.Findings) != 0 {
			t.Fatalf("%d: %q", n, describe(b))
		}
		b = batchOf(append(bodies, "Q stream")...)
		b.Buf = append(b.Buf, "Q log stream"...)
		s.Match(b)
		last := len(bodies)
		if got, want := describe(b), []string{fmt.Sprintf("%d:stream:stream", last), fmt.Sprintf("%d:q:Q", last)}; !slices.Equal(got, want) {
			t.Fatalf("%d: %q", n, got)
		}
	}
}

// TestAdjacent has bodies with nothing between them.
func TestAdjacent(t *testing.T) {
	s := oneRule(t, "match: [el, erl]")
	for _, n := range []int{1, 3, 1000} {
		b := &agent.Batch{}
		for range n {
			for _, body := range []string{"el", "er", "l", "e", "", "erl"} {
				appendRecord(b, body)
			}
		}
		s.Match(b)
		for i, f := range b.Findings {
			if want := int32(i/2*6 + i%2*5); f.Record != want || f.Match != b.Records[want].Body {
				t.Fatalf("finding %d is in record %d, want %d", i, f.Record, want)
			}
		}
		if len(b.Findings) != 2*n {
			t.Errorf("%d findings, want %d", len(b.Findings), 2*n)
		}
	}
}

// TestEveryPlace puts a hit at each place of records of many sizes, so that it
// is at the edges of all that is scanned at a time.
func TestEveryPlace(t *testing.T) {
	t.Parallel()
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: three, match: xss}
      - {name: eight, match: DEADLOCK}
      - {name: two, match: qz}
      - {name: one, match: '~'}
      - {name: fold, match: '(?i)kiß'}
      - {name: sure, match: 'zürich.*bern'}
`)
	for _, hit := range []string{"xss", "DEADLOCK", "qz", "~", "KIß", "\u212aiß", "zürich-bern"} {
		for records := range 12 {
			for size := range 40 {
				bodies := slices.Repeat([]string{strings.Repeat("a", size*7)}, records+1)
				for at := range bodies {
					old := bodies[at]
					for _, body := range []string{hit + old, old + hit, old + hit + old} {
						bodies[at] = body
						b := batchOf(bodies...)
						s.Match(b)
						if len(b.Findings) != 1 || int(b.Findings[0].Record) != at || string(b.Buf[b.Findings[0].Match.Start:b.Findings[0].Match.End]) != hit {
							t.Fatalf("%q in %d of %d records of %d: %q", hit, at, records+1, size*7, describe(b))
						}
					}
					bodies[at] = old
				}
			}
		}
	}
}

// TestSameAsRegexp has what makes a shortcut go wrong: order of preference,
// odd folding, assertions, bytes that are not UTF-8.
func TestSameAsRegexp(t *testing.T) {
	exprs := []string{
		`ab|abc`, `abc|ab`, `(a|ab)(c|bcd)`, `b|ab`, `(?:foo)?bar`, `(?:foo)??bar`, `xa?y|xab`, `colou?r`,
		`(?i)kiss`, `(?i)sky`, `(?i)straße`, `(?i)ſ`, `(?i)K`, `(?i:error)FATAL`, `ERR(?i:or)`, `[Ee]rror`, `[kK]now`, `(?i)é`,
		`\bfail\b`, `^fail`, `fail$`, `(?m)^fail$`, `\Bfail`, `(?m)^$`, `^$`, `\b`, `(?:^|x)fail`, `fail(?:$|x)`, `(?-m)^fail$`, `\Afail\z`, `^y|fail$`,
		`connection.*failed|database.*error`, `connection.*?failed`, `(?s)connection.*failed`, `a.*b.*c|c.*b.*a`, `(?U)a.*b`,
		`\x{FFFD}`, `\x{FFFD}fail`, `fail\x{FFFD}`, `fail.`, `.fail`, `fail[^a]`, `[\x{FFFD}]foo`, `foo[\x{FFFD}é]`, `\x{D800}`, `foo\x{D800}`, `\xff`, `(?s).`,
		`fail+`, `(?:fail)+`, `(?:fail){2}`, `(?:fail){2,3}`, `f{0}ail`, `(?:fail){0,2}x`, `x*`, `a{3,}`, `(a+)b`, `[^\x00-\x{10FFFF}]`, `a[^\x00-\x{10FFFF}]`,
		`\Qa.b\E`, `a\.b`, `\d+ms`, `status=5\d\d`, `[a-d]x`, `[a-z]x`, `\n`, `a\nb`, `\x00`, `fail\x00`, `é`, `日本`, `日|本`, `(?i)ΣΑΣ`,
		strings.Repeat("long", 20), `(?:` + strings.Repeat("w|", 100) + `fail)`, `(?:` + strings.Repeat("word|", 70) + `fail)`,
	}
	bodies := []string{
		"", "a", "ab", "abc", "abcd", "xay xaby", "aab ab abc", "foobar bar", "barfoo", "color colour",
		"kiss", "KISS", "\u212aiſs", "ki\u017f\u017f", "sky SKY ſ\u212ay", "STRASSE straße STRAßE", "é É e\u0301", "erRORFATAL errorfatal ErrorFATAL", "ERRor ERROR",
		"fail", "failfail", "xfail failx", "x fail\ny fail z", "a\n\nfail\n", "fail\n", "fails fail", "failfailfailx",
		"connection failed", "connection\nfailed", "failed connection", "connection to database: error, failed, failed", "database error connection failed", "abcabc cba",
		"\xff", "fail\xff", "\xfffail", "\xc3\xa9foo\xa9foo", "foo\xc3\xa9 foo\xc3x", "\xa9foo", "fo\xc3", "\xe6\x97fail\xe6", "\ufffd", "\ufffdfail", "fail\ufffd", "foo\ufffd",
		"\x00", "a\x00b fail\x00", "日本語", "日\x97本", "σας ΣΑΣ ςας", "aaab aab", "12ms status=503", "a.b axb", "a\nb", "dx ex",
		strings.Repeat("long", 19), strings.Repeat("long", 41), strings.Repeat("w", 30) + "word fail",
	}
	for _, x := range exprs {
		e, err := compile(x)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile("(?m)" + x)
		b := batchOf(bodies...)
		newSet([]loaded{{rule: &agent.Rule{Name: "r"}, match: []*expr{e}}}).Match(b)
		found := map[int32]agent.Span{}
		for _, f := range b.Findings {
			found[f.Record] = f.Match
		}
		for i, body := range bodies {
			var want []int
			if want = re.FindIndex([]byte(body)); want != nil {
				at := int(b.Records[i].Body.Start)
				want[0], want[1] = want[0]+at, want[1]+at
			}
			var got []int
			if m, ok := found[int32(i)]; ok {
				got = []int{int(m.Start), int(m.End)}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q in %q: got %v, want %v", x, body, got, want)
			}
		}
	}
}

// TestLogs compares a batch of what applications write with regexp.
func TestLogs(t *testing.T) {
	t.Parallel()
	l := &loader{names: map[string]place{}}
	l.pack("operations", "")
	s := newSet(l.rules)
	for seed := range uint64(4) {
		b := logBatch(100<<10, seed)
		s.Match(b)
		if len(b.Findings) == 0 {
			t.Error("nothing found")
		}
		compare(t, l.rules, b)
	}
}

// TestOrder wants findings also of records that are not in the order of their
// bodies, or share one.
func TestOrder(t *testing.T) {
	b := &agent.Batch{Buf: []byte("one ERROR two")}
	for _, s := range []agent.Span{{Start: 4, End: 9}, {}, {Start: 0, End: 9}, {Start: 10, End: 13}, {Start: 3, End: 13}} {
		b.Records = append(b.Records, agent.Record{Body: s})
	}
	operations(t).Match(b)
	if got, want := describe(b), []string{"0:ApplicationError:ERROR", "2:ApplicationError:ERROR", "4:ApplicationError:ERROR"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestNothingToDo(t *testing.T) {
	for _, s := range []*Set{parse(t, ""), parse(t, "groups: [{name: g}]"), operations(t)} {
		b := &agent.Batch{}
		s.Match(b)
		b = batchOf("a", "", "b")
		b.Source = nil
		s.Match(b)
		if len(b.Findings) != 0 {
			t.Error(describe(b))
		}
	}
}

// TestManyRules has more expressions than a word has bits, of all kinds.
func TestManyRules(t *testing.T) {
	var y strings.Builder
	y.WriteString("groups:\n- name: g\n  rules:\n")
	for i := range 200 {
		expr := fmt.Sprintf("word%03d", i)
		if i%50 == 49 {
			expr = `\b[0-9]{3}\b`
		}
		fmt.Fprintf(&y, "  - {name: r%03d, match: ['%s', 'other%03d.*x']}\n", i, expr, i)
	}
	s := parse(t, y.String())
	b := batchOf("other007 word100 word003", "none", "word199 other149 x", "word130 123 word048")
	s.Match(b)
	want := []string{
		"0:r003:word003", "0:r100:word100", "2:r149:other149 x",
		"3:r048:word048", "3:r049:123", "3:r099:123", "3:r130:word130", "3:r149:123", "3:r199:123",
	}
	if got := describe(b); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := len(s.FullPass()); got != 4 {
		t.Errorf("%d rules take a full pass, want 4", got)
	}
}

func TestSelectors(t *testing.T) {
	app := &agent.Source{
		Labels: []agent.Label{{Name: "container", Value: "app-1"}, {Name: "service", Value: "app"}},
		Container: &agent.Container{Labels: map[string]string{
			"service": "hidden", "tier": "web", "com.example.team": "billing",
		}},
	}
	file := &agent.Source{Labels: []agent.Label{{Name: "path", Value: "/var/log/x"}}}
	for _, tt := range []struct {
		source          string
		app, file, none bool
	}{
		{`{}`, true, true, true},
		{`{service: app}`, true, false, false},
		{`{service: [db, app]}`, true, false, false},
		{`{service: hidden}`, false, false, false},
		{`{tier: web, service: app}`, true, false, false},
		{`{tier: web, service: db}`, false, false, false},
		{`{com.example.team: billing}`, true, false, false},
		{`{path: /var/log/x}`, false, true, false},
		{`{service: ""}`, false, true, true},
		{`'service="app"'`, true, false, false},
		{`'{service!="app",}'`, false, true, true},
		{`'service=~"a.."'`, true, false, false},
		{`'service=~"a"'`, false, false, false}, // the whole value
		{`'service=~"a|.p."'`, true, false, false},
		{`'service!~"d.*"'`, true, true, true},
		{`'service!~"a.*"'`, false, true, true},
		{`'service=~".+"'`, true, false, false},
		{`'service=~".*"'`, true, true, true}, // what is not there is ""
		{`'service=""'`, false, true, true},
		{`'service=~"a.*", container!="app-1"'`, false, false, false},
		{`' { service =~ "a.*" , "com.example.team" != "x" } '`, true, false, false},
		{`'com.example.team="bill\u0069ng"'`, true, false, false},
		{`'path=~"/var/log/[^/]+"'`, false, true, false},
	} {
		for _, match := range []string{"hit", `\w`} { // one by its text, one in a full pass
			s := oneRule(t, "match: '"+match+"', source: "+tt.source)
			for _, src := range []struct {
				name string
				*agent.Source
				want bool
			}{{"app", app, tt.app}, {"file", file, tt.file}, {"none", nil, tt.none}} {
				for range 2 {
					b := batchOf("hit")
					b.Source = src.Source
					s.Match(b)
					if got := len(b.Findings) == 1; got != src.want {
						t.Errorf("%s of %s: got %v", tt.source, src.name, got)
					}
				}
			}
		}
	}
}

// TestSetsShareSource has two sets judge one source by turns, as they do while
// rules are loaded anew.
func TestSetsShareSource(t *testing.T) {
	one, two := oneRule(t, "match: hit, source: {a: b}"), oneRule(t, "match: hit")
	b := batchOf("hit")
	for range 3 {
		b.Findings = nil
		one.Match(b)
		if len(b.Findings) != 0 {
			t.Fatal("the first set has the view of the second")
		}
		two.Match(b)
		if len(b.Findings) != 1 {
			t.Fatal("the second set has the view of the first")
		}
	}
}

func TestConcurrent(t *testing.T) {
	s := operations(t)
	src := &agent.Source{}
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			batch := logBatch(20<<10, g)
			batch.Source = src
			s.Match(batch)
			want := describe(batch)
			for range 20 {
				batch.Findings = batch.Findings[:0]
				s.Match(batch)
				if !slices.Equal(describe(batch), want) {
					t.Error("findings differ")
				}
			}
		})
	}
	wg.Wait()
}

// compile is a rule's expression.
func compile(s string) (*expr, error) {
	e, err := engine.Compile(s)
	return &expr{Expr: e}, err
}
