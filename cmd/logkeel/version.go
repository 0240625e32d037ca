package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// The linker sets these, as with -X main.version=v1.2.0. What it does not set, the
// toolchain may have written down.
var (
	version = "dev"
	commit  string
	date    string // of the commit, as RFC 3339 has it, so that two builds are the same
)

// A build is what this program was made of.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // there were changes that are not committed
	Date     string `json:"date,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// pseudo is the end of versions that the toolchain makes of commits without a tag.
var pseudo = regexp.MustCompile(`[-.]\d{14}-[0-9a-f]{12}(\+.*)?$`)

// thisBuild is that of the running program.
func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(build{Version: version, Commit: commit, Date: date}, info)
}

// buildOf fills in what the linker was not told. info may be nil.
func buildOf(b build, info *debug.BuildInfo) build {
	b.Go, b.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	if info == nil {
		return b
	}
	if v := info.Main.Version; b.Version == "dev" && v != "" && v != "(devel)" && !pseudo.MatchString(v) {
		b.Version = v // of go install
	}
	told := b.Commit != ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && !told:
			b.Commit = s.Value
		case s.Key == "vcs.modified" && !told:
			b.Modified = s.Value == "true"
		case s.Key == "vcs.time" && b.Date == "":
			b.Date = s.Value
		}
	}
	return b
}

// short is the version with the commit, in one word or two.
func (b build) short() string {
	text := b.Version
	if b.Commit != "" {
		text += " (" + b.Commit[:min(12, len(b.Commit))]
		if b.Modified {
			text += ", modified"
		}
		text += ")"
	}
	return text
}

func (b build) print(w io.Writer) error {
	text := "logkeel " + b.Version + "\n"
	if b.Commit != "" {
		text += "  commit    " + b.Commit
		if b.Modified {
			text += ", modified"
		}
		text += "\n"
	}
	if b.Date != "" {
		text += "  date      " + b.Date + "\n"
	}
	_, err := fmt.Fprintf(w, "%s  go        %s\n  platform  %s\n", text, b.Go, b.Platform)
	return err
}

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit, and what it was built with",
		Long: `Version prints the version, the commit and its date, as far as they are known, the
version of Go, and the platform. --version of any command prints the first two in
a line.`,
		Example: `  logkeel version
  logkeel version --json | jq -r .commit
  logkeel --version`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !asJSON {
				return thisBuild().print(cmd.OutOrStdout())
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(thisBuild())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return c
}
