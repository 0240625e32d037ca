package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
	"github.com/webgrip/logkeel/agent/printable"
	"github.com/webgrip/logkeel/agent/silence"
	"github.com/webgrip/logkeel/rules"
)

const silenceTime = "Mon 2 Jan 2006 15:04 MST"

var handleForm = regexp.MustCompile(`^[0-9a-f]{8}$`)

func silenceCommand(config *string) *cobra.Command {
	var comment string
	c := &cobra.Command{
		Use:   "silence HANDLE|MATCHERS DURATION",
		Short: "Tell nobody of some alerts for a while",
		Long: `Silence keeps alerts from being told, by any output, for 30m, 4h, 2d or up to
90d. HANDLE is what a mail ends with: it names a rule and what that counts by, and
stays the same when the alert comes again. MATCHERS select by rule, class,
severity, source, handle, what the rule counts by, and labels, with =, !=, =~
and !~ as in Prometheus.

Of what is silenced there is neither a first mail nor a reminder. What still fires
when the silence ends is told then; what began and ended meanwhile is not told.
The end of what was told before is told all the same.

The command writes to state_dir, whether an agent runs or not; one that runs heeds
it within two seconds.`,
		Example: `  logkeel silence 1f0c9a3e 4h --comment 'disk is being replaced'
  logkeel silence 'rule="SlowStatements", service="db"' 2d
  logkeel silence list
  logkeel silence end 1f0c9a3e
  docker compose exec logkeel logkeel silence 1f0c9a3e 4h`,
		Args: silenceArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			book, dir, err := silences(*config)
			if err != nil {
				return err
			}
			return addSilence(cmd.OutOrStdout(), book, dir, args[0], args[1], comment)
		},
	}
	c.Flags().StringVar(&comment, "comment", "", "why, for those who read the list")
	c.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the silences, and those that ended within a day",
		Long: `List prints each silence: its ID, until when it holds, what it is about, who made
it and when, and the comment.`,
		Example: "  logkeel silence list",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			book, dir, err := silences(*config)
			if err != nil {
				return err
			}
			return listSilences(cmd.OutOrStdout(), book, dir)
		},
	}, &cobra.Command{
		Use:   "end ID|HANDLE",
		Short: "End a silence before its time",
		Long: `End ends the silence with that ID, as silence list prints it, or those of that
handle. What still fires then is told.`,
		Example: `  logkeel silence end 1f0c9a3e`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("name one silence, by its ID in %s list, or by the handle", c.Parent().CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			book, _, err := silences(*config)
			if err != nil {
				return err
			}
			return endSilence(cmd.OutOrStdout(), book, args[0])
		},
	})
	return c
}

func silenceArgs(c *cobra.Command, args []string) error {
	switch len(args) {
	case 0, 2:
		return nil
	case 1:
		if near := similarCommands(c, args[0]); len(near) > 0 {
			return unknownCommand(c, args[0])
		}
		return usageError{fmt.Errorf("for how long? Write %s %s 4h", c.CommandPath(), shellQuote(args[0]))}
	}
	return usageError{fmt.Errorf("it takes what to silence, in quotes, and for how long; see %s --help", c.CommandPath())}
}

func shellQuote(s string) string {
	if handleForm.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(printable.Line(s), "'", `'\''`) + "'"
}

// silences are those of the configuration's state_dir. The rest of the
// configuration may be wrong.
func silences(config string) (book *silence.Book, dir string, err error) {
	l, err := read(config)
	if l == nil || !l.parsed || l.StateDir == "" {
		return nil, "", err
	}
	if _, err := os.Stat(l.StateDir); err != nil {
		return nil, "", usageError{fmt.Errorf("state_dir: %w; the agent makes it when it first runs: start it, or name its configuration with --config", err)}
	}
	return silence.Open(l.StateDir), l.StateDir, nil
}

func addSilence(w io.Writer, book *silence.Book, dir, what, length, comment string) error {
	d, err := conf.ParseDuration(length)
	if err != nil {
		return usageError{err}
	}
	text := what
	if handleForm.MatchString(what) {
		text = silence.OfHandle(what)
	} else if _, fault := matchers.Parse(what); fault != nil && !strings.ContainsAny(what, `=!"`) {
		return usageError{fmt.Errorf("%q is neither a handle, eight digits and letters a to f as at the end of a mail, nor matchers; %s", what, matchers.Hint)}
	}
	s, err := book.Add(text, time.Now(), d, userName(), comment)
	if err != nil {
		return silenceError(err)
	}
	fmt.Fprintf(w, "silence %s until %s: %s\n", s.ID, s.Until.Local().Format(silenceTime), printable.Line(s.Matchers))
	known, err := rules.Known(dir)
	if err != nil {
		return nil // it is only that nothing is known
	}
	found := false
	for _, name := range about(&s, known) {
		found = true
		fmt.Fprintf(w, "  it is about %s\n", name)
	}
	if !found && handleForm.MatchString(what) {
		fmt.Fprintf(w, "  the agent knows of nothing with this handle now; it is silenced if it comes\n")
	} else if !found {
		fmt.Fprintf(w, "  it matches nothing that the agent knows of now; what comes is silenced\n")
	}
	return nil
}

// about names what the silence is about, of what is known.
func about(s *silence.Silence, known []agent.Alert) []string {
	const most = 10
	var names []string
	for i := range known {
		a := &known[i]
		if !s.Matches(a.Label) {
			continue
		}
		name := a.Rule.Name
		for _, l := range a.Key {
			name += " " + l.Name + "=" + l.Value
		}
		if a.ID != "" && a.Firing() {
			name += ", which fires"
		}
		if name = printable.Line(name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d others", len(names)-most))
	}
	return names
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// silenceError says what to do about what the disk or the book says.
func silenceError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return usageError{fmt.Errorf("%w; run it as the user that the agent runs as, or as root", err)}
	}
	return usageError{err}
}

func listSilences(w io.Writer, book *silence.Book, dir string) error {
	all, err := book.List()
	if err != nil {
		return silenceError(err)
	}
	now := time.Now()
	all = slices.DeleteFunc(all, func(s silence.Silence) bool { return now.Sub(s.Until) > silence.KeepEnded })
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "nothing is silenced")
		return err
	}
	slices.SortStableFunc(all, func(a, b silence.Silence) int { return b.Until.Compare(a.Until) })
	known, _ := rules.Known(dir) // without, there are no names
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tUNTIL\tWHAT\tMADE\tCOMMENT")
	for i := range all {
		s := &all[i]
		until := s.Until.Local().Format(silenceTime)
		if !s.Active(now) {
			until = "over since " + until
		}
		what := printable.Line(s.Matchers)
		if names := about(s, known); strings.HasPrefix(s.Matchers, "handle=") && len(names) > 0 {
			what += " (" + strings.TrimSuffix(names[0], ", which fires") + ")"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s by %s\t%s\n", printable.Line(s.ID), until, what, s.From.Local().Format(silenceTime), printable.Line(s.By), printable.Line(s.Comment))
	}
	return t.Flush()
}

func endSilence(w io.Writer, book *silence.Book, which string) error {
	ended, err := book.End(time.Now(), func(s *silence.Silence) bool {
		return s.ID == which || s.Matchers == silence.OfHandle(which)
	})
	if err != nil {
		return silenceError(err)
	}
	if len(ended) == 0 {
		return usageError{fmt.Errorf("no silence %q holds now; logkeel silence list says which there are", which)}
	}
	for _, s := range ended {
		fmt.Fprintf(w, "silence %s is over: %s\n", printable.Line(s.ID), printable.Line(s.Matchers))
	}
	return nil
}
