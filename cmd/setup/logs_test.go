package setup

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// noFiles is a machine of which nothing can be read.
type noFiles struct{}

func (noFiles) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func TestFindLogs(t *testing.T) {
	f := &Found{Root: "/d", Services: []Service{{Name: "app", Image: "laravel", Mounts: []Mount{
		{Source: "/d/volumes/x/_data", Target: "/app/storage", Volume: "x"},
		{Source: "/srv/empty", Target: "/var/log/app"},
		{Source: "/srv/code", Target: "/var/www/html"},
		{Source: "/srv/one.log", Target: "/one.log"},
		{Source: "/var/run/docker.sock", Target: "/var/run/docker.sock"},
		{Source: "/etc", Target: "/host/etc"},
	}}}}
	root := fstest.MapFS{
		"d/volumes/x/_data/logs/laravel-2026-01-02.log": {}, "d/volumes/x/_data/logs/laravel-2026-01-03.log": {}, "d/volumes/x/_data/logs/a.gz": {},
		"d/volumes/x/_data/[old]/a.log": {}, "d/volumes/x/_data/node_modules/a/b.log": {}, "d/volumes/x/_data/link.log": {Mode: fs.ModeSymlink},
		"srv/empty/x": {}, "srv/empty/tc.log": {}, "srv/empty/ddl_recovery.log": {}, "srv/code/index.php": {}, "srv/one.log": {}, "etc/a.log": {},
	}
	got := func(root fs.FS) string {
		all, unread := findLogs(root, f)
		var b strings.Builder
		for _, l := range all {
			b.WriteString(l.Glob + " ")
		}
		return b.String() + "| " + strings.Join(unread, " ")
	}
	const seen = `/d/volumes/x/_data/\[old\]/*.log /d/volumes/x/_data/logs/*.log /srv/empty/*.log /srv/code/storage/logs/*.log /srv/one.log | `
	if g := got(root); g != seen {
		t.Errorf("got  %s\nwant %s", g, seen)
	}
	const guessed = `/d/volumes/x/_data/logs/*.log /srv/empty/*.log /srv/code/storage/logs/*.log /srv/one.log | /d/volumes/x/_data /srv/code /srv/empty /srv/one.log`
	if g := got(noFiles{}); g != guessed {
		t.Errorf("got  %s\nwant %s", g, guessed)
	}
}
