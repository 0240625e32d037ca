package ruletest

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/rules"
)

// TestDocumentation runs the tests in the examples of docs/rules.md, and wants
// each key of a test there.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, b := range regexp.MustCompile("(?s)```yaml\n(groups:.*?)```").FindAllSubmatch(text, -1) {
		path := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(path, b[1], 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := rules.Load(rules.Config{Files: []string{path}}, "", rules.WithTests())
		if err != nil {
			t.Fatal(err)
		}
		results, err := Run(set)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			ran++
			for _, f := range r.Failures {
				t.Errorf("%s: %s: want %s, got %s", r.Test.Title(), f.Field, f.Want, f.Got)
			}
		}
	}
	if ran < 3 {
		t.Errorf("%d tests", ran)
	}
	section := string(text[strings.Index(string(text), "## Testing rules"):])
	for _, spec := range []reflect.Type{reflect.TypeFor[rules.Test](), reflect.TypeFor[rules.TestInput](), reflect.TypeFor[rules.TestExpect](), reflect.TypeFor[rules.TestAlert]()} {
		for i := range spec.NumField() {
			key := spec.Field(i).Tag.Get("yaml")
			if key != "" && key != "expect" && !regexp.MustCompile("`(expect\\.)?"+key+"`").MatchString(section) {
				t.Errorf("%s is not documented", key)
			}
		}
	}
}
