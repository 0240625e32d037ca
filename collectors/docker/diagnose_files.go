package docker

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// How far folders of a container are looked through for logs.
const (
	lookDepth   = 6
	lookEntries = 5000
	lookFiles   = 20
	lookFresh   = 24 * time.Hour // what nobody has written to for longer is none that is missed
)

// elsewhere looks for logs that the container writes to files: in its volumes, and
// in its own file system.
func (x *examiner) elsewhere(ctx context.Context, e *examined, empty bool) {
	var found []logFile
	hidden := ""
	for _, m := range e.mounts {
		if x.sources[m.source] || x.inEngine(m.source) {
			continue
		}
		x.sources[m.source] = true
		files, err := x.logsIn(ctx, m.source)
		if err != nil {
			hidden = m.destination
		}
		found = append(found, files...)
	}
	if e.layer != "" {
		files, _ := x.logsIn(ctx, e.layer)
		for i := range files {
			files[i].inside = strings.TrimPrefix(files[i].path, e.layer)
		}
		found = append(found, files...)
	}
	switch {
	case len(found) > 0:
		x.single = append(x.single, unread(e, found, empty, x.how.Now()))
	case !empty:
	case hidden != "" || e.layer == "":
		x.unlooked(ctx, e, hidden)
	default:
		x.add("log_empty", e.container.Name)
	}
}

// inEngine says that a folder holds the engine's own files, as it does where the
// agent itself runs beside others.
func (x *examiner) inEngine(source string) bool {
	for _, dir := range []string{x.how.Root, "/", "/var", "/var/lib", "/proc", "/sys", "/dev", "/run", "/var/run"} {
		if source == dir {
			return true
		}
	}
	return false
}

// A logFile is a log that nobody reads.
type logFile struct {
	path    string // on this machine
	inside  string // in the container's own file system; "" of a volume
	size    int64
	written time.Time
}

// logsIn finds files named *.log below dir that were written to lately and are read
// by nobody. It looks at so many entries at most.
func (x *examiner) logsIn(ctx context.Context, dir string) (found []logFile, err error) {
	entries := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		entries++
		switch {
		case err != nil && path == dir:
			return err
		case err != nil:
			return nil // a part of it is for others
		case entries > lookEntries || len(found) >= lookFiles || ctx.Err() != nil:
			return fs.SkipAll
		case d.IsDir() && strings.Count(strings.TrimPrefix(path, dir), "/") >= lookDepth:
			return fs.SkipDir
		case !d.Type().IsRegular() || !strings.HasSuffix(path, ".log") || x.how.Tailed != nil && x.how.Tailed(path):
			return nil
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 && x.how.Now().Sub(info.ModTime()) < lookFresh {
			found = append(found, logFile{path: path, size: info.Size(), written: info.ModTime()})
		}
		return nil
	})
	return found, err
}

// unread says that a container logs to files that nobody reads.
func unread(e *examined, found []logFile, empty bool, now time.Time) agent.Diagnosis {
	var names, globs []string
	inside := ""
	for _, f := range found {
		names = append(names, f.path)
		if f.inside != "" {
			names[len(names)-1] = f.inside + " (in the container)"
			inside = f.inside
			continue
		}
		if g := filepath.Join(filepath.Dir(f.path), "*.log"); len(globs) == 0 || globs[len(globs)-1] != g {
			globs = append(globs, g)
		}
	}
	newest := found[0].written
	for _, f := range found {
		if f.written.After(newest) {
			newest = f.written
		}
	}
	d := agent.Diagnosis{
		Health: agent.Warned, Cause: "log_file_not_read",
		What: fmt.Sprintf("container %s writes to files that nobody reads: %s", e.container.Name, agent.Some(names)),
		Why:  fmt.Sprintf("the newest was written to %s ago, and only what it writes to stdout and stderr comes by Docker", max(0, now.Sub(newest)).Round(time.Second)),
	}
	if empty {
		d.Why += ", which is nothing"
	}
	if len(globs) > 0 {
		d.Do = fmt.Sprintf("in agent.yaml, under collectors: files: [{name: %s, paths: [%s]}]", plainName(e.container), strings.Join(quoted(globs), ", "))
		return d
	}
	d.Do = "have it log to stderr (Laravel: LOG_CHANNEL=stderr; others: RUN ln -sf /dev/stderr " + agent.ShellWord(inside) + " in the Dockerfile), or put that folder on a volume and name it under collectors.files"
	return d
}

func plainName(c *agent.Container) string {
	name := c.Service
	if name == "" {
		name = c.Name
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '-'
	}, name)
}

func quoted(all []string) (q []string) {
	for _, s := range all {
		q = append(q, fmt.Sprintf("%q", s))
	}
	return q
}

// unlooked is said of an empty log whose files cannot be looked at from here: the
// engine still knows of those in the container's own file system.
func (x *examiner) unlooked(ctx context.Context, e *examined, hidden string) {
	paths, err := x.api.written(ctx, e.container.ID, lookFiles)
	if err == nil && len(paths) > 0 {
		var found []logFile
		for _, p := range paths {
			found = append(found, logFile{path: p, inside: p, written: x.how.Now()})
		}
		x.single = append(x.single, unread(e, found, true, x.how.Now()))
		return
	}
	if hidden == "" {
		x.add("log_empty", e.container.Name)
		return
	}
	x.single = append(x.single, agent.Diagnosis{
		Health: agent.Known, Cause: "log_empty", What: fmt.Sprintf("container %s has written nothing", e.container.Name),
		Why: "it may log to a file in " + hidden + ", which cannot be looked into from here", Do: "docker exec " + e.container.Name + " find " + agent.ShellWord(hidden) + " -name '*.log'",
	})
}
