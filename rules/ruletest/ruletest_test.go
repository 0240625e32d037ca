package ruletest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/rules"
)

const shop = `
groups:
  - name: shop
    rules:
      - name: PaymentDeclined
        match: 'payment (declined|refused)'
        not: 'test card'
        source: {service: shop}
        threshold: 5
        window: 10m
      - {name: Slow, match: 'took (?P<time>\S+)', where: time > 2s}
      - {name: Down, sample: redis_up, equals: 0, for: 30s}
tests:
`

func run(t *testing.T, tests string) (*rules.Set, []Result) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(path, []byte(shop+tests), 0o600); err != nil {
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
	return set, results
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, tests string
		want        []string // line after tests: field: what is wanted, what came
	}{
		{"lines", `
  - rule: PaymentDeclined
    finds: ['payment declined for 17', "two lines\nand payment refused"]
    ignores:
      - 'test card: payment declined'
      - |
        payment
        declined
  - {rule: Slow, finds: took 3s, ignores: took 1s}
`, nil},
		{"lines that are otherwise", `
  - rule: PaymentDeclined
    finds:
      - 'payment declined'
      - 'payment was declined'
      - 'test card: payment declined'
    ignores:
      - 'payment refused'
  - rule: PaymentDeclined
    source: {service: web}
    finds: ['payment declined']
  - {rule: Slow, finds: [took 1.5s, took long]}
`, []string{
			`5: finds[1]: PaymentDeclined finds it: has none of "payment declined", "payment refused", in "payment was declined"`,
			`6: finds[2]: PaymentDeclined finds it: not "test card" holds: it matches "test card" at byte 0, in "test card: payment declined"`,
			`8: ignores[0]: PaymentDeclined ignores it: finds "payment refused", in "payment refused"`,
			`11: finds[0]: PaymentDeclined finds it: the log's service is "web", and source asks for "shop", in "payment declined"`,
			`12: finds[0]: Slow finds it: where does not hold: time > 2s, and time is "1.5s", in "took 1.5s"`,
			`12: finds[1]: Slow finds it: where does not hold: time > 2s, and time is "long", in "took long"`,
		}},
		{"through time", `
  - name: a burst alerts once
    source: {service: shop, container: shop-1}
    input:
      - 'payment declined'
      - {at: 30s, line: 'payment refused', repeat: 5, every: 10s, stream: stderr}
      - {line: 'payment declined', source: {service: other}}
      - {at: 1m, sample: redis_up, labels: {target: cache}, value: 0, repeat: 4, every: 15s}
      - {sample: redis_up, labels: {target: other}, value: 1}
      - {at: 2m, sample: redis_up, labels: {target: cache}, value: 1}
    expect:
      findings: {PaymentDeclined: 6}
      alerts:
        - {rule: PaymentDeclined, at: 1m, ends: 11m10s, count: 6, key: {log: shop-1}}
        - {rule: Down, at: 90s, ends: 2m, key: {target: cache}}
  - name: four are not enough
    source: {service: shop}
    input:
      - {line: 'payment declined', repeat: 4}
      - {at: 11m, line: 'payment declined'}
    expect: {alerts: []}
`, nil},
		{"otherwise through time", `
  - name: a burst
    source: {service: shop}
    input:
      - {line: 'payment declined', repeat: 5, every: 10s}
      - took 3s
    expect:
      findings: {PaymentDeclined: 4, Down: 0}
      alerts:
        - {rule: PaymentDeclined, at: 30s, ends: 5m, key: {log: web}}
        - {rule: Down}
`, []string{
			`8: expect.findings.PaymentDeclined: PaymentDeclined: 4 findings: PaymentDeclined: 5 findings`,
			`8: expect.findings: Slow: 0 findings: Slow: 1 finding`,
			`10: expect.alerts[0]: PaymentDeclined, at 30s, ends 5m, log "web": PaymentDeclined, at 40s, ends 10m40s, log "shop"`,
			`11: expect.alerts[1]: Down: no such alert`,
			`9: expect.alerts: no other alert: Slow, at 40s, ends 5m40s, count 1, log "shop"`,
		}},
		{"a log that the rule is not for", `
  - input: [fine, payment declined]
    expect: {findings: {PaymentDeclined: 1, Slow: 1}, alerts: [{rule: PaymentDeclined}]}
`, []string{
			`3: expect.findings.PaymentDeclined: PaymentDeclined: 1 finding: PaymentDeclined: 0 findings; the log has no label service, and source asks for "shop", in "payment declined"`,
			`3: expect.findings.Slow: Slow: 1 finding: Slow: 0 findings; does not have "took ", in "fine"`,
			`3: expect.alerts[0]: PaymentDeclined: no such alert; the log has no label service, and source asks for "shop", in "payment declined"`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, results := run(t, c.tests)
			var got []string
			for _, r := range results {
				for _, f := range r.Failures {
					got = append(got, fmt.Sprintf("%d: %s: %s: %s", r.Test.Line(f.Field)-strings.Count(shop, "\n"), f.Field, f.Want, f.Got))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestUntested(t *testing.T) {
	set, _ := run(t, "\n  - {rule: Slow, finds: took 9s}\n  - {input: [x], expect: {alerts: [], findings: {Down: 0}}}\n")
	var names []string
	for _, r := range Untested(set) {
		names = append(names, r.Name)
	}
	if !slices.Equal(names, []string{"PaymentDeclined"}) {
		t.Errorf("%v", names)
	}
}
