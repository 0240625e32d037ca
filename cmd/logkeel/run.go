package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
	"github.com/webgrip/logkeel/agent/silence"
	"github.com/webgrip/logkeel/agent/tap"
	"github.com/webgrip/logkeel/outputs/statuspage"
)

func runCommand(config *string) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the agent until it is told to stop",
		Long: `Run reads, flags and ships until it gets SIGINT or SIGTERM. It then stops
reading, waits until what it has read is acknowledged or on the disk
(shutdown_timeout), and goes on there at the next start.

SIGHUP makes it read agent.yaml and the rule files again, as does a change of
one of them (reload_on_change). Only what has changed is restarted; where the new
configuration is wrong, that is said and the old one stays.

Its own log goes to standard error, as section log says. Exit codes: 0 it was told
to stop, 1 it failed, 2 the configuration is wrong, or another agent runs with it.`,
		Example: `  logkeel run
  logkeel run --config /etc/logkeel/agent.yaml
  docker compose up --detach logkeel      # as a service; see logkeel init`,
		Annotations: map[string]string{patient: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := load(*config)
			if err != nil {
				return err
			}
			return run(cmd.Context(), l, cmd.ErrOrStderr())
		},
	}
}

func run(ctx context.Context, l *loaded, logTo io.Writer) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP) // before and after it is heeded it must not end the process
	defer signal.Stop(hup)
	level := new(slog.LevelVar)
	level.Set(l.level)
	log := l.logger(logTo, level)
	dir, err := agent.OpenStateDir(l.StateDir)
	if err != nil {
		return usageError{err}
	}
	defer dir.Close()
	ledger, err := agent.OpenLedger(dir.Path, log)
	if err != nil {
		return usageError{fmt.Errorf("state_dir %s: %w; make it writable, or name another folder", dir.Path, err)}
	}
	r := &runner{
		loaded: l, tried: l, log: log, level: level, ledger: ledger, dir: dir.Path, began: time.Now(),
		quiet: silence.NewWatch(dir.Path, agent.NewTrouble(log)), history: history.New(statuspage.Tracks()...),
		manager: newServiceManager(os.Getenv, os.Getpid(), log),
	}
	r.tap = tap.NewHub(tap.Options{
		Dir: dir.Path, Version: thisBuild().short(), Log: log,
		Rules: func() []*agent.Rule { return r.rules.Load().Rules() },
	})
	r.reloaded(nil)
	r.rules.Store(l.rules)
	parts := r.parts(l)
	if r.agent, err = agent.New(parts); err != nil {
		return err
	}
	log.Info("logkeel runs", "version", thisBuild().Version, "config", l.doc.File, "state_dir", dir.Path, "collectors", len(parts.Collectors), "rules", len(l.rules.Rules()), "outputs", len(parts.Outputs))
	r.sayLeftovers(l)
	if len(parts.Outputs) == 0 {
		log.Warn("no output is configured; findings are counted for nobody")
	}
	defer log.Info("logkeel has stopped")
	r.observeOnce()
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stop()
	watching.Go(func() { r.watch(ctx, hup) })
	looking, blind := context.WithCancel(context.WithoutCancel(ctx)) // until the last line
	defer blind()
	watching.Go(func() { r.tap.Run(looking, r.agent) })
	watching.Go(func() { r.observe(ctx) })
	if program, err := os.Executable(); err == nil {
		settle(program)
		watching.Go(func() { rest(ctx, program) })
	}
	watching.Go(func() { r.manager.watch(ctx, r.agent.MeterSelf) })
	r.manager.ready(r.status())
	watching.Go(func() {
		<-ctx.Done()
		r.manager.stopping()
	})
	return r.agent.Run(ctx)
}

func buildInfo() agent.Sample {
	return agent.Sample{
		Name: "logkeel_build_info", Help: "The agent's version; always 1.", Value: 1,
		Labels: []agent.Label{{Name: "version", Value: thisBuild().Version}, {Name: "goversion", Value: runtime.Version()}},
	}
}

func checkCommand(config *string) *cobra.Command {
	var (
		send   bool
		output string
	)
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and the rules",
		Long: `Check reads agent.yaml and the rule files and says all that is wrong, with file,
line and field. It connects to nothing, unless it is told to send a test. Exit
code 2 says that something is wrong.

It also names rules that are right and hardly meant so: that can never hold, hold
for nearly every line, find what another one finds, or are tried on each line for
they have no text to look for. Such a rule is no error.

With --send-test it then sends a mail that says that it is a test through each
output, with the configured server, login and recipients, and says of each
recipient what the server answered. An agent that runs is not disturbed. Exit
code 1 says that someone does not get it.`,
		Example: `  logkeel check
  logkeel check --send-test
  logkeel check --send-test --output ops`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && !send {
				return usageError{errors.New("--output is for --send-test")}
			}
			l, err := load(*config)
			if err != nil {
				return err
			}
			if !send {
				return l.summary(cmd.OutOrStdout())
			}
			all, err := testers(l.Outputs, output)
			if err != nil {
				return err
			}
			if err := l.summary(cmd.OutOrStdout()); err != nil {
				return err
			}
			now, end := working(cmd, false)
			defer end()
			return sendTests(cmd.Context(), cmd.OutOrStdout(), all, now)
		},
	}
	c.Flags().BoolVar(&send, "send-test", false, "send a test through each output that tells people of alerts")
	c.Flags().StringVar(&output, "output", "", "with --send-test: only through the output of that name")
	return c
}

