package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/printable"
)

// betweenScrapes is the time that rates come of.
const betweenScrapes = time.Second

func statusCommand(config *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the agent that runs does: logs, findings, alerts, samplers, outputs",
		Long: `Status asks the agent that runs with the same configuration, at the address on which
it serves metrics (outputs.prometheus.listen), twice within a second, and looks who
uses state_dir. It prints for how long the agent runs, which logs are open and how far
behind, how the last hour went (where there is a status page), what was found since the
start, which alerts fire, what is measured, what each output has done and has to do and
when it was last acknowledged, and on top what has to be looked at. A sampler that fails
is asked once more, for its error. Where web_config_file asks for a password it is taken
from $LOGKEEL_WEB_USER, as user:password.

Exit codes: 0 it runs and all is well, 3 it runs and there is something to look at, an
alert that fires included, 1 no agent answers, 2 the configuration is wrong.`,
		Example: `  logkeel status
  logkeel status --json | jq .problems
  watch -n 5 logkeel status`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := read(*config)
			if l == nil || !l.parsed { // the agent may run with an older one
				return err
			}
			return showStatus(cmd, l, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}

func showStatus(cmd *cobra.Command, l *loaded, asJSON bool) error {
	ctx := cmd.Context()
	if l.Outputs.Prometheus == nil {
		return usageError{errors.New("there is no outputs.prometheus to ask; add it:\n\n  outputs:\n    prometheus: {}\n\n" + l.whoRuns())}
	}
	listen := l.Outputs.Prometheus.Listen
	doing, end := working(cmd, false)
	defer end()
	doing("asking the agent at %s", listen)
	before, err := scrape(ctx, l.Outputs.Prometheus)
	if err != nil {
		says := noAgent{Health: agent.Failed.String(), Problems: []problem{{
			What: "no agent answers at " + listen, Why: err.Error(), Do: l.whoRuns(),
		}}}
		return says.show(cmd, asJSON)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(betweenScrapes):
	}
	now, err := scrape(ctx, l.Outputs.Prometheus)
	if err != nil {
		return fmt.Errorf("the agent at %s does not answer any more: %w", listen, err)
	}
	s := statusOf(l, before, now)
	s.hour(ctx, l.Outputs.Prometheus)
	doing("asking samplers that fail")
	s.explain(ctx, l)
	end()
	s.judge(now)
	out := cmd.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(s)
	} else {
		err = s.print(out, now.at)
	}
	if err == nil && len(s.Problems) > 0 {
		return errWarned
	}
	return err
}

// whoRuns says what to do where no agent answers.
func (l *loaded) whoRuns() string {
	switch h := agent.Holder(l.StateDir); {
	case h.PID != 0:
		return fmt.Sprintf("an agent uses %s (process %d: %s): it has just started, or listens elsewhere; see its log, and logkeel doctor", l.StateDir, h.PID, h.Command)
	case h.Hidden:
		return fmt.Sprintf("this user may not look into %s: run this command as the agent's user, or as root", l.StateDir)
	case h.Locked:
		return fmt.Sprintf("an agent uses %s, in another container or as another user: run this command there, as in docker compose exec logkeel logkeel status", l.StateDir)
	}
	return fmt.Sprintf("no agent runs with %s: start it with logkeel run --config %s, or systemctl start logkeel, or docker compose up --detach logkeel; if it stops again its log says why, and logkeel doctor", l.StateDir, agent.ShellWord(l.doc.File))
}

// noAgent is the document where none answers.
type noAgent struct {
	Health   string    `json:"health"`
	Problems []problem `json:"problems"`
}

func (n noAgent) show(cmd *cobra.Command, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(n); err != nil {
			return err
		}
		return errSaid
	}
	for _, p := range n.Problems {
		fmt.Fprintf(out, "%s\n  why: %s\n  do:  %s\n", styleOf(out).bad(printable.Line(p.What)), printable.Line(p.Why), printable.Line(p.Do))
	}
	return errSaid
}
