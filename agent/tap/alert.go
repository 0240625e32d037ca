package tap

import (
	"encoding/json"
	"unicode"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// appendAlert writes the alert as a Message.
func appendAlert(b []byte, a *agent.Alert) []byte {
	state := "firing"
	if !a.Firing() {
		state = "resolved"
	}
	return appendMessage(b, struct { // a Message has a line
		Alert *Alert `json:"alert"`
	}{&Alert{
		Rule: a.Rule.Name, Class: a.Rule.Class, Severity: a.Rule.Severity, State: state, Handle: a.Handle(), Source: a.Source, Summary: a.Rule.Summary,
		Key: mapOf(a.Key), Labels: mapOf(a.Labels), Starts: a.Starts, Ended: a.Ended, Count: a.Count,
		Condition: a.Condition, Value: finite(a.Value), Measured: a.Measured(), Inhibited: a.Inhibited,
	}})
}

func mapOf(labels []agent.Label) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	m := map[string]string{}
	for _, l := range labels {
		m[l.Name] = l.Value
	}
	return m
}

// finite is v, or 0 where JSON has no number for it.
func finite(v float64) float64 {
	if v-v != 0 {
		return 0
	}
	return v
}

// appendMessage writes v and a line end; what a terminal would heed is written as
// \u202e, which is the same text.
func appendMessage(b []byte, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil { // there is nothing in it that cannot be written
		return b
	}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r < 0x7f || unicode.IsPrint(r) {
			b = append(b, data[:size]...)
		} else {
			quoted := appendString(nil, data[:size])
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		data = data[size:]
	}
	return append(b, '\n')
}
