package rules

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// TestDocumentation loads the examples in docs/rules.md, with the configuration
// that is the first of them, and judges lines by them.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) != 15 {
		t.Fatalf("%d examples, want 15", len(blocks))
	}
	var main struct {
		Rules Config `yaml:"rules"`
	}
	if _, err := conf.Decode("agent.yaml", blocks[0][1], &main, conf.Options{}); err != nil {
		t.Fatal(err)
	}
	var files []string
	for i, b := range blocks[1:] {
		files = append(files, fmt.Sprintf("rules/%d.yaml", i), string(b[1]))
	}
	s, err := Load(main.Rules, folder(t, files...))
	if err != nil {
		t.Fatal(err)
	}
	b := batchOf(
		"payment declined by bank", "payment declined: test card", "checkout took 31 s",
		`"GET /cart HTTP/1.1" 200 512 "-" rt=1.502`, `"GET /cart HTTP/1.1" 200 512 "-" rt=1.498`, `"GET /export/all HTTP/1.1" 502 512 "-" rt=9.5`,
		"failed login for anna from 10.0.0.7",
		`10.0.0.7 - - [x] "GET /a%2fb HTTP/1.1" 502 5`, `10.0.0.7 - - [x] "GET /%68ealth HTTP/1.1" 502 5`, `10.0.0.7 - - [x] "POST /login?x HTTP/1.1" 401 5`,
	)
	b.Source.Labels = []agent.Label{{Name: "service", Value: "shop"}}
	s.Match(b)
	edge := batchOf(`10.0.0.7 - - [x] "GET /a%2fb HTTP/1.1" 502 5`, `10.0.0.7 - - [x] "GET /%68ealth HTTP/1.1" 502 5`)
	edge.Source.Labels = []agent.Label{{Name: "service", Value: "edge-1"}}
	s.Match(edge)
	if got := describe(edge); !slices.Contains(got, "0:GatewayErrors:502") || slices.Contains(got, "1:GatewayErrors:502") {
		t.Errorf("of edge-1: %q", got)
	}
	want := []string{
		"0:PaymentDeclined:payment declined", "2:SlowCheckout:checkout took 31 s",
		`3:SlowRequest:"GET /cart HTTP/1.1" 200 512 "-" rt=1.502`, `3:Requests:"GET /cart HTTP/1.1" 200 512 "-" rt=1.502`, `4:Requests:"GET /cart HTTP/1.1" 200 512 "-" rt=1.498`,
		`5:ServerErrors:"GET /export/all HTTP/1.1" 502 `, `5:Requests:"GET /export/all HTTP/1.1" 502 512 "-" rt=9.5`,
		"6:LoginsFailed:failed login for anna from 10.0.0.7",
		`7:ServerErrors:"GET /a%2fb HTTP/1.1" 502 `, `8:ServerErrors:"GET /%68ealth HTTP/1.1" 502 `, "9:LoginsRejected:POST",
	}
	got := slices.DeleteFunc(describe(b), func(f string) bool { return strings.Contains(f, ":SecurityEvent:") })
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestKeysAreDocumented wants each key of a rule, and each word that it may
// have, in docs/rules.md.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range append(classes(), severities()...) {
		if !strings.Contains(string(text), "`"+word+"`") {
			t.Errorf("%s is not documented", word)
		}
	}
	spec := reflect.TypeFor[ruleSpec]()
	for i := range spec.NumField() {
		key := spec.Field(i).Tag.Get("yaml")
		if !regexp.MustCompile("\n\\| (`\\w+`, )*`" + key + "`").Match(text) {
			t.Errorf("%s is in no table", key)
		}
	}
}

// TestEveryKeyIsDocumented wants each key of a rule file in the reference.
func TestEveryKeyIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []any{ruleSpec{}, metricSpec{}, inhibitSpec{}, Test{}, TestInput{}, TestExpect{}, TestAlert{}} {
		of := reflect.TypeOf(of)
		for i := range of.NumField() {
			key := of.Field(i).Tag.Get("yaml")
			if key != "" && !regexp.MustCompile("[`.]"+key+"[`.]").Match(text) {
				t.Errorf("the key %s of a %s is not in docs/rules.md", key, of.Name())
			}
		}
	}
}
