package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// An interruption is the signal that ended a command before it was through.
type interruption struct {
	signal syscall.Signal
	again  <-chan os.Signal // what follows it
}

func (i interruption) Error() string { return "interrupted" }
func (i interruption) code() int     { return exitSignal + int(i.signal) }

// interruptible is a context that ends with the first SIGINT or SIGTERM.
func interruptible() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			cancel(interruption{s.(syscall.Signal), signals})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// Commands that have something to bring to an end when they are interrupted; all
// others may be cut off.
const patient = "patient"

// cutOffAfter is how long an interrupted command may take to end by itself.
const cutOffAfter = 2 * time.Second

// cutOff ends the process soon after it was interrupted, and at once when it is again:
// what waits for a server or a disk may not hear of it.
func cutOff(cmd *cobra.Command) {
	if _, ok := cmd.Annotations[patient]; ok {
		return
	}
	ctx, errs := cmd.Context(), cmd.ErrOrStderr()
	context.AfterFunc(ctx, func() {
		i, ok := context.Cause(ctx).(interruption)
		if !ok {
			return
		}
		select {
		case <-time.After(cutOffAfter):
		case <-i.again:
		}
		if isTerminal(errs) {
			fmt.Fprintln(errs)
		}
		os.Exit(i.code())
	})
}
