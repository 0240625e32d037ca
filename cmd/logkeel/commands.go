package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/webgrip/logkeel/agent/printable"
)

// groups are the commands as people look for them. What is in none is found under
// "Additional Commands".
var groups = []struct {
	id, title string
	commands  []string
}{
	{"setup", "Set up:", []string{"demo", "init", "check", "doctor", "schema"}},
	{"rules", "Try rules:", []string{"test", "explain", "scan"}},
	{"watch", "Watch:", []string{"status", "tap", "report", "probe"}},
	{"operate", "Operate:", []string{"run", "health", "job", "silence"}},
}

// otherNames are what people type who know other programs.
var otherNames = map[string][]string{
	"run":     {"start", "serve", "agent", "daemon"},
	"check":   {"validate", "lint", "verify", "configtest"},
	"status":  {"ps", "stat", "info", "top"},
	"tap":     {"tail", "logs", "follow", "watch", "live"},
	"scan":    {"grep", "search", "backtest", "replay"},
	"probe":   {"curl", "ping", "request"},
	"silence": {"mute", "snooze", "ack", "silences"},
	"init":    {"setup", "configure", "generate", "new"},
	"doctor":  {"diagnose", "debug", "troubleshoot"},
	"explain": {"why", "match"},
	"job":     {"cron", "wrap", "exec"},
	"report":  {"summary", "weekly", "digest"},
}

// manners gives all commands what they have in common: groups, suggestions, help,
// completion, and consoles to write to.
func manners(root *cobra.Command, config *string) {
	mode := auto
	root.PersistentFlags().Var(&mode, "color", "auto, always or never")
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range root.Commands() {
			for _, name := range g.commands {
				if c.Name() == name {
					c.GroupID = g.id
				}
			}
			c.SuggestFor = otherNames[c.Name()]
		}
	}
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	root.AddCommand(completionCommand())
	root.CompletionOptions.DisableDefaultCmd = true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	completions{config}.addTo(root)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		dress(root, mode)
		cutOff(cmd)
		return nil
	}
}

// noArgs is for commands that take no argument; of the root it is a command that is
// not there.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unknownCommand(c, args[0])
}

func unknownCommand(c *cobra.Command, name string) error {
	what := "unknown command"
	if !c.HasSubCommands() {
		what = "unknown argument"
	}
	return usageError{fmt.Errorf("%s %q%s", what, printable.Line(name), hint(c, similarCommands(c, name)))}
}

// hint says which of these may have been meant, and where help is.
func hint(c *cobra.Command, meant []string) string {
	if len(meant) == 0 {
		return "; see " + c.CommandPath() + " --help"
	}
	return "; did you mean " + strings.Join(meant, " or ") + "? See " + c.CommandPath() + " --help"
}

// similarCommands are those below c whose name, or that of what does the same in other
// programs, is nearly this.
func similarCommands(c *cobra.Command, name string) (near []string) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && (similar(name, sub.Name()) || slices.Contains(sub.SuggestFor, strings.ToLower(name))) {
			near = append(near, sub.Name())
		}
	}
	return near
}

// flagError says what is wrong with a flag, and what to do.
func flagError(c *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		value   *pflag.InvalidValueError
		missing *pflag.ValueRequiredError
		text    = err.Error()
		near    []string
	)
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		text, near = "unknown flag --"+unknown.GetSpecifiedName(), similarFlags(c, unknown.GetSpecifiedName())
	case errors.As(err, &value):
		f := value.GetFlag()
		why := map[string]string{
			"int": "write a whole number", "bool": "write true or false", "duration": "write a time, as 30s or 5m",
		}[f.Value.Type()]
		if why == "" {
			why = value.Unwrap().Error()
		}
		text = fmt.Sprintf("--%s: %q is not right; %s", f.Name, value.GetValue(), why)
	case errors.As(err, &missing):
		f := missing.GetFlag()
		text = fmt.Sprintf("--%s wants a value: %s", f.Name, f.Usage)
	}
	return usageError{errors.New(printable.Line(text) + hint(c, near))}
}

// similarFlags are flags of the command whose name is nearly this.
func similarFlags(c *cobra.Command, name string) (near []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) { // those that are inherited included
		if !f.Hidden && similar(name, f.Name) {
			near = append(near, "--"+f.Name)
		}
	})
	return near
}

// similar says whether who typed one name may have meant the other.
func similar(typed, name string) bool {
	typed = strings.ToLower(typed)
	most := 2 // slips of the finger
	if min(len(typed), len(name)) < 4 {
		most = 1
	}
	return len(typed) > 1 && strings.HasPrefix(name, typed) || distance(typed, name) <= most
}

// distance is how many letters are to be put in, left out, changed, or exchanged with
// their neighbour to make b of a.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	var before []int // two rows up
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(above[j]+same, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say how a command is used",
		Long:  `Help prints what COMMAND --help does.`,
		Example: `  logkeel help scan
  logkeel help silence list`,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if of, rest, err := c.Root().Find(args); err == nil && len(rest) == 0 {
				for _, sub := range of.Commands() {
					if sub.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(of, append(rest, args...)[0])
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}
