package ruletest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/rules"
)

// FuzzTests runs whatever tests a file has: they pass, or say why not on lines of
// the file.
func FuzzTests(f *testing.F) {
	f.Add("\n  - {rule: Slow, finds: took 3s, ignores: [a, \"\\e[2J\"]}\n")
	f.Add("\n  - input: [a, {at: 1s, line: took 9s, repeat: 3, every: 1m}, {sample: redis_up, value: 0, labels: {a: b}}]\n    expect: {findings: {Slow: 2}, alerts: [{rule: Down, at: 3s, ends: 1h, key: {a: c}}]}\n")
	f.Add("\n  - {input: [payment declined], source: {service: shop, log: x, source: y}, expect: {alerts: []}}\n")
	f.Add("\n  - {input: [{sample: redis_up, value: none, repeat: 4, every: 9s}, {sample: redis_up, value: 0}], expect: {alerts: []}}\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, tests string) {
		if strings.Contains(tests, "00") {
			return // so many take too long
		}
		path := filepath.Join(dir, "r.yaml")
		if err := os.WriteFile(path, []byte(shop+tests), 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := rules.Load(rules.Config{Files: []string{path}}, "", rules.WithTests())
		if err != nil {
			return
		}
		results, err := Run(set)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			for _, f := range r.Failures {
				if r.Test.Line(f.Field) == 0 || f.Want == "" || f.Got == "" {
					t.Errorf("%+v", f)
				}
			}
		}
	})
}
