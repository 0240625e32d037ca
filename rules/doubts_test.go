package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDoubts(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: dollar, match: 'costs 5$ more'}
      - {name: caret, match: 'a^b'}
      - {name: own, match: ['fatal error', 'error: disk'], not: '(?i)ERROR'}
      - {name: partly, match: ['fatal error', 'panic: x$y'], not: 'fatal'}
      - {name: slash, match: deadlock, source: {container: /shop-1}}
      - {name: most, match: '[0-9]:[0-9]'}
      - {name: twice, match: [one, two], source: {service: a}}
      - {name: again, match: [two, one], source: {service: a}}
      - {name: within, match: [two], source: {service: a}}
      - {name: digits, match: ['DEADLOCK', '\d{7}']}
      - {name: fixed, sample: info, changed: [user, image], source: {user: root}}
      - {name: right, sample: info, expected: {user: [app, www]}, source: {user: [app, www]}}
`)
	var got []string
	for _, d := range s.Doubts() {
		got = append(got, d.Rule.Name+": "+d.Msg)
	}
	want := []string{
		`dollar: no line can match "costs 5$ more"`,
		`caret: no line can match "a^b"`,
		`own: each line that matches "fatal error" is left out by not "(?i)ERROR"`,
		`own: each line that matches "error: disk" is left out by not "(?i)ERROR"`,
		`partly: each line that matches "fatal error" is left out by not "fatal"`,
		`partly: no line can match "panic: x$y"`,
		`slash: source selects no log: no container is called "/shop-1" here`,
		`most: it holds for most lines whatever they say: for 52 of 60 ordinary ones`,
		`most: "[0-9]:[0-9]" has no literal to look for; it is tried on every line`,
		`again: it finds the same as twice, at rules.yaml:11`,
		`within: all that it finds is found by twice, at rules.yaml:11`,
		`digits: "\d{7}" has no literal to look for; it is tried on every line`,
		`fixed: source leaves one value of "user", so that it never changes`,
		`right: it never holds: source leaves only series whose "user" is as expected`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What is meant so is not doubted.
func TestNoDoubts(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: lines, match: 'first$\n^second'}
      - {name: any, match: '(?s)first$.*^second'}
      - {name: whole, match: '^\[error\].*failed$'}
      - {name: maybe, match: 'a$(b|\n)?\s*c'}
      - {name: words, match: 'deadlock found', not: 'no deadlock found'}
      - {name: fold, match: '(?i)error', not: 'ERROR'}
      - {name: either, match: 'cat|dog', not: cat}
      - {name: web, match: deadlock, source: {container: [/shop-1, shop-1]}}
      - {name: volume, match: 'a|e|i|o', threshold: 5000, window: 1m}
      - {name: few, match: outage, source: {service: a}}
      - {name: elsewhere, match: outage, source: {service: b}}
      - {name: many, match: outage, source: {service: a}, severity: critical, threshold: 50, window: 1m}
      - {name: not, match: outage, not: planned, source: {service: a}}
      - {name: fields, format: access, where: path =~ '/export' and client != ''}
      - {name: down, sample: up, equals: 0}
      - {name: up, sample: up, equals: 0}
      - {name: choice, sample: info, changed: [user], source: {user: [root, app], name: x}}
      - {name: wrong, sample: info, expected: {user: [app, www]}, source: {user: [app, root]}}
`)
	for _, d := range s.Doubts() {
		if !strings.Contains(d.Msg, "tried on every line") {
			t.Errorf("%s: %s", d.Rule.Name, d.Msg)
		}
	}
	packs, err := Load(Config{Packs: Packs()}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range packs.Doubts() {
		t.Errorf("of a pack: %s: %s", d.Rule.Name, d.Msg)
	}
}

// FuzzImpossible wants that nothing matches what is said to match nothing, and
// that a not that is said to hold does.
func FuzzImpossible(f *testing.F) {
	for _, s := range []string{`a$b`, `a$\nb`, `(a|b$)c`, `x\z\n?`, `^a^b`, `(?s)a$.b`, `a$(?:\s|b)`, `(?i)k$`} {
		for _, line := range []string{"a\nb", "ab", "a\n\nb", "K"} {
			f.Add(s, `a`, line)
		}
	}
	f.Fuzz(func(t *testing.T, match, not, line string) {
		e, err := compile(match)
		if err != nil {
			return
		}
		if e.Impossible() && e.Regexp().MatchString(line) {
			t.Errorf("%q matches %q", match, line)
		}
		if n, err := compile(not); err == nil && n.Follows(e.Expr) && e.Regexp().MatchString(line) && !n.Regexp().MatchString(line) {
			t.Errorf("%q matches %q, and %q does not", match, line, not)
		}
	})
}

func TestOrdinaryLines(t *testing.T) {
	if n := strings.Count(ordinary, "\n"); n != 60 || strings.Contains(ordinary, "\n\n") {
		t.Error(fmt.Sprint(n, " lines"))
	}
}
