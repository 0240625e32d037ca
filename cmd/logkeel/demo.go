package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/cmd/demo"
)

func demoCommand() *cobra.Command {
	duration, keep := 20*time.Second, false
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole pipeline at work, with stand-ins for your servers",
		Long: `Demo runs the real agent for 20 seconds on logs that it writes itself, in Docker's
format, and ships them to servers that it plays itself. It needs nothing, reads
none of your logs, listens on 127.0.0.1 only, and leaves nothing behind.

Exit code 1 says that a line was lost.`,
		Example: `  logkeel demo
  logkeel demo --duration 1m
  logkeel demo --keep                  # and go on, until Ctrl-C`,
		Annotations: map[string]string{patient: ""},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if duration < demo.MinDuration || duration > demo.MaxDuration {
				return usageError{fmt.Errorf("--duration %s is out of range; write %s to %s", duration, demo.MinDuration, demo.MaxDuration)}
			}
			// Where its reader goes away, as head does, there is still something to remove.
			signal.Ignore(syscall.SIGPIPE)
			out := cmd.OutOrStdout()
			_, err := demo.Run(cmd.Context(), demo.Options{
				Out: out, Color: styleOf(out).color, Width: widthOf(out), Duration: duration, Keep: keep, Agent: runAgent,
			})
			return err
		},
	}
	c.Flags().DurationVar(&duration, "duration", duration, "how long it takes")
	c.Flags().BoolVar(&keep, "keep", keep, "run on afterwards, until Ctrl-C")
	return c
}

// runAgent is the command run.
func runAgent(ctx context.Context, config string, log io.Writer) error {
	l, err := load(config)
	if err != nil {
		return err
	}
	return run(ctx, l, log)
}
