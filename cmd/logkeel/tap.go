package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/agent/tap"
)

// tapAgain is how long --follow waits before it looks for the agent again.
const tapAgain = time.Second

type tapFlags struct {
	tap.Filter
	alerts       string
	json, follow bool
	limit        int
}

func tapCommand(config *string) *cobra.Command {
	f := tapFlags{}
	c := &cobra.Command{
		Use:   "tap [MATCHERS ...]",
		Short: "Watch what goes through a running agent",
		Long: `Tap shows the lines that the agent reads, while it reads them: after secrets were
cut, with what the rules find in them. It begins with what comes next, and ends
with Ctrl-C, or when the agent stops. To look back there is logkeel scan.

MATCHERS select by labels of the log, as under source of a rule, and by collector.
--service, --container, --stream, --class, --severity and --rule take lists, and *
in them. With --class, --severity or --rule only lines are shown in which such a
rule found something.

On a terminal it is text, in colour unless NO_COLOR is set; elsewhere it is a JSON
object a line, as scan --json prints them: line, time, source, labels, stream,
findings. {"dropped": 12} stands for lines that are not shown.

The agent never waits for who looks. What comes faster than it can be shown is left
out, and counted. Where nobody wants lines without findings (records: flagged), the
agent does not decode most of them; it does while somebody looks at them, so that
it takes more of the processor then: --findings needs nothing of the kind.

The agent is that of the same configuration: it listens at tap.sock in state_dir,
where only its own user and root can. Eight can look at a time.

Exit codes: 0 Ctrl-C, --limit is reached, or the agent has stopped; 1 no agent runs,
or it was killed; 2 the command line or the configuration is wrong.`,
		Example: `  logkeel tap                                          # all that comes
  logkeel tap --findings                               # only where a rule found something
  logkeel tap --service app,web --grep '(?i)timeout'
  logkeel tap 'project="shop", service=~"app|queue"' --stream stderr
  logkeel tap --severity critical --alerts --follow    # and look again when the agent restarts
  logkeel tap --alerts=only --json | jq .alert
  logkeel tap --rule 'Payment*' --limit 1              # wait until it is found once
  docker compose exec logkeel logkeel tap`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Match = args
			return runTap(cmd, *config, &f)
		},
	}
	l := c.Flags()
	l.StringSliceVar(&f.Services, "service", nil, "only logs of these Compose services")
	l.StringSliceVar(&f.Containers, "container", nil, "only logs of these containers")
	l.StringSliceVar(&f.Streams, "stream", nil, "only what was written to stdout, or to stderr")
	l.StringSliceVar(&f.Class, "class", nil, "only lines with findings of these classes")
	l.StringSliceVar(&f.Severity, "severity", nil, "only lines with findings of these severities: critical, warning, info")
	l.StringSliceVar(&f.Rules, "rule", nil, "only lines with findings of these rules")
	l.BoolVar(&f.Findings, "findings", false, "only lines in which a rule found something")
	l.StringVar(&f.Grep, "grep", "", "only lines that this expression matches, as RE2 has it")
	l.StringVar(&f.alerts, "alerts", "", "also show alerts as they are told; only: no lines")
	l.Lookup("alerts").NoOptDefVal = "also"
	l.BoolVar(&f.json, "json", false, "a JSON object a line (default where the output is no terminal)")
	l.BoolVarP(&f.follow, "follow", "f", false, "wait for the agent where none runs, and when it stops")
	l.IntVarP(&f.limit, "limit", "n", 0, "end after so many lines and alerts; 0: never")
	return c
}

func runTap(cmd *cobra.Command, config string, f *tapFlags) error {
	out := cmd.OutOrStdout()
	if !cmd.Flags().Changed("json") { // who wants colour wants text
		f.json = cmd.Flag("color").Value.String() != string(always) && !isTerminal(out)
	}
	switch f.alerts {
	case "", "also", "only":
		f.Alerts, f.NoLines = f.alerts != "", f.alerts == "only"
	default:
		return usageError{fmt.Errorf("--alerts: %q is neither also nor only; write --alerts=only", f.alerts)}
	}
	if f.limit < 0 {
		return usageError{fmt.Errorf("--limit %d is out of range; write 0 for all, or how many", f.limit)}
	}
	if err := f.Check(); err != nil {
		return usageError{err}
	}
	dir, err := stateDir(config)
	if err != nil {
		return err
	}
	v := &tapView{out: bufio.NewWriter(out), err: cmd.ErrOrStderr(), style: styleOf(out), json: f.json, left: f.limit, now: time.Now}
	return f.look(cmd.Context(), dir, v)
}

// stateDir is that of the configuration, of which the rest may be wrong.
func stateDir(config string) (string, error) {
	l, err := read(config)
	if l == nil || !l.parsed || l.StateDir == "" {
		return "", err
	}
	return l.StateDir, nil
}

// look shows what one agent sends, and with --follow the next one.
func (f *tapFlags) look(ctx context.Context, dir string, v *tapView) error {
	said := false
	for {
		err := tap.Look(ctx, dir, f.Filter, v.show)
		flushed := v.out.Flush()
		switch {
		case errors.Is(err, errEnough):
			return flushed
		case ctx.Err() != nil:
			return nil
		case err == nil && !f.follow:
			v.say("the agent has stopped")
			return flushed
		case !f.follow || !errors.Is(err, tap.ErrNobody) && !errors.Is(err, tap.ErrLost) && err != nil:
			return explainTap(err, dir)
		case err == nil:
			v.say("the agent has stopped; waiting for it to run again")
			said = true
		case !said || errors.Is(err, tap.ErrLost):
			v.say(printable.Line(err.Error()) + "; waiting for one")
			said = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tapAgain):
		}
	}
}

// explainTap says what to do about why nothing is shown.
func explainTap(err error, dir string) error {
	switch refused := (*tap.RefusedError)(nil); {
	case errors.As(err, &refused):
		return errors.New(printable.Line(err.Error()))
	case errors.Is(err, fs.ErrPermission):
		return usageError{fmt.Errorf("%w; run it as the user that the agent runs as, or as root", err)}
	case errors.Is(err, tap.ErrNobody):
		if _, stat := os.Stat(dir); stat != nil {
			return usageError{fmt.Errorf("state_dir: %w; the agent makes it when it first runs: start it, or name its configuration with --config", stat)}
		}
		return fmt.Errorf("%w; start it, or name its configuration with --config; --follow waits for it", err)
	}
	return err
}

// A tapView prints messages.
type tapView struct {
	out   *bufio.Writer
	err   io.Writer
	style style
	json  bool
	left  int // until the limit; 0: there is none
	now   func() time.Time
	heard bool // an agent has answered before
}

var errEnough = errors.New("the limit is reached")

func (v *tapView) say(text string) { fmt.Fprintln(v.err, "logkeel tap:", text) }

func (v *tapView) show(m *tap.Message, line []byte) error {
	if m.Hello != nil {
		if v.heard {
			v.say("an agent runs again")
		}
		v.heard = true
		for _, n := range m.Hello.Notes {
			v.say(printable.Line(n))
		}
		return nil
	}
	if v.json {
		v.out.Write(line)
		v.out.WriteByte('\n')
	} else {
		v.out.WriteString(v.text(m))
		v.out.WriteByte('\n')
	}
	if err := v.out.Flush(); err != nil {
		return err
	}
	if m.Dropped == 0 && v.left > 0 {
		if v.left--; v.left == 0 {
			return errEnough
		}
	}
	return nil
}
