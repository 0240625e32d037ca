package setup

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// Bounds of a look into a volume.
const (
	maxDepth   = 5      // folders in one another
	maxEntries = 20_000 // files and folders of one mount
	maxFolders = 5      // with logs, of one mount
	maxInAll   = 50     // that are configured
)

// LogFiles are logs in a folder of a mount.
type LogFiles struct {
	Service string
	Mount   Mount
	Glob    string // on the host
	Format  string // for multiline; "" for none
	Seen    int    // files that are there; 0: none is seen, and they may come
}

// passedOver are folders with too many files, and no logs of their own.
var passedOver = []string{"node_modules", "vendor", ".git", "cache", "sessions", "proc", "sys", "dev"}

// findLogs looks for logs in the mounts of the services; root is the host's file
// system. unread are folders that could not be looked at.
func findLogs(root fs.FS, f *Found) (all []LogFiles, unread []string) {
	taken := map[string]bool{}
	for i := range f.Services {
		s := &f.Services[i]
		roles := recognise(s)
		for _, m := range s.Mounts {
			if engineOwn(m.Source, f.Root) {
				continue
			}
			found, err := look(root, m, data(m.Target, roles))
			if err != nil {
				found = guess(m, roles)
				gone := errors.Is(err, fs.ErrNotExist) && m.Volume == "" // it may come
				if !gone && (len(found) > 0 || logFolder(m.Target) || !data(m.Target, roles)) {
					unread = append(unread, m.Source)
				}
			} else if len(found) == 0 {
				found = guess(m, roles)
			}
			for _, l := range found {
				if taken[l.Glob] || len(all) == maxInAll {
					continue
				}
				taken[l.Glob] = true
				l.Service, l.Mount, l.Format = s.Name, m, formatOf(l.Glob, roles)
				all = append(all, l)
			}
		}
	}
	slices.Sort(unread)
	return all, slices.Compact(unread)
}

// engineOwn says that a folder is the engine's, or the machine's: what logs are in
// there are read in other ways, or by nobody.
func engineOwn(source, root string) bool {
	if strings.HasPrefix(source, root+"/volumes/") {
		return false
	}
	switch first, _, _ := strings.Cut(strings.TrimPrefix(path.Clean(source), "/"), "/"); first {
	case "", "proc", "sys", "dev", "run", "etc", "usr", "lib", "boot":
		return true
	}
	return source == "/var/run/docker.sock" || source == "/var" || source == "/var/log" || source == root || strings.HasPrefix(source, root+"/")
}

// data says that a mount is a server's own data, in which nobody looks for logs.
func data(target string, roles []Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return r.Kind.store() }) && !logFolder(target)
}

func logFolder(target string) bool {
	for _, part := range strings.Split(target, "/") {
		if part == "log" || part == "logs" {
			return true
		}
	}
	return false
}

var (
	logName   = conf.NewForm(`(?i)\.log$|^(access|error|debug)[_-]log$`)
	notLog    = conf.NewForm(`^(?:tc|ddl[_-]recovery(?:-backup)?|aria_log_control)\.log$`) // MariaDB's own data
	globSigns = regexp.MustCompile(`[\\*?\[\]]`)
)

func isLog(name string) bool { return logName.MatchString(name) && !notLog.MatchString(name) }

// look finds files that are logs in a mount. Links are not followed. exact says that
// what will come is not to be read: a server's own data may be called .log as well.
func look(root fs.FS, m Mount, exact bool) ([]LogFiles, error) {
	base := strings.TrimPrefix(path.Clean(m.Source), "/")
	info, err := fs.Stat(root, base)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if info.Mode().IsRegular() && isLog(path.Base(base)) {
			return []LogFiles{{Glob: escapeGlob("/" + base), Seen: 1}}, nil
		}
		return nil, nil
	}
	if _, err := fs.ReadDir(root, base); err != nil {
		return nil, err
	}
	counts := map[string]int{}
	entries := 0
	_ = fs.WalkDir(root, base, func(name string, e fs.DirEntry, err error) error {
		if entries++; entries > maxEntries {
			return fs.SkipAll
		}
		rest := strings.TrimPrefix(strings.TrimPrefix(name, base), "/")
		switch {
		case err != nil: // the rest of the mount may be readable
			return fs.SkipDir
		case e.IsDir() && name != base && (slices.Contains(passedOver, e.Name()) || strings.Count(rest, "/") >= maxDepth):
			return fs.SkipDir
		case e.Type().IsRegular() && isLog(e.Name()):
			glob := pattern(e.Name())
			if exact {
				glob = escapeGlob(e.Name())
			}
			counts[path.Dir(name)+"\x00"+glob]++
		}
		return nil
	})
	var all []LogFiles
	for key, n := range counts {
		dir, glob, _ := strings.Cut(key, "\x00")
		all = append(all, LogFiles{Glob: escapeGlob("/"+dir) + "/" + glob, Seen: n})
	}
	slices.SortFunc(all, func(a, b LogFiles) int {
		return cmp.Or(cmp.Compare(strings.Count(a.Glob, "/"), strings.Count(b.Glob, "/")), cmp.Compare(a.Glob, b.Glob))
	})
	return all[:min(len(all), maxFolders)], nil
}

// pattern is what a log's files are called, those that will come included.
func pattern(name string) string {
	if strings.HasSuffix(name, ".log") {
		return "*.log"
	}
	return escapeGlob(name)
}

func escapeGlob(name string) string {
	return globSigns.ReplaceAllString(name, `\$0`)
}

// guess is where the logs of a mount are, by what it is to the container.
func guess(m Mount, roles []Role) []LogFiles {
	is := func(k ...Kind) bool {
		return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(k, r.Kind) })
	}
	base := escapeGlob(m.Source)
	one := func(glob string) []LogFiles { return []LogFiles{{Glob: base + glob}} }
	switch {
	case strings.HasSuffix(m.Target, ".log"):
		return one("")
	case path.Ext(m.Target) != "" && path.Ext(path.Base(m.Source)) != "": // some other file
		return nil
	case logFolder(m.Target):
		return one("/*.log")
	case is(Laravel) && path.Base(m.Target) == "storage":
		return one("/logs/*.log")
	case is(Laravel) && m.Target == "/data": // that of images which keep all in one volume
		return one("/storage/logs/*.log")
	case is(Laravel) && slices.Contains([]string{"/var/www/html", "/var/www/app", "/var/www", "/app", "/srv/app"}, m.Target):
		return one("/storage/logs/*.log")
	}
	return nil
}

// formatOf is the format of records of several lines in a file, or "".
func formatOf(glob string, roles []Role) string {
	for _, r := range roles {
		switch r.Kind {
		case Laravel, PHP:
			if r.Kind == Laravel || strings.Contains(glob, "/storage/logs/") {
				return "laravel"
			}
		case Python:
			return "python"
		case Node:
			return "node"
		case Java:
			return "java"
		case Dotnet:
			return "dotnet"
		case MariaDB, MySQL:
			return "mariadb"
		case Postgres:
			return "postgresql"
		case Nginx:
			return "nginx"
		}
	}
	return ""
}
