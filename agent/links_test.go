package agent_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	mdLink    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	mdHeading = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	mdCode    = regexp.MustCompile("`[^`]*`")
)

// anchor is the name that a heading has in a link, as GitHub makes it.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(mdLink.ReplaceAllString(heading, "")) {
		switch {
		case r == ' ':
			b.WriteByte('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// prose is what of a Markdown file is no code, by line.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	fence := ""
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		mark := trimmed[:min(3, len(trimmed))]
		switch {
		case fence == "" && (mark == "```" || mark == "~~~"):
			fence, lines[i] = mark, ""
		case fence != "":
			if mark == fence {
				fence = ""
			}
			lines[i] = ""
		}
	}
	return lines
}

// anchors are those of a Markdown file.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, line := range prose(text) {
		if m := mdHeading.FindStringSubmatch(line); m != nil {
			all[anchor(m[1])] = true
		}
	}
	return all
}

// Links in the documentation lead somewhere: to a file that is there, and to a
// heading that is in it. What is elsewhere is not asked for.
func TestLinks(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (name == "node_modules" || name == "testdata" || name == "bin" || name == "dist" || strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" && d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			texts[path] = string(b)
			return err
		}
		return nil
	})
	if err != nil || len(texts) < 10 {
		t.Fatalf("%d files: %v", len(texts), err)
	}
	links := 0
	for path, text := range texts {
		for i, line := range prose(text) {
			for _, m := range mdLink.FindAllStringSubmatch(mdCode.ReplaceAllString(line, ""), -1) {
				u, err := url.Parse(m[1])
				if err != nil || u.Scheme != "" {
					continue
				}
				links++
				to := path
				if u.Path != "" {
					to = filepath.Join(filepath.Dir(path), filepath.FromSlash(u.Path))
				}
				if _, err := os.Stat(to); err != nil {
					t.Errorf("%s:%d: %s leads nowhere", path, i+1, m[1])
				} else if other, ok := texts[to]; u.Fragment != "" && (!ok || !anchors(other)[u.Fragment]) {
					t.Errorf("%s:%d: %s has no such heading", path, i+1, m[1])
				}
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
}

func TestAnchor(t *testing.T) {
	for heading, want := range map[string]string{
		"collectors.http: a URL, timed as curl does": "collectorshttp-a-url-timed-as-curl-does",
		"The pack `logkeel`":                         "the-pack-logkeel",
		"web_config_file":                            "web_config_file",
		"When nothing comes: the dead man's switch":  "when-nothing-comes-the-dead-mans-switch",
		"What a record looks like in Fluentd":        "what-a-record-looks-like-in-fluentd",
	} {
		if got := anchor(heading); got != want {
			t.Errorf("%q: %q, want %q", heading, got, want)
		}
	}
}
