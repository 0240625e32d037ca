package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent/printable"
)

func completionCommand() *cobra.Command {
	shells := map[string]func(root *cobra.Command, w io.Writer, descriptions bool) error{
		"bash": func(root *cobra.Command, w io.Writer, d bool) error { return root.GenBashCompletionV2(w, d) },
		"fish": func(root *cobra.Command, w io.Writer, d bool) error { return root.GenFishCompletion(w, d) },
		"zsh": func(root *cobra.Command, w io.Writer, d bool) error {
			if !d {
				return root.GenZshCompletionNoDesc(w)
			}
			return root.GenZshCompletion(w)
		},
		"powershell": func(root *cobra.Command, w io.Writer, d bool) error {
			if !d {
				return root.GenPowerShellCompletion(w)
			}
			return root.GenPowerShellCompletionWithDesc(w)
		},
	}
	names := []string{"bash", "zsh", "fish", "powershell"}
	plain := false
	c := &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print what lets a shell complete commands, flags and names",
		Long: `Completion prints a script for a shell, which then completes commands and flags, and
the names of rules, packs, logs, outputs and pages as the configuration has them.

To try it in this shell:

  bash        source <(logkeel completion bash)
  zsh         source <(logkeel completion zsh)
  fish        logkeel completion fish | source
  powershell  logkeel completion powershell | Out-String | Invoke-Expression

The examples install it for each shell that is started. bash needs the package
bash-completion; zsh needs autoload -U compinit; compinit in ~/.zshrc.`,
		Example: `  logkeel completion bash | sudo tee /etc/bash_completion.d/logkeel >/dev/null
  logkeel completion bash > ~/.local/share/bash-completion/completions/logkeel
  logkeel completion zsh > "${fpath[1]}/_logkeel"
  logkeel completion fish > ~/.config/fish/completions/logkeel.fish
  logkeel completion powershell >> $PROFILE`,
		ValidArgs: names,
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usageError{fmt.Errorf("it takes one shell, of %s; see %s --help", strings.Join(names, ", "), c.CommandPath())}
			case shells[args[0]] == nil:
				return usageError{fmt.Errorf("there is no completion for %q; there is for %s", printable.Line(args[0]), strings.Join(names, ", "))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return shells[args[0]](c.Root(), c.OutOrStdout(), !plain)
		},
	}
	c.Flags().BoolVar(&plain, "no-descriptions", false, "complete names without saying what they are")
	return c
}

// completes is how long a shell waits for names: somebody is typing.
const completes = time.Second

// completions complete arguments and flags from the configuration, as far as it is
// right. They read files, connect to nothing and say nothing.
type completions struct{ config *string }

// addTo registers them with root's commands.
func (c completions) addTo(root *cobra.Command) {
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	flag := func(command, name string, f cobra.CompletionFunc) {
		if cmd, _, err := root.Find([]string{command}); err == nil && cmd != root {
			_ = cmd.RegisterFlagCompletionFunc(name, f) // a test sees that all are there
		}
	}
	_ = root.RegisterFlagCompletionFunc("color", oneOf(string(auto), string(always), string(never)))
	for _, command := range []string{"scan", "tap"} {
		flag(command, "rule", c.list(lineRules))
		flag(command, "class", c.list(classes))
		flag(command, "severity", commas(fixed("critical", "warning", "info")))
		flag(command, "service", c.list(labelled("service")))
		flag(command, "container", c.list(labelled("container")))
	}
	flag("explain", "rule", c.one(lineRules))
	flag("scan", "rules", withPacks("yaml", "yml"))
	flag("scan", "multiline", oneOf(formatNames()...))
	flag("tap", "stream", commas(fixed("stdout", "stderr")))
	flag("tap", "alerts", oneOf("also", "only"))
	flag("check", "output", c.one(testerNames))
	flag("report", "output", c.one(reporterNames))
	flag("init", "compose", cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt))
	flag("init", "dir", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	for _, name := range []string{"cacert", "cert", "key", "unix-socket"} {
		flag("probe", name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault))
	}
	arguments := map[string]cobra.CompletionFunc{
		"doctor":      c.many(partNames),
		"probe":       c.first(pageNames),
		"test":        withPacks("yaml", "yml"),
		"scan":        cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		"silence":     c.silence,
		"silence end": c.first(silenceIDs),
		"job":         c.job,
	}
	for path, f := range arguments {
		if cmd, rest, err := root.Find(strings.Fields(path)); err == nil && len(rest) == 0 {
			cmd.ValidArgsFunction = f
		}
	}
}

// names are what a configuration has of something, each with what it is, after a tab.
type names func(*loaded) []cobra.Completion

func fixed(all ...string) names {
	return func(*loaded) []cobra.Completion { return all }
}

// of are the names in the configuration, none where that takes too long.
func (c completions) of(get names) []cobra.Completion {
	got := make(chan []cobra.Completion, 1)
	go func() {
		defer func() {
			if recover() != nil { // who types wants to hear nothing of it
				got <- nil
			}
		}()
		l, _ := read(*c.config)
		if l == nil || !l.parsed {
			got <- nil
			return
		}
		all := slices.DeleteFunc(get(l), func(name string) bool {
			return strings.TrimSpace(name) == "" || strings.Contains(name, "\n")
		})
		for i := range all {
			name, what, _ := strings.Cut(all[i], "\t")
			all[i] = cobra.CompletionWithDesc(printable.Line(name), printable.Line(what))
		}
		got <- all
	}()
	select {
	case all := <-got:
		return all
	case <-time.After(completes):
		return nil
	}
}

// one completes what is one of the names.
func (c completions) one(get names) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.of(get), cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes the first argument, and no others.
func (c completions) first(get names) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.of(get), cobra.ShellCompDirectiveNoFileComp
	}
}

// many completes arguments, each of which is given once.
func (c completions) many(get names) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return slices.DeleteFunc(c.of(get), func(one string) bool {
			name, _, _ := strings.Cut(one, "\t")
			return slices.Contains(args, name)
		}), cobra.ShellCompDirectiveNoFileComp
	}
}

// list completes the last of names with commas between.
func (c completions) list(get names) cobra.CompletionFunc {
	return commas(func(*loaded) []cobra.Completion { return c.of(get) })
}

func commas(get names) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (all []cobra.Completion, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		given := strings.Split(before, ",")
		for _, one := range get(nil) {
			if name, _, _ := strings.Cut(one, "\t"); !slices.Contains(given, name) {
				all = append(all, before+one)
			}
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

func oneOf(all ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)
}
