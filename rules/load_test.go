package rules

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

var update = flag.Bool("update", false, "write what is said of the files in testdata/bad")

// TestBadFiles wants of each file in testdata/bad the messages that stand in the
// .txt beside it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := Load(Config{Files: []string{filepath.Base(file)}}, "testdata/bad")
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.ReplaceAll(err.Error(), "testdata/bad/", "") + "\n"
			txt := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(txt, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(txt)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
		})
	}
}

// folder writes files, given as name and content by turns.
func folder(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func ruleNamed(name string) string {
	return "groups:\n  - name: g\n    rules:\n      - name: " + name + "\n        match: x\n"
}

func TestRuleFields(t *testing.T) {
	dir := folder(t, "r.yaml", `
groups:
  - name: app
    rules:
      - name: Full_1-x
        class: slow
        severity: info
        match: ['a\d$ {x}', '${HOME}']
        summary: "it is slow"
        runbook: |
          look
          and act
      - name: Short
        match: b
`)
	s, err := Load(Config{Packs: []string{"operations"}, Files: []string{"r.yaml"}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	rules := s.Rules()
	for i, r := range rules {
		if r.Index != i {
			t.Errorf("%s has index %d, want %d", r.Name, r.Index, i)
		}
	}
	file := filepath.Join(dir, "r.yaml")
	want := []agent.Rule{
		{Name: "Full_1-x", Group: "app", Class: "slow", Severity: "info", Summary: "it is slow", Runbook: "look\nand act", File: file, Line: 5, Index: 6},
		{Name: "Short", Group: "app", Class: "other", Severity: "warning", File: file, Line: 13, Index: 7},
	}
	for i, w := range want {
		if got := *rules[len(rules)-2+i]; got != w {
			t.Errorf("got  %+v\nwant %+v", got, w)
		}
	}
	if first := *rules[0]; first.File != "pack:operations" || first.Line == 0 || first.Group != "operations" {
		t.Errorf("the pack's first rule is %+v", first)
	}
}

func TestFiles(t *testing.T) {
	dir := folder(t,
		"b.yaml", ruleNamed("b"), "a.yaml", ruleNamed("a"), "c.yml", ruleNamed("c"),
		"sub[1]/d.yaml", ruleNamed("d"), "sub[1]/e.yaml", ruleNamed("e"), "empty.yml", "# later\n",
	)
	elsewhere := folder(t, "f.yaml", ruleNamed("f"))
	for _, tt := range []struct {
		base  string
		files []string
		want  string
	}{
		{dir, nil, ""},
		{dir, []string{"*.yaml"}, "a b"},
		{dir, []string{"b.yaml", "*.yaml", "./b.yaml"}, "b a"},
		{dir, []string{"none/*.yaml", "c.yml"}, "c"},
		{dir, []string{"*.yml"}, "c"},
		{dir, []string{filepath.Join(elsewhere, "f.yaml"), filepath.Join(elsewhere, "?.yaml")}, "f"},
		{filepath.Join(dir, "sub[1]"), []string{"*.yaml", "../a.yaml"}, "d e a"},
	} {
		s, err := Load(Config{Files: tt.files}, tt.base)
		if err != nil {
			t.Errorf("%v: %v", tt.files, err)
			continue
		}
		var names []string
		for _, r := range s.Rules() {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.files, got, tt.want)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	dir := folder(t,
		"a.yaml", ruleNamed("Same"), "b.yaml", "\n"+ruleNamed("Same"), "pack.yaml", ruleNamed("ApplicationError"),
		"broken.yaml", "group: []", "bad.yaml", strings.Replace(ruleNamed("Bad"), "x", "(", 1),
	)
	known := strings.Join(Packs(), ", ")
	for _, tt := range []struct {
		config Config
		want   string
	}{
		{Config{Files: []string{"none.yaml"}}, "DIR/none.yaml: there is no such file; check the path"},
		{Config{Files: []string{"."}}, "DIR: this is a folder, not a file; name a file in it"},
		{Config{Files: []string{"a.yaml", ""}}, "files[1]: the path is empty; write a path, or a pattern as rules/*.yaml"},
		{Config{Files: []string{"[a"}}, `files[0]: "[a" is not a pattern; write a path, or a pattern as rules/*.yaml`},
		{Config{Packs: []string{"operations", "operation"}}, `packs[1]: there is no pack "operation"; use one of ` + known},
		{Config{Packs: []string{"../rules"}}, `packs[0]: there is no pack "../rules"; use one of ` + known},
		{
			Config{Files: []string{"?.yaml"}},
			`DIR/b.yaml:5: groups[0].rules[0].name: there is a rule "Same" already, at DIR/a.yaml:4; give one of them another name`,
		},
		{
			Config{Packs: []string{"operations"}, Files: []string{"pack.yaml"}},
			`DIR/pack.yaml:4: groups[0].rules[0].name: there is a rule "ApplicationError" already, at pack:operations:6; give one of them another name`,
		},
		{ // all that is wrong, in one go
			Config{Packs: []string{"x"}, Files: []string{"broken.yaml", "bad.yaml", "?.yaml"}},
			"packs[0]: there is no pack \"x\"; use one of " + known + "\n" +
				"DIR/broken.yaml:1: group: unknown key \"group\"; did you mean \"groups\"? (keys here: groups, inhibit, tests)\n" +
				"DIR/bad.yaml:5: groups[0].rules[0].match: not an expression: missing closing ) in \"(\"; close it, or put a backslash before it where it stands for itself\n" +
				"DIR/b.yaml:5: groups[0].rules[0].name: there is a rule \"Same\" already, at DIR/a.yaml:4; give one of them another name",
		},
	} {
		s, err := Load(tt.config, dir)
		if err == nil || s != nil {
			t.Errorf("%v: no error", tt.config)
			continue
		}
		if got := strings.ReplaceAll(err.Error(), dir, "DIR"); got != tt.want {
			t.Errorf("%v:\ngot  %s\nwant %s", tt.config, got, tt.want)
		}
		var list conf.Errors
		if !errors.As(err, &list) {
			t.Errorf("%v: the error is a %T", tt.config, err)
		}
	}
}

func TestFullPass(t *testing.T) {
	s := parse(t, `
groups:
  - name: g
    rules:
      - {name: word, match: 'DEADLOCK'}
      - {name: digits, match: ['DEADLOCK', '\d{3}']}
      - {name: frequent, match: '[0-9]\.'}
      - {name: folded, match: '(?i)kiss'}
      - {name: alternative, match: 'DEADLOCK|\S\s'}
`)
	var names []string
	for _, r := range s.FullPass() {
		names = append(names, r.Name)
	}
	if want := []string{"digits", "frequent", "alternative"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if list := operations(t).FullPass(); len(list) != 0 {
		t.Errorf("of the pack: %v", list[0].Name)
	}
}

// TestPackExpressions wants the expressions of the operations page as they are.
func TestPackExpressions(t *testing.T) {
	var got []string
	for _, e := range operations(t).exprs {
		got = append(got, strings.TrimPrefix(e.Regexp().String(), "(?m)"))
	}
	want := []string{
		`(ERROR|CRITICAL|FATAL)`, `(slow|timeout|memory)`, `(unauthorized|authentication|failed login)`,
		`(connection.*failed|database.*error)`, `(?i)authentication failed`, `(injection|xss|csrf)`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
