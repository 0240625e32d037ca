package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/printable"
)

// A Painter puts a text into the colour of a health, or leaves it as it is.
type Painter func(h agent.Health, text string) string

// words are what people see before a line.
var words = map[agent.Health]string{agent.Well: "ok  ", agent.Known: "info", agent.Warned: "warn", agent.Failed: "FAIL"}

// Print writes the parts for people: the part, what was found, why, and what to do.
func Print(w io.Writer, parts []Part, paint Painter) error {
	width := 0
	for i := range parts {
		width = max(width, len(parts[i].Title()))
	}
	var b strings.Builder
	counts := map[agent.Health]int{}
	for i := range parts {
		p := &parts[i]
		counts[p.Health()]++
		title := p.Title()
		for _, d := range p.Diagnoses {
			fmt.Fprintf(&b, "%s  %-*s  %s\n", paint(d.Health, words[d.Health]), width, printable.Line(title), printable.Line(d.What))
			title = ""
			indent := strings.Repeat(" ", 6+width+2)
			if d.Why != "" {
				fmt.Fprintf(&b, "%swhy: %s\n", indent, printable.Line(d.Why))
			}
			if d.Do != "" {
				fmt.Fprintf(&b, "%sdo:  %s\n", indent, printable.Line(d.Do))
			}
		}
	}
	fmt.Fprintf(&b, "\n%d of %s well", counts[agent.Well]+counts[agent.Known], agent.Count(len(parts), "part"))
	if n := counts[agent.Warned]; n > 0 {
		fmt.Fprintf(&b, ", %d with warnings", n)
	}
	if n := counts[agent.Failed]; n > 0 {
		fmt.Fprintf(&b, ", %d failed", n)
	}
	_, err := io.WriteString(w, b.String()+"\n")
	return err
}

// The JSON document: its members are stable.
type document struct {
	Health string     `json:"health"` // ok, info, warning or failed: the worst
	Parts  []jsonPart `json:"parts"`
}

type jsonPart struct {
	Part     string        `json:"part"` // agent, collector or output
	Kind     string        `json:"kind"`
	Name     string        `json:"name"`
	Health   string        `json:"health"`
	Findings []jsonFinding `json:"findings"`
}

type jsonFinding struct {
	Health string `json:"health"`
	Cause  string `json:"cause,omitempty"`
	What   string `json:"what"`
	Why    string `json:"why,omitempty"`
	Do     string `json:"do,omitempty"`
}

// PrintJSON writes the parts for scripts.
func PrintJSON(w io.Writer, parts []Part) error {
	doc := document{Health: Worst(parts).String(), Parts: []jsonPart{}}
	for i := range parts {
		p := &parts[i]
		j := jsonPart{Part: p.Part, Kind: p.Kind, Name: p.Name, Health: p.Health().String()}
		for _, d := range p.Diagnoses {
			j.Findings = append(j.Findings, jsonFinding{d.Health.String(), d.Cause, d.What, d.Why, d.Do})
		}
		doc.Parts = append(doc.Parts, j)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}
