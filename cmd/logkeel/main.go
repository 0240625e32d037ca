// Command logkeel reads logs and samples servers, flags what its rules find in
// them, ships them to Fluentd and Prometheus, and mails alerts.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // mails have local times, also where the image has no zones

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

// The exit codes. They are promised in CHANGELOG.md.
const (
	exitFailed = 1 // something went wrong while it ran
	exitUsage  = 2 // the command line or the configuration is wrong
	exitFound  = 3 // scan found something, with --fail-on-match
)

// A usageError is the user's to mend: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // what there is are buffers, in which nothing is looked for: it may be done twice as often
	}
	os.Exit(execute(ctx, os.Args[1:]))
}

func execute(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(os.Stderr, text)
	}
	if errors.Is(err, errFound) {
		return exitFound
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "logkeel",
		Short: "Reads container logs, flags what rules find in them, ships them to Fluentd and Prometheus",
		Long: `logkeel runs beside an application. It reads container logs and log files, takes
what Docker's fluentd driver and other Forward clients send, and samples
databases, Redis, pages and containers. It flags what its rules find, ships logs
to Fluentd, serves metrics to Prometheus, and tells alerts by mail, to
Alertmanager and to webhooks. Nothing is lost while any of these is away.

Exit codes: 0 all is well, 1 it failed while it ran, 2 the command line or the
configuration is wrong, 3 scan --fail-on-match found something, or doctor and
status have warnings; job has those of its command.`,
		Example: `  logkeel init                         # write a configuration for what runs here
  logkeel check                        # is agent.yaml right?
  logkeel test                         # do the rules find what they have to?
  logkeel explain 'a line of a log'    # which rules hold for it, and why not the others
  logkeel run                          # run with ./agent.yaml
  logkeel tap --findings               # watch what a running agent finds
  logkeel doctor                       # what works, what does not, why, and what to do
  logkeel status                       # how the agent that runs does
  logkeel scan --since 24h             # what would have been found and mailed
  logkeel probe http://localhost:8080/ # where the time goes, as curl -w says it
  logkeel silence 1f0c9a3e 4h          # no mail about this for four hours
  logkeel job backup -- ./backup.sh    # run it for cron, and tell the agent how it went
  logkeel report                       # what the week comes to so far
  logkeel run --config /etc/logkeel/agent.yaml`,
		Version:       buildVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("logkeel {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	config := root.PersistentFlags().StringP("config", "c", "", "configuration file (default $LOGKEEL_CONFIG, ./agent.yaml, /etc/logkeel/agent.yaml)")
	root.AddCommand(runCommand(config), checkCommand(config), testCommand(config), explainCommand(config), healthCommand(config), reportCommand(config), demoCommand(), versionCommand())
	for _, c := range root.Commands() {
		if c.Args == nil {
			c.Args = noArgs
		}
	}
	root.AddCommand(scanCommand(config), silenceCommand(config), probeCommand(config), jobCommand(config))
	root.AddCommand(doctorCommand(config), statusCommand(config), tapCommand(config), initCommand())
	root.AddCommand(schemaCommand())
	root.Args = noArgs
	return root
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command or argument %q; see %s --help", args[0], c.CommandPath())}
	}
	return nil
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "logkeel", buildVersion())
			return err
		},
	}
}

func buildVersion() string {
	v := version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && version == "dev" {
			v += "+" + s.Value[:min(12, len(s.Value))]
		}
	}
	return v + " " + info.GoVersion
}
