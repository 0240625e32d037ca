// Command logkeel reads logs and samples servers, flags what its rules find in
// them, ships them to Fluentd and Prometheus, and mails alerts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	_ "time/tzdata" // mails have local times, also where the image has no zones

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent/printable"
)

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
	ctx, stop := interruptible()
	defer stop()
	runtime.MemProfileRate = 0 // nobody asks for the profile, which is up to 1.4 MiB
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // what there is are buffers, in which nothing is looked for: it may be done twice as often
	}
	os.Exit(execute(ctx, os.Args[1:]))
}

func execute(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if out, ok := root.OutOrStdout().(*console); ok && err == nil {
		err = out.failure() // of commands that do not look
	}
	_, ends := cmd.Annotations[patient]
	return ending(ctx, err, ends, root.ErrOrStderr())
}

// ending says what is wrong, and returns the exit code. patient says that the command
// comes to an end of its own when it is interrupted: what was wrong with that counts.
func ending(ctx context.Context, err error, patient bool, errs io.Writer) int {
	var (
		code        exitCode
		interrupted interruption
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	cancelled := errors.Is(err, context.Canceled)
	ended := errors.As(context.Cause(ctx), &interrupted) && (!patient || cancelled)
	if text := err.Error(); text != "" && (!ended || !cancelled) {
		fmt.Fprintln(errs, printable.Text(text)) // there may be a stranger's text in it
	}
	switch {
	case ended:
		return interrupted.code()
	case errors.Is(err, errFound):
		return exitFound
	case errors.As(err, new(usageError)):
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
status have warnings, 130 Ctrl-C; job has those of its command. docs/commands.md
has them command by command.`,
		Example: `  logkeel demo                         # see it at work, without any set-up
  logkeel init                         # write a configuration for what runs here
  logkeel doctor                       # what works, what does not, why, and what to do
  logkeel run                          # run with ./agent.yaml
  logkeel run --config /etc/logkeel/agent.yaml
  logkeel tap --findings               # watch what a running agent finds
  logkeel scan --since 24h             # what would have been found and mailed`,
		Version:       thisBuild().short(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("logkeel {{.Version}}\n")
	config := root.PersistentFlags().StringP("config", "c", "", "configuration file (default $LOGKEEL_CONFIG, ./agent.yaml, /etc/logkeel/agent.yaml, ./logkeel/agent.yaml)")
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
	manners(root, config)
	return root
}
