package webhook

import (
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// The examples make JSON of every notice, also of one that is hostile.
func TestDocsExamples(t *testing.T) {
	doc, err := os.ReadFile("../../docs/alerting.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```gotemplate\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(found) != 6 {
		t.Fatalf("%d examples", len(found))
	}
	found = append(found, []string{"", ""})
	hostile := "\x1b[31m</td><script>\"\\\r\n\u202e\x00\xff 👍" + strings.Repeat("x", 1<<20)
	for _, f := range found {
		r, err := (&Config{Name: "x", ContentType: "application/json", Template: f[1]}).renderer("host")
		if err != nil {
			t.Fatal(err)
		}
		if kind, err := r.check(); err != nil {
			t.Errorf("%s\n%s: %s", f[1], kind, err)
		}
		n := samples()[0]
		a := &n.Alerts[0]
		a.Source, a.Rule.Name, a.Condition, a.Value = hostile, hostile, hostile, math.Inf(1)
		a.First = []agent.Line{{Text: hostile, Source: hostile}}
		body, err := r.render(&n)
		if err == nil {
			err = validJSON(body)
		}
		if err != nil || len(body) > maxBody {
			t.Errorf("%s\n%d bytes: %v", f[1], len(body), err)
		}
	}
}
