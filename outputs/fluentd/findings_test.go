package fluentd

import (
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

// TestFindingsNameWhatMatched, and where the rule stands; of a long text the
// beginning, never half a character.
func TestFindingsNameWhatMatched(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"declined", "declined"},
		{strings.Repeat("x", 200), strings.Repeat("x", 200)},
		{strings.Repeat("x", 201), strings.Repeat("x", 200)},
		{strings.Repeat("x", 199) + "é!", strings.Repeat("x", 199)},
		{strings.Repeat("x", 198) + "é!", strings.Repeat("x", 198) + "é"},
		{strings.Repeat("x", 197) + "\U0001f600!", strings.Repeat("x", 197)},
	} {
		batch := &agent.Batch{Buf: []byte("a " + c.text + " b")}
		f := []agent.Finding{{Rule: testRule, Match: agent.Span{Start: 2, End: int32(2 + len(c.text))}}}
		v, _, err := msgp.ReadMapStrIntfBytes(appendFindings(nil, batch, f, map[*agent.Rule][]byte{}), nil)
		if err != nil || v["match"] != c.want || v["file"] != "rules/boom.yaml:12" || v["rule"] != "Boom" {
			t.Errorf("%v, %v, want %q", v, err, c.want)
		}
	}
}
