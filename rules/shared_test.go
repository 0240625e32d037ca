package rules

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// alone is the set with each rule judged by itself.
func alone(s *Set) *Set {
	other := &Set{rules: s.rules, meta: s.meta, exprs: s.exprs, ruleOf: s.ruleOf, scanner: s.scanner, each: s.each, wanted: s.wanted, words: s.words}
	other.pool.New = other.newScratch
	return other
}

func findings(s *Set, lines []string) (all []string) {
	b := batchOf(lines...)
	b.Source = &agent.Source{}
	s.Match(b)
	for _, f := range b.Findings {
		all = append(all, fmt.Sprint(f.Record, " ", f.Rule.Name, " ", f.Match.Start, "-", f.Match.End))
	}
	return all
}

// TestSharedAsAlone wants the same findings where what rules have in common is
// judged once.
func TestSharedAsAlone(t *testing.T) {
	packs, err := Load(Config{Packs: []string{"attacks", "web", "slow"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	own := parse(t, `groups:
  - name: g
    rules:
      - {name: a, match: 'took (?P<n>\d+)', where: n > 3}
      - {name: b, match: 'took (?P<n>\d+)', where: n > 3}
      - {name: c, match: 'took (?P<n>\d+)', where: n > 5}
      - {name: d, match: 'took (?P<n>\d+)', not: dry}
      - {name: e, match: 'took (?P<n>\d+)', not: dry, where: n > 3}
      - {name: f, match: ['took (?P<n>\d+)', 'took'], where: n > 3}
      - {name: group, format: logfmt, match: 'took (?P<n>\d+)', where: n > 3}
      - {name: field, format: logfmt, match: 'took', where: n > 3}
      - {name: other, format: json, match: 'took', where: n > 3}
      - {name: text, format: logfmt, match: 'took', where: n == '3'}
      - {name: number, format: logfmt, match: 'took', where: n == 3}
      - {name: p, format: access, where: "path =~ '^/adm' or path =~ 'x$' and path !~ 'box$'"}
      - {name: q, format: access, where: "path =~ 'x$' and not path =~ '^/b'"}
      - {name: r, format: access, where: "path =~ '^b$' and path =~ 'a'"}`)
	lines := []string{
		"took 4", "took 9 dry", "took 2 n=7", "took 9 n=1", "took 3 n=3", "took n=3.0", `took 1 {"n":8}`, "nothing",
	}
	for _, path := range []string{"/admin", "/box", "/ax", "/a%0Ab", "/adm%ffx", "/adm%0Ax", "/a%0Ab%0Acx", "/%61dm"} {
		lines = append(lines, fmt.Sprintf(`192.0.2.7 - - [09/Jan/2026:14:30:00 +0000] "GET %s HTTP/1.1" 404 153`, path))
	}
	for _, file := range []string{"attacks.log", "attacks-more.log", "ordinary.log"} {
		text, err := os.ReadFile("testdata/access/" + file)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(text), "\n")...)
	}
	for name, s := range map[string]*Set{"packs": packs, "own": own} {
		if s.memos == 0 || len(s.amongs) == 0 {
			t.Fatalf("%s: nothing is shared", name)
		}
		got, want := findings(s, lines), findings(alone(s), lines)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s finds\n%q\nwant\n%q", name, got, want)
		}
		if name == "own" && len(got) < 20 {
			t.Errorf("only %q", got)
		}
	}
}

// FuzzShared is the same with requests of anybody.
func FuzzShared(f *testing.F) {
	s, err := Load(Config{Packs: []string{"attacks", "web", "slow"}}, "")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"/?q=1%20union%20select%201", "/a%0A/etc/passwd", "/%ff/.env", "/..%2f..%2fetc/passwd"} {
		f.Add(path, "curl", 404)
	}
	f.Fuzz(func(t *testing.T, path, agent string, status int) {
		line := fmt.Sprintf(`192.0.2.7 - - [09/Jan/2026:14:30:00 +0000] "GET %s HTTP/1.1" %03d 153 "-" "%s"`, path, status, agent)
		lines := []string{line, line[:len(line)/2], line}
		got, want := findings(s, lines), findings(alone(s), lines)
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("finds %q, want %q", got, want)
		}
	})
}
