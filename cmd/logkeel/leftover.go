package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A leftover is a queue in state_dir that holds something and that nothing in
// the configuration empties.
type leftover struct {
	dir   string
	bytes int64
	owner string // what it belonged to
}

// leftovers are the queues of outputs and listeners that are not configured any
// more.
func (l *loaded) leftovers(stateDir string) []leftover {
	var fluentd, email, webhook, forward []string
	for _, o := range l.Outputs.Fluentd {
		fluentd = append(fluentd, o.Name)
	}
	for _, o := range l.Outputs.Email {
		email = append(email, o.Name)
	}
	for _, o := range l.Outputs.Webhook {
		webhook = append(webhook, o.Name)
	}
	for _, c := range l.Collectors.Forward {
		forward = append(forward, c.Name)
	}
	var all []leftover
	look := func(folder string, owner func(name string) string) {
		dirs, _ := filepath.Glob(filepath.Join(escapeGlob(stateDir), folder, "*"))
		for _, dir := range dirs {
			whose := owner(filepath.Base(dir))
			if bytes := segmentBytes(dir); whose != "" && bytes > 0 {
				all = append(all, leftover{dir, bytes, whose})
			}
		}
	}
	look("spool", func(name string) string {
		for kind, names := range map[string][]string{"email": email, "webhook": webhook} {
			if own, ok := strings.CutPrefix(name, kind+"-"); ok && !slices.Contains(fluentd, name) {
				if slices.Contains(names, own) {
					return ""
				}
				return "outputs." + kind + " " + own
			}
		}
		own, _, _ := strings.Cut(name, "@")
		if slices.Contains(fluentd, own) {
			return ""
		}
		return "outputs.fluentd " + own
	})
	look("forward", func(name string) string {
		if slices.Contains(forward, name) {
			return ""
		}
		return "collectors.forward " + name
	})
	return all
}

var globEscape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

func escapeGlob(path string) string { return globEscape.Replace(path) }

func segmentBytes(dir string) (n int64) {
	segments, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "*.seg"))
	for _, s := range segments {
		if info, err := os.Stat(s); err == nil {
			n += info.Size()
		}
	}
	return n
}

// sayLeftovers warns of what nobody will send.
func (r *runner) sayLeftovers(l *loaded) {
	for _, left := range l.leftovers(r.dir) {
		r.log.Warn("a queue of something that is not configured any more still holds data, and nobody empties it; configure it again under its name, or remove the folder",
			"was", left.owner, "dir", left.dir, "bytes", left.bytes)
	}
}
