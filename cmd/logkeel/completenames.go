package main

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent/multiline"
	"github.com/webgrip/logkeel/agent/silence"
	"github.com/webgrip/logkeel/collectors"
	"github.com/webgrip/logkeel/outputs"
	"github.com/webgrip/logkeel/rules"
)

func formatNames() []string { return multiline.Names() }

// lineRules are the rules on lines.
func lineRules(l *loaded) (all []cobra.Completion) {
	if l.rules == nil {
		return nil
	}
	for _, r := range l.rules.Rules() {
		if l.rules.OnLines(r) {
			all = append(all, cobra.CompletionWithDesc(r.Name, r.Class+", "+r.Severity))
		}
	}
	return all
}

// classes are those of rules on lines.
func classes(l *loaded) (all []cobra.Completion) {
	if l.rules == nil {
		return nil
	}
	for _, r := range l.rules.Rules() {
		if l.rules.OnLines(r) && !slices.Contains(all, r.Class) {
			all = append(all, r.Class)
		}
	}
	return all
}

// labelled are the values of a label of the logs that lie in files here.
func labelled(label string) names {
	return func(l *loaded) (all []cobra.Completion) {
		logs, _, _ := collectors.Pasts(l.Collectors, l.baseDir, slog.New(slog.DiscardHandler))
		for i := range logs {
			if v := logs[i].Source.Label(label); !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
		return all
	}
}

func testerNames(l *loaded) (all []cobra.Completion) {
	for _, t := range outputs.Testers(l.Outputs) {
		all = append(all, cobra.CompletionWithDesc(t.Name, t.Kind+" by "+t.To))
	}
	return all
}

func reporterNames(l *loaded) (all []cobra.Completion) {
	for i := range l.Outputs.Email {
		if o := &l.Outputs.Email[i]; o.Report != nil {
			all = append(all, cobra.CompletionWithDesc(o.Name, "to "+strings.Join(o.To, ", ")))
		}
	}
	return all
}

func pageNames(l *loaded) (all []cobra.Completion) {
	for i := range l.Collectors.HTTP {
		item := &l.Collectors.HTTP[i]
		all = append(all, cobra.CompletionWithDesc(item.Name, hidden(item.URL)))
	}
	return all
}

// partNames are the parts that doctor looks at, and their kinds.
func partNames(l *loaded) []cobra.Completion {
	all := []cobra.Completion{"state_dir", "rules"}
	parts := append(collectors.Checkups(l.Collectors, l.baseDir, l.StateDir, true), outputs.Checkups(l.Outputs, true)...)
	for i := range parts {
		all = append(all, parts[i].Title())
	}
	for i := range parts {
		if !slices.Contains(all, parts[i].Kind) {
			all = append(all, cobra.CompletionWithDesc(parts[i].Kind, "all of the kind"))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// handles are those of alerts that fire.
func handles(l *loaded) (all []cobra.Completion) {
	known, _ := rules.Known(l.StateDir)
	for i := range known {
		a := &known[i]
		if a.ID == "" || !a.Firing() {
			continue
		}
		name := a.Rule.Name
		for _, k := range a.Key {
			name += " " + k.Name + "=" + k.Value
		}
		all = append(all, cobra.CompletionWithDesc(a.Handle(), name))
	}
	return all
}

// silenceIDs are those of the silences that hold.
func silenceIDs(l *loaded) (all []cobra.Completion) {
	if _, err := os.Stat(l.StateDir); err != nil {
		return nil
	}
	list, _ := silence.Open(l.StateDir).List()
	for i := range list {
		if s := &list[i]; s.Active(time.Now()) {
			all = append(all, cobra.CompletionWithDesc(s.ID, s.Matchers))
		}
	}
	return all
}

// silence completes a handle, and for how long.
func (c completions) silence(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return c.of(handles), cobra.ShellCompDirectiveNoFileComp
	case 1:
		return []cobra.Completion{"30m", "1h", "4h", "12h", "1d", "2d", "7d"}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// job completes the job's name, and leaves the command to the shell.
func (c completions) job(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return c.of(func(l *loaded) (all []cobra.Completion) {
		if l.Collectors.Jobs == nil {
			return nil
		}
		for i := range l.Collectors.Jobs.Jobs {
			j := &l.Collectors.Jobs.Jobs[i]
			all = append(all, j.Name)
		}
		return all
	}), cobra.ShellCompDirectiveNoFileComp
}

// withPacks completes packs, as pack:NAME, and where none begins so the files.
func withPacks(ext ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (all []cobra.Completion, _ cobra.ShellCompDirective) {
		if typed == "" || !strings.HasPrefix(packPrefix, typed[:min(len(typed), len(packPrefix))]) {
			return ext, cobra.ShellCompDirectiveFilterFileExt
		}
		for _, name := range rules.Packs() {
			all = append(all, packPrefix+name)
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}
