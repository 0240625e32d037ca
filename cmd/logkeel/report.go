package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/outputs/email"
)

func reportCommand(config *string) *cobra.Command {
	var last, send bool
	var output string
	c := &cobra.Command{
		Use:   "report",
		Short: "Show what the week comes to so far",
		Long: `Report shows the report that an email output with the section report mails each
week, day or month, as it stands now, compared with the period before. It reads
state_dir, and the agent may run beside it, which writes there once a minute.`,
		Example: `  logkeel report                   # the week so far
  logkeel report --last            # the one that is over, as it was mailed
  logkeel report --last --send     # mail it once more`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := load(*config)
			if err != nil {
				return err
			}
			o, err := l.reporting(output)
			if err != nil {
				return usageError{err}
			}
			doing, end := working(cmd, false)
			defer end()
			doing("reading %s", l.StateDir)
			now := time.Now()
			r, err := email.OpenReport(*o, l.StateDir, last)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(cmd.OutOrStdout(), r.Text(now)); err != nil || !send {
				return err
			}
			doing("mailing it by %s", o.Server)
			if err := r.Send(cmd.Context(), now); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "mailed to %s\n", strings.Join(o.To, ", "))
			return err
		},
	}
	c.Flags().BoolVar(&last, "last", false, "of the week that is over")
	c.Flags().BoolVar(&send, "send", false, "mail it as well; the one that is due comes all the same")
	c.Flags().StringVar(&output, "output", "", "name of the email output (default the first with a report)")
	return c
}

// reporting is the email output of that name; of none, the first with a report.
func (l *loaded) reporting(name string) (*email.Config, error) {
	for i := range l.Outputs.Email {
		o := &l.Outputs.Email[i]
		switch {
		case name == "" && o.Report != nil, name == o.Name && o.Report != nil:
			return o, nil
		case name == o.Name:
			return nil, fmt.Errorf("the email output %s has no report; add report: {} to it", name)
		}
	}
	if name != "" {
		return nil, fmt.Errorf("there is no email output %s", name)
	}
	return nil, errors.New("no email output has a report; add report: {} to one")
}