const audible = "passwords go there as plain text; set tls_server_config in web_config_file"

// summary says in a few lines what the configuration comes to.
func (l *loaded) summary(w io.Writer) error {
	p := func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
	p("%s is right", l.doc.File)
	if d := l.Collectors.Docker; d != nil {
		switch d.Logs {
		case "file":
			p("  reads    container logs below %s", d.Root)
		case "api":
			p("  reads    container logs from the engine")
		default:
			p("  reads    container logs below %s, and the others from the engine", d.Root)
		}
	}
	for _, f := range l.Collectors.Files {
		p("  reads    %s: %v", f.Name, []string(f.Paths))
	}
	for i := range l.Collectors.Forward {
		f := &l.Collectors.Forward[i]
		p("  takes    %s: what clients send to %s", f.Name, f.Listen)
		if f.Open() {
			p("           anybody who reaches this address can send; set shared_key, or tls with ca_file, or listen on 127.0.0.1")
		}
	}
	if j := l.Collectors.Jobs; j != nil {
		p("  hears    %s: at %s, of %d jobs", j.Name, j.Listen, len(j.Jobs))
		if j.Open() {
			p("           anybody who reaches this address can tell that jobs have run; set token or web_config_file, or listen on 127.0.0.1")
		}
		if j.Web().Audible(j.Listen) {
			p("           %s", audible)
		}
		for i := range j.Jobs {
			if len(j.Jobs[i].Command) > 0 {
				p("  runs     %s: %s", j.Jobs[i].Name, j.Jobs[i].Schedule)
			}
		}
	}
	for _, m := range l.Collectors.Measured() {
		also := ""
		if m.Record {
			also = ", also as records"
		}
		p("  samples  %s %s: every %s%s", m.Kind, m.Name, m.Interval, also)
	}
	if cuts := l.rules.Cuts(); len(cuts) > 0 {
		p("  cuts     %s", strings.Join(cuts, ", "))
	}
	for _, name := range l.rules.CutsFullPass() {
		p("           redact.patterns: %s has no literal to look for; it is tried on every line", name)
	}
	own := l.ownRules()
	p("  matches  %d rules", len(l.rules.Rules())-own)
	if own > 0 {
		p("  watches  itself, by %d rules (rules.self)", own)
	}
	for _, d := range l.rules.Doubts() {
		p("           %s:%d: %s: %s; %s", d.Rule.File, d.Rule.Line, d.Rule.Name, d.Msg, d.Hint)
	}
	for _, f := range l.Outputs.Fluentd {
		p("  ships    %s: %s records to %s", f.Name, f.Records, f.Address)
	}
	for _, o := range l.Outputs.Email {
		p("  mails    %s: alerts of severity %s and above to %s by %s", o.Name, o.MinSeverity, strings.Join(o.To, ", "), o.Server)
		for _, r := range o.Routes {
			to, which := o.To, make([]string, len(r.Match.Matchers))
			if len(r.To) > 0 {
				to = r.To
			}
			for i := range which {
				which[i] = r.Match.Matchers[i].String()
			}
			p("           those with %s to %s", strings.Join(which, ", "), strings.Join(to, ", "))
		}
		if o.Report != nil {
			p("           %s: a report %s", o.Name, o.Report)
		}
	}
	for _, o := range l.Outputs.Heartbeat {
		p("  beats    %s: every %s to %s", o.Name, o.Every, o.Host())
	}
	for _, o := range l.Outputs.Alertmanager {
		p("  alerts   %s: alerts of severity %s and above to Alertmanager at %s", o.Name, o.MinSeverity, strings.Join(o.Hosts(), ", "))
	}
	for _, o := range l.Outputs.Webhook {
		p("  posts    %s: alerts of severity %s and above to %s", o.Name, o.MinSeverity, o.Where())
	}
	if o := l.Outputs.Prometheus; o != nil {
		p("  serves   %s://%s/metrics", o.Web().Scheme(), o.Listen)
		if o.Open() && !o.Reachable {
			p("           anybody who reaches this address can read the metrics; set web_config_file, or listen on 127.0.0.1; open: true says that it is meant, as in a container")
		}
		if o.Web().Audible(o.Listen) {
			p("           %s", audible)
		}
		if o.StatusPage {
			p("           and for people, at %s://%s/, how the agent does", o.Web().Scheme(), o.Listen)
		}
	}
	_, err := fmt.Fprintf(w, "  keeps    %s\n", l.StateDir)
	return err
}

// ownRules is how many rules are on the agent itself, and were not asked for.
func (l *loaded) ownRules() (n int) {
	if slices.Contains(l.Rules.Packs, agent.Self) {
		return 0
	}
	for _, r := range l.rules.Rules() {
		if r.File == "pack:"+agent.Self {
			n++
		}
	}
	return n
}
