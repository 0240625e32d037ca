package email

import (
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// A command is one to paste into a shell, and what it is for. Unlike other text
// of a view it must not be cut.
type command struct{ Say, Run string }

const maxCommandLine = 200 // runes of a log's line in a command

// commands are what can be done about the notice from a shell.
func (r *renderer) commands(n *notify.Notice, l limits) []command {
	var all []command
	if n.Kind == notify.HeldBack {
		all = append(all, command{"What is silenced, and until when:", "logkeel silence list"})
	}
	had := map[string]bool{}
	for i := range n.Alerts {
		a := &n.Alerts[i]
		handle := a.Handle()
		if had[handle] || len(had) == l.commands {
			continue
		}
		had[handle] = true
		say := "Silence it for 4 hours:"
		if len(n.Alerts) > 1 || n.More > 0 {
			say = "Silence " + title(a, l.field) + " for 4 hours:"
		}
		all = append(all, command{say, "logkeel silence " + handle + " 4h"})
	}
	for i := range n.Alerts {
		if run, cut := explainCommand(&n.Alerts[i]); run != "" {
			say := "Which rules hold for this line, and why:"
			if cut {
				say = "Which rules hold for this line, which was cut, and why:"
			}
			all = append(all, command{say, run})
			break
		}
	}
	return all
}

// underCompose is how the first of them is run where the agent is a service.
func underCompose(all []command) string {
	if len(all) == 0 {
		return ""
	}
	return "Where logkeel is a service of Compose: docker compose exec logkeel " + all[0].Run
}

// explainCommand asks why the alert's rule holds for its first line; "" where
// there is none to ask about.
func explainCommand(a *agent.Alert) (run string, cut bool) {
	line := foundLine(a)
	if line == nil || line.Text == "" || line.Text == "-" { // which is standard input
		return "", false
	}
	word, cut := shellWord(line.Text, maxCommandLine)
	run = "logkeel explain"
	if line.Source == a.Source {
		if s := sourceFlag(a.Labels); s != "" {
			run += " --source " + s
		}
	}
	if line.Text[0] == '-' {
		run += " --"
	}
	return run + " " + word, cut
}

// foundLine is the first that was found, of the log that the labels are of where
// there is one.
func foundLine(a *agent.Alert) (found *agent.Line) {
	for _, lines := range [...][]agent.Line{a.First, a.Latest} {
		for i := range lines {
			switch {
			case lines[i].Context:
			case lines[i].Source == a.Source:
				return &lines[i]
			case found == nil:
				found = &lines[i]
			}
		}
	}
	return found
}

// sourceFlag is the labels as --source takes them. Others than plain ones are
// left out: few rules ask for those.
func sourceFlag(labels []agent.Label) string {
	var all []string
	size := 0
	for _, l := range labels {
		if !plainWord(l.Name) || !plainWord(l.Value) || size+len(l.Name)+len(l.Value) > 200 {
			continue
		}
		size += len(l.Name) + len(l.Value)
		all = append(all, l.Name+"="+l.Value)
	}
	return strings.Join(all, ",")
}

// plainWord reports whether s means itself in any shell and between commas.
func plainWord(s string) bool {
	if s == "" || s[0] == '-' || s[0] == '~' {
		return false
	}
	return strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@-") == ""
}
