package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/rules"
	"github.com/webgrip/logkeel/rules/ruletest"
)

func testCommand(config *string) *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use:   "test [FILE...]",
		Short: "Run the tests that stand in rule files",
		Long: `Test runs what stands under tests: in rule files: lines that a rule has to find
and lines that it has to ignore, and what has to come of lines and samples
through time. Nothing is read or sent, and no time passes: a test of a day takes
no longer than one of a second.

Without arguments it takes the rule files and the packs of the configuration. A
FILE is a path, a pattern, or pack:NAME. A test knows the rules of its own file.

Exit codes: 0 all tests passed, 1 one failed, 2 a file is wrong.`,
		Example: `  logkeel test                         # all rules of agent.yaml
  logkeel test rules/*.yaml
  logkeel test pack:operations
  logkeel test --packs                 # all packs
  logkeel test --require-tests         # a rule without a test is a failure`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			subjects, redact, err := o.subjects(*config, args)
			if err != nil {
				return err
			}
			now, end := working(cmd, false)
			defer end()
			return o.run(cmd.OutOrStdout(), subjects, redact, now)
		},
	}
	c.Flags().BoolVar(&o.packs, "packs", false, "test all packs")
	c.Flags().BoolVar(&o.require, "require-tests", false, "a rule without a test is a failure")
	c.Flags().BoolVar(&o.json, "json", false, "write the results as JSON")
	return c
}

type testOptions struct{ packs, require, json bool }

const packPrefix = "pack:"

// subjects are the files and packs to test, each once.
func (o *testOptions) subjects(config string, args []string) (list []string, redact rules.Redact, err error) {
	redact = rules.Redact{Secrets: true}
	switch {
	case len(args) == 0 && !o.packs:
		l, err := load(config)
		if err != nil {
			return nil, redact, err
		}
		for _, name := range l.Rules.Packs {
			list = append(list, packPrefix+name)
		}
		list, redact = append(list, rules.Files(l.Rules, l.baseDir)...), l.Redact
	default:
		for _, arg := range args {
			if strings.HasPrefix(arg, packPrefix) {
				list = append(list, arg)
				continue
			}
			files := rules.Files(rules.Config{Files: []string{arg}}, "")
			if len(files) == 0 {
				return nil, redact, usageError{fmt.Errorf("%s: no file is called that; check the path", printable.Line(arg))}
			}
			list = append(list, files...)
		}
		if o.packs {
			for _, name := range rules.Packs() {
				list = append(list, packPrefix+name)
			}
		}
	}
	seen := map[string]bool{}
	kept := list[:0]
	for _, s := range list {
		if !seen[s] {
			kept = append(kept, s)
		}
		seen[s] = true
	}
	return kept, redact, nil
}

// loadOne loads one file, or one pack, with its tests.
func loadOne(subject string, redact rules.Redact) (*rules.Set, error) {
	c := rules.Config{Files: []string{subject}}
	name, isPack := strings.CutPrefix(subject, packPrefix)
	if isPack {
		c = rules.Config{Packs: []string{name}}
	}
	set, err := rules.Load(c, "", rules.Redacting(redact), rules.WithTests())
	if err != nil && isPack {
		return nil, usageError{unplaced(err)}
	}
	if err != nil {
		return nil, usageError{err}
	}
	return set, nil
}

// unplaced is the error of a pack that nobody has named in a configuration.
func unplaced(err error) error {
	for _, e := range conf.Join(err).(conf.Errors) {
		if e.File == "" {
			e.Field = ""
		}
	}
	return err
}

// A testedFile is what came of the tests of one file.
type testedFile struct {
	File     string       `json:"file"`
	Rules    int          `json:"rules"`
	Tests    int          `json:"tests"`
	Failed   []failedTest `json:"failed"`
	Untested []testedRule `json:"untested"`
}

type failedTest struct {
	Line     int           `json:"line"`
	Name     string        `json:"name"`
	Failures []testFailure `json:"failures"`
}

type testFailure struct {
	Line  int    `json:"line"`
	Field string `json:"field"`
	Want  string `json:"want"`
	Got   string `json:"got"`
}

type testedRule struct {
	Line int    `json:"line"`
	Rule string `json:"rule"`
}

// run tests them all, those as well that come after one that is wrong.
func (o *testOptions) run(w io.Writer, subjects []string, redact rules.Redact, now func(string, ...any)) error {
	var wrong []error
	all := []testedFile{}
	tests, failed, untested := 0, 0, 0
	for i, subject := range subjects {
		now("testing %s, %d of %d", subject, i+1, len(subjects))
		set, err := loadOne(subject, redact)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		f, err := testFile(subject, set)
		if err != nil {
			return err
		}
		tests, failed, untested = tests+f.Tests, failed+len(f.Failed), untested+len(f.Untested)
		all = append(all, f)
		if !o.json {
			f.print(w, styleOf(w), o.require)
		}
	}
	if o.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(map[string]any{"files": all}); err != nil {
			return err
		}
	}
	switch {
	case len(wrong) > 0:
		return usageError{conf.Join(wrong...)}
	case failed > 0:
		return fmt.Errorf("%d of %s failed", failed, plural(tests, "test"))
	case o.require && untested > 0:
		return fmt.Errorf("%s without a test", plural(untested, "rule"))
	case len(subjects) == 0:
		_, err := fmt.Fprintln(w, "the configuration has no rules")
		return err
	}
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func testFile(name string, set *rules.Set) (testedFile, error) {
	results, err := ruletest.Run(set)
	if err != nil {
		return testedFile{}, err
	}
	f := testedFile{File: name, Rules: len(set.Rules()), Tests: len(results), Failed: []failedTest{}, Untested: []testedRule{}}
	for _, r := range results {
		if len(r.Failures) == 0 {
			continue
		}
		t := failedTest{Line: r.Test.Line(""), Name: r.Test.Title()}
		for _, x := range r.Failures {
			t.Failures = append(t.Failures, testFailure{r.Test.Line(x.Field), x.Field, x.Want, x.Got})
		}
		f.Failed = append(f.Failed, t)
	}
	for _, r := range ruletest.Untested(set) {
		f.Untested = append(f.Untested, testedRule{r.Line, r.Name})
	}
	return f, nil
}

// print writes a line for the file, and what failed.
func (f *testedFile) print(w io.Writer, s style, require bool) {
	verdict, name := s.good("ok  "), printable.Line(f.File)
	if len(f.Failed) > 0 || require && len(f.Untested) > 0 {
		verdict = s.bad("FAIL")
	}
	fmt.Fprintf(w, "%s  %s  %s, %s", verdict, name, plural(f.Rules, "rule"), plural(f.Tests, "test"))
	if len(f.Failed) > 0 {
		fmt.Fprintf(w, ", %d failed", len(f.Failed))
	}
	fmt.Fprintln(w)
	for _, t := range f.Failed {
		fmt.Fprintf(w, "      %s %s:%d: %s\n", s.bad("FAIL"), name, t.Line, printable.Line(t.Name))
		for _, x := range t.Failures {
			fmt.Fprintf(w, "           %s:%d: %s\n", name, x.Line, x.Field)
			fmt.Fprintf(w, "             %s\n", s.good("- "+printable.Line(x.Want)))
			fmt.Fprintf(w, "             %s\n", s.bad("+ "+printable.Line(x.Got)))
		}
	}
	for _, r := range f.Untested {
		fmt.Fprintf(w, "      %s:%d: %s\n", name, r.Line, s.warn(r.Rule+" has no test"))
	}
}
