package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const coloured = "\x1b["

// One place decides about colour, for all commands that have some.
func TestColor(t *testing.T) {
	dir := writeFiles(t,
		"agent.yaml", "rules: {files: own.yaml}\n",
		"own.yaml", "groups: [{name: g, rules: [{name: Declined, class: error, match: declined}]}]\ntests: [{rule: Declined, finds: declined}]\n",
		"app.log", "2026-01-02 10:00:00 payment declined\n",
	)
	config, log := filepath.Join(dir, "agent.yaml"), filepath.Join(dir, "app.log")
	commands := map[string][]string{
		"test":    {"test", "-c", config},
		"explain": {"explain", "-c", config, "payment declined"},
		"scan":    {"scan", "-c", config, log},
		"doctor":  {"doctor", "-c", config, "rules"},
	}
	for _, c := range []struct {
		name     string
		flag     string
		env      []string
		piped    bool
		coloured bool
	}{
		{"on a terminal", "", nil, false, true},
		{"into a pipe", "", nil, true, false},
		{"NO_COLOR", "", []string{"NO_COLOR=1"}, false, false},
		{"NO_COLOR is empty", "", []string{"NO_COLOR="}, false, true},
		{"a terminal that cannot", "", []string{"TERM=dumb"}, false, false},
		{"never", "--color=never", nil, false, false},
		{"always, into a pipe", "--color=always", nil, true, true},
		{"always, with NO_COLOR", "--color=always", []string{"NO_COLOR=1"}, false, true},
		{"forced, into a pipe", "", []string{"CLICOLOR_FORCE=1"}, true, true},
		{"not forced, into a pipe", "", []string{"CLICOLOR_FORCE=0"}, true, false},
		{"forced, with NO_COLOR", "", []string{"CLICOLOR_FORCE=1", "NO_COLOR=1"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, args := range commands {
				if c.flag != "" {
					args = append(args, c.flag)
				}
				p := newTerminal(t)
				var pipe bytes.Buffer
				p.run(func(cmd *exec.Cmd) {
					cmd.Env = append(cmd.Env, c.env...)
					if c.piped {
						cmd.Stdout = &pipe
					}
				}, args...)
				got := p.close() + pipe.String()
				if strings.Contains(got, coloured) != c.coloured || got == "" {
					t.Errorf("%s: %q", name, got)
				}
			}
		})
	}
}
