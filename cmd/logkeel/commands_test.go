package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	commandsDoc = "../../docs/commands.md"
	handWritten = "<!-- what follows is written by go test ./cmd/logkeel -run TestCommandsDocument -update -->\n"
)

// each calls f for all commands below c that people use.
func each(c *cobra.Command, f func(*cobra.Command)) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			f(sub)
			each(sub, f)
		}
	}
}

// Every command says what it does, at length, with an example that is right.
func TestHelpOfEachCommand(t *testing.T) {
	root := rootCommand()
	each(root, func(c *cobra.Command) {
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 90 {
			t.Errorf("%s: Short is %q", path, c.Short)
		}
		if len(c.Long) < len(c.Short) || !strings.Contains(strings.ToLower(c.Long[:min(len(c.Long), 20)]), c.Name()) {
			t.Errorf("%s: Long begins otherwise: %.40q", path, c.Long)
		}
		for line := range strings.Lines(c.Long) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 90 {
				t.Errorf("%s: a line of Long has %d columns", path, n)
			}
		}
		if !strings.Contains(c.Example, path) {
			t.Errorf("%s: the example does not have it", path)
		}
		if c.Parent() == root && c.GroupID == "" && c.Name() != "version" && c.Name() != "help" && c.Name() != "completion" {
			t.Errorf("%s: it is in no group of logkeel --help", path)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s --%s: usage is %q", path, f.Name, f.Usage)
			}
		})
		checkExamples(t, root, c)
	})
	checkExamples(t, root, root)
}

// checkExamples holds commands and flags in examples against those that there are.
func checkExamples(t *testing.T, root, c *cobra.Command) {
	t.Helper()
	call := regexp.MustCompile(`(?:^|\| |&& |exec logkeel |exec |\s)logkeel (.*)`)
	for line := range strings.Lines(c.Example) {
		line, _, _ = strings.Cut(line, " #")
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		rest := strings.TrimPrefix(m[1], "logkeel ")
		rest, _, _ = strings.Cut(rest, " | ")
		rest, _, _ = strings.Cut(rest, " -- ")
		words := strings.Fields(rest)
		of, _, err := root.Find(words)
		if err != nil || of == root && len(words) > 0 && !strings.HasPrefix(words[0], "-") {
			t.Errorf("%s: the example %q names no command", c.CommandPath(), rest)
			continue
		}
		of.InitDefaultHelpFlag()
		of.InitDefaultVersionFlag()
		for _, w := range words {
			if name, ok := strings.CutPrefix(w, "--"); ok {
				name, _, _ = strings.Cut(name, "=")
				if of.Flags().Lookup(name) == nil && of.InheritedFlags().Lookup(name) == nil {
					t.Errorf("%s: the example %q has a flag --%s that is not there", c.CommandPath(), rest, name)
				}
			}
		}
	}
}

// TestCommandsDocument holds the reference in docs/ to the commands.
func TestCommandsDocument(t *testing.T) {
	b, err := os.ReadFile(commandsDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(b), handWritten)
	if !ok {
		t.Fatalf("%s has no line %s", commandsDoc, handWritten)
	}
	want := head + handWritten + reference(rootCommand())
	if *update {
		if err := os.WriteFile(commandsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if string(b) != want && !*update {
		t.Errorf("%s is not what the commands say; run go test ./cmd/logkeel -run TestCommandsDocument -update", commandsDoc)
	}
}

// reference is what the commands say of themselves, as Markdown.
func reference(root *cobra.Command) string {
	var b strings.Builder
	write := func(c *cobra.Command, level string) {
		fmt.Fprintf(&b, "\n%s %s\n\n%s.\n\n", level, c.CommandPath(), c.Short)
		if c.Runnable() {
			fmt.Fprintf(&b, "    %s\n\n", c.UseLine())
		}
		fmt.Fprintf(&b, "```text\n%s\n```\n\nExamples:\n\n```sh\n%s\n```\n", c.Long, unindented(c.Example))
		if flags := c.NonInheritedFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(&b, "\nFlags:\n\n```text\n%s```\n", unindented(flags.FlagUsages()))
		}
	}
	b.WriteString("\n## Flags of all commands\n\n```text\n" + unindented(root.PersistentFlags().FlagUsages()) + "```\n")
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimSuffix(g.Title, ":"))
		for _, c := range root.Commands() {
			if c.GroupID == g.ID {
				write(c, "###")
				each(c, func(sub *cobra.Command) { write(sub, "####") })
			}
		}
	}
	b.WriteString("\n## Others\n")
	for _, c := range root.Commands() {
		if c.GroupID == "" && (c.IsAvailableCommand() || c.Name() == "help") {
			write(c, "###")
		}
	}
	return b.String()
}

// unindented is the text without the two spaces that help has before lines.
func unindented(text string) string {
	return regexp.MustCompile(`(?m)^  `).ReplaceAllString(text, "")
}
