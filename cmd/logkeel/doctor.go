package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/cmd/doctor"
	"github.com/webgrip/logkeel/collectors"
	"github.com/webgrip/logkeel/outputs"
)

// errSaid and errWarned are the exit codes 1 and 3 for what was printed already.
var (
	errSaid   = errors.New("")
	errWarned = said{errFound}
)

// said is an error that need not be printed.
type said struct{ error }

func (said) Error() string   { return "" }
func (s said) Unwrap() error { return s.error }

// usualDoctor is how long one part may take.
const usualDoctor = 20 * time.Second

func doctorCommand(config *string) *cobra.Command {
	var (
		asJSON, send bool
		timeout      string
	)
	c := &cobra.Command{
		Use:   "doctor [part...]",
		Short: "Say of each collector and output whether it works, and if not why and what to do",
		Long: `Doctor reads the configuration, tries each collector and each output in the way
the agent would, and says of each whether it works, why not, and what to type. It
needs no agent that runs and disturbs none: it reads, connects and logs in, writes
nothing to state_dir or to a server, and sends nobody a mail.

Of a Fluentd it asks for the acknowledgement of a message without records; of a mail
server whether it takes the sender and the recipients; of a database or a page one
snapshot; of the engine which containers there are, and how their logs are kept.

A part is named as it is printed, mysql/db, or by its kind, mysql; without any, all
are looked at. With --send each output that tells people sends a test as well.

Exit codes: 0 all is well, 3 there are warnings, 1 something does not work, 2 the
configuration is wrong. docs/doctor.md lists the causes that --json names.`,
		Example: `  logkeel doctor
  logkeel doctor mysql email/ops       # only these
  logkeel doctor --send                # and send a test to everybody
  logkeel doctor --json | jq -r '.parts[].findings[] | select(.health == "failed") | .do'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			limit, err := conf.ParseDuration(timeout)
			if err != nil || limit < time.Second || limit > time.Hour {
				return usageError{fmt.Errorf("--timeout: write 1s to 1h, not %q", timeout)}
			}
			l, err := load(*config)
			if err != nil {
				return err
			}
			now, end := working(cmd, false)
			now("looking for an agent that runs")
			all, err := chosen(l.checkups(cmd.Context(), send), args)
			end()
			if err != nil {
				return err
			}
			return diagnose(cmd, all, limit, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	c.Flags().BoolVar(&send, "send", false, "also send a test through each output that tells people of alerts")
	c.Flags().StringVar(&timeout, "timeout", conf.Duration(usualDoctor).String(), "how long one part may take")
	return c
}

// diagnose looks at the parts and prints what comes of it.
func diagnose(cmd *cobra.Command, all []agent.Checkup, limit time.Duration, asJSON bool) error {
	now, end := working(cmd, false)
	defer end()
	parts := doctor.Run(cmd.Context(), all, limit, func(titles []string) { now("waiting for %s", agent.Some(titles)) })
	end()
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	var err error
	if asJSON {
		err = doctor.PrintJSON(out, parts)
	} else {
		err = doctor.Print(out, parts, painter(out))
	}
	switch h := doctor.Worst(parts); {
	case err != nil:
		return err
	case h == agent.Failed:
		return errSaid
	case h == agent.Warned:
		return errWarned
	}
	return nil
}

func painter(w io.Writer) doctor.Painter {
	s := styleOf(w)
	return func(h agent.Health, text string) string {
		switch h {
		case agent.Well:
			return s.good(text)
		case agent.Warned:
			return s.warn(text)
		case agent.Failed:
			return s.bad(text)
		}
		return text
	}
}

// checkups are all parts of the configuration, what belongs to no section first.
func (l *loaded) checkups(ctx context.Context, send bool) []agent.Checkup {
	holder := agent.Holder(l.StateDir)
	answers := holder.Locked
	if p := l.Outputs.Prometheus; p != nil {
		_, err := scrape(ctx, p)
		answers = err == nil || p.Web().Closed() && healthy(ctx, p) == nil
	}
	all := []agent.Checkup{{Part: "agent", Kind: "state_dir", Look: func(_ context.Context, report func(agent.Diagnosis)) {
		agent.DiagnoseStateDir(l.StateDir, holder, answers, report)
		for _, left := range l.leftovers(l.StateDir) {
			report(agent.Diagnosis{
				Health: agent.Warned, Cause: "leftover", What: fmt.Sprintf("%s still holds %s of %s, which is not configured any more", left.dir, conf.Size(left.bytes), left.owner),
				Why: "nobody empties it", Do: "configure it again under its name, or rm -r " + agent.ShellWord(left.dir),
			})
		}
	}}, {Part: "agent", Kind: "rules", Look: l.diagnoseRules}}
	all = append(all, collectors.Checkups(l.Collectors, l.baseDir, l.StateDir, answers)...)
	outs := outputs.Checkups(l.Outputs, answers)
	if send {
		sending(outs, outputs.Testers(l.Outputs))
	}
	return append(all, outs...)
}

// diagnoseRules says what the sections come to, taken together.
func (l *loaded) diagnoseRules(_ context.Context, report func(agent.Diagnosis)) {
	n := len(l.rules.Rules())
	report(agent.Diagnosis{What: fmt.Sprintf("%s is right; %s in force", filepath.Base(l.doc.File), agent.Count(n, "rule"))})
	if len(collectors.Checkups(l.Collectors, l.baseDir, l.StateDir, false)) == 0 {
		report(agent.Diagnosis{Health: agent.Warned, Cause: "no_collector", What: "nothing is read: there is no collector", Do: "write collectors: docker: {} in " + l.doc.File})
	}
	switch all := outputs.Checkups(l.Outputs, false); {
	case len(all) == 0:
		report(agent.Diagnosis{Health: agent.Warned, Cause: "no_output", What: "nobody is told anything: there is no output", Do: "write one under outputs in " + l.doc.File + ", as docs/configuration.md shows"})
	case n > 0 && len(outputs.Testers(l.Outputs)) == 0:
		report(agent.Diagnosis{Health: agent.Known, Cause: "no_notifier", What: "nobody is told of alerts by the agent itself", Why: "there is no outputs.email, webhook or alertmanager", Do: "add one, unless Prometheus or who reads the logs does that"})
	}
}

// sending lets the outputs that tell people send a test, after they were looked at.
func sending(all []agent.Checkup, testers []outputs.Tester) {
	for i := range all {
		for _, t := range testers {
			if all[i].Kind != t.Kind || all[i].Name != t.Name {
				continue
			}
			before := all[i].Look
			all[i].Look = func(ctx context.Context, report func(agent.Diagnosis)) {
				before(ctx, report)
				err := t.Send(ctx, func(receiver string, err error) {
					if err != nil {
						report(agent.Explained(agent.Failed, "test_refused", "the test to "+receiver+" failed", err))
						return
					}
					report(agent.Diagnosis{What: "a test to " + receiver + " was taken; see whether it is there, and not among spam"})
				})
				if err != nil {
					report(agent.Explained(agent.Failed, "test_failed", "the test failed", err))
				}
			}
		}
	}
}

// chosen are the parts that were named, all where none was.
func chosen(all []agent.Checkup, names []string) (some []agent.Checkup, err error) {
	if len(names) == 0 {
		return all, nil
	}
	used := map[string]bool{}
	var titles []string
	for i := range all {
		c := &all[i]
		titles = append(titles, c.Title())
		for _, n := range names {
			if n == c.Title() || n == c.Kind {
				some, used[n] = append(some, *c), true
				break
			}
		}
	}
	for _, n := range names {
		if !used[n] {
			return nil, usageError{fmt.Errorf("there is no part %q; there is %s", n, printable.Line(strings.Join(titles, ", ")))}
		}
	}
	return some, nil
}
