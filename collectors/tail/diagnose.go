package tail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/webgrip/logkeel/agent"
)

var _ agent.Diagnoser = (*Tail)(nil)

// Diagnose looks whether there are files, whether they can be read, and whether
// the kernel tells of their changes.
func (t *Tail) Diagnose(_ context.Context, report func(agent.Diagnosis)) {
	if d, ok := t.diagnoseWatching(); ok {
		report(d)
	}
	found := t.paths()
	var files []string
	for _, p := range slices.Sorted(maps.Keys(found)) {
		if found[p] {
			files = append(files, p)
		}
	}
	if len(files) == 0 {
		if !t.o.Elsewhere {
			report(t.nothing(len(found)))
		}
		return
	}
	denied, bytes, newest := t.readable(files)
	if len(denied) > 0 && !t.o.Elsewhere {
		report(agent.Diagnosis{
			Health: agent.Failed, Cause: "files_unreadable",
			What: fmt.Sprintf("%s of %d cannot be read: %s", agent.Count(len(denied), "file"), len(files), agent.Some(denied)),
			Why:  "permission denied for user " + fmt.Sprint(os.Geteuid()),
			Do:   "let the agent's user read them: add it to the group that they belong to (ls -l shows it; usermod --append --groups adm logkeel), or run it as root",
		})
		return
	}
	switch age := time.Since(newest).Round(time.Second); {
	case bytes == 0:
		report(agent.Diagnosis{Health: agent.Known, Cause: "files_empty", What: "all is empty: " + agent.Some(files), Why: "nobody has written to it yet, or to another file", Do: "compare paths with where the application logs to"})
	case len(denied) == 0:
		report(agent.Diagnosis{What: fmt.Sprintf("%s; written last %s ago", agent.Count(len(files), "file"), age)})
	}
}

// readable opens each file, and says which it may not.
func (t *Tail) readable(files []string) (denied []string, bytes int64, newest time.Time) {
	for _, p := range files {
		info, err := os.Stat(p)
		if err != nil || !info.Mode().IsRegular() { // opening a pipe would wait
			continue
		}
		bytes += info.Size()
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		f, err := os.Open(p)
		if errors.Is(err, fs.ErrPermission) {
			denied = append(denied, p)
		}
		if err == nil {
			f.Close()
		}
	}
	return denied, bytes, newest
}

// nothing says why no file is there; excluded is how many were left out.
func (t *Tail) nothing(excluded int) agent.Diagnosis {
	d := agent.Diagnosis{Health: agent.Warned, Cause: "files_none", What: "no file matches " + agent.Some(t.o.Globs)}
	if excluded > 0 {
		d.Why, d.Do = fmt.Sprintf("exclude leaves out all %d that do", excluded), "see exclude"
		return d
	}
	for _, g := range t.o.Globs {
		at := firstFolder(g)
		_, err := os.ReadDir(at)
		switch {
		case errors.Is(err, fs.ErrPermission):
			d.Health, d.Cause = agent.Failed, "files_unreadable"
			d.Why, d.Do = at+" cannot be listed: permission denied", "let the agent's user read it: chmod o+rx "+at+", or add the user to the folder's group"
			return d
		case errors.Is(err, fs.ErrNotExist):
			d.Why, d.Do = at+" is not there", "compare paths with where the application logs to; in a container mount that folder, read-only"
			return d
		}
	}
	d.Why, d.Do = firstFolder(t.o.Globs[0])+" has no such file yet; it is read as soon as it is there", "ls -l "+firstFolder(t.o.Globs[0])+", and compare it with paths"
	return d
}

// firstFolder is the folder above the first wildcard of a pattern.
func firstFolder(g string) string {
	for {
		g = filepath.Dir(g)
		if !strings.ContainsAny(g, `*?[\`) {
			return g
		}
	}
}

// diagnoseWatching asks for what a running tail asks for, and gives it back.
func (t *Tail) diagnoseWatching() (agent.Diagnosis, bool) {
	w := newWatcher(t)
	err := w.addDirs()
	w.close()
	if err == nil {
		return agent.Diagnosis{}, false
	}
	d := agent.Diagnosis{
		Health: agent.Warned, Cause: "inotify", What: "the kernel does not tell of changes",
		Why: err.Error() + "; logs are looked at each " + t.o.Poll.String() + " instead",
	}
	switch {
	case errors.Is(err, syscall.EMFILE):
		d.Cause, d.Do = "inotify_instances", raise("max_user_instances", "1024")
	case errors.Is(err, syscall.ENOSPC):
		d.Cause, d.Do = "inotify_watches", raise("max_user_watches", "524288")
	case errors.Is(err, fs.ErrPermission) && t.o.Elsewhere:
		return d, false
	}
	return d, true
}

func raise(limit, to string) string {
	now := "?"
	if b, err := os.ReadFile("/proc/sys/fs/inotify/" + limit); err == nil {
		now = strings.TrimSpace(string(b))
	}
	return fmt.Sprintf("sysctl fs.inotify.%s=%s (now %s); the same in a file in /etc/sysctl.d makes it stay", limit, to, now)
}

// Reads reports whether the path is one that this tail would read.
func (t *Tail) Reads(path string) bool {
	return matches(t.o.Globs, path) && !matches(t.o.Exclude, path)
}
