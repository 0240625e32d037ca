package integrity

import (
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
)

func TestConfig(t *testing.T) {
	c, err := item(t, "paths: /srv/app\nallow:\n  - /a\n  - {path: b, mode: \"4755\"}", "")
	if err != nil {
		t.Fatal(err)
	}
	if c.MaxFiles != 100_000 || c.Hash != 64<<20 || c.Rate != 10<<20 || !c.OneFileSystem || c.FollowSymlinks ||
		c.WalkInterval != conf.Duration(15*time.Minute) || c.RehashInterval != conf.Duration(24*time.Hour) {
		t.Errorf("defaults are %+v", c)
	}
	if c.Allow[0] != (Allow{Path: "/a"}) || c.Allow[1] != (Allow{"b", 0o4755}) {
		t.Errorf("got %+v", c.Allow)
	}
	for text, want := range map[string]HashLimit{"true": -1, "false": 0, "1MiB": 1 << 20} {
		if c, err := item(t, "paths: /a\nhash: "+text, ""); err != nil || c.Hash != want {
			t.Errorf("hash: %s is %d: %v", text, c.Hash, err)
		}
	}
	for text, want := range map[string]string{
		"exclude: a":                                  "paths: no path; name folders or files",
		"paths: [a, '[']":                             "paths[1]: syntax error in pattern; close each [",
		"paths: /a/**":                                "paths[0]: ** is for exclude and allow; name the folder",
		"paths: a\nexclude: [/]":                      `exclude[0]: "/" selects nothing, or all`,
		"paths: ''":                                   `paths[0]: "" selects nothing, or all`,
		"paths: a\nhash: often":                       "hash: expected true, false or a size; write the size",
		"paths: a\nmax_files: 0":                      "max_files: 0 is out of range; write 1 to",
		"paths: a\nwalk_interval: 1s":                 "walk_interval: 1s is out of range; write 10s to 24h",
		"paths: a\nrehash_interval: 10m":              "rehash_interval: 10m is out of range; write walk_interval, which is 15m",
		"paths: a\nrate: 1KiB":                        "rate: 1KiB is too little",
		"paths: a\nallow: [[a]]":                      "expected a path, or a path and a mode; write",
		"paths: a\nallow: [{path: a}]":                "expected a path, or a path and a mode",
		"paths: a\nallow: [{path: a, mode: '0644'}]":  `"0644" is no mode that has to be allowed`,
		"paths: a\nallow: [{path: a, mode: '77777'}]": `"77777" is no mode`,
		"paths: a\nallow: ['a[']":                     "allow[0]: syntax error in pattern",
		"paths: a\nallow: [{path: a, owner: 1}]":      "expected a path, or a path and a mode",
		"paths: a\nfollow: true":                      "follow: ",
		"paths: a\nexclude: {a: b}":                   "exclude",
	} {
		if _, err := item(t, text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nsays %v\nwant %s", text, err, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	const root = "/srv/app"
	for _, c := range []struct {
		pattern, rel string
		want         bool
	}{
		{"*.log", "a.log", true},
		{"*.log", "x/y/a.log", true},
		{"*.log", "a.logs", false},
		{"cache", "a/cache", true},
		{"cache/", "a/cache", true},
		{"cache", "a/cache/b", false},
		{"storage/logs", "storage/logs", true},
		{"storage/logs", "x/storage/logs", false},
		{"**/logs", "x/storage/logs", true},
		{"**/a/logs", "logs", false},
		{"storage/**", "storage/a/b", true},
		{"storage/**", "storag", false},
		{"storage/**/b/**/c", "storage/b/x/b/y/z/c", true},
		{"storage/**/b/**/c", "storage/b/x/b/y/z/c/d", false},
		{"/srv/app/a", "a", true},
		{"/srv/*/a", "a", true},
		{"/srv/app", "", true},
		{"/srv/**", "b/c", true},
		{"/a", "a", false},
		{"./a/../b/c", "b/c", true},
		{"app", "", true},
		{"\xff*", "x/\xffy", true},
	} {
		p := newPattern(c.pattern)
		if got := p.match(root, c.rel); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.rel, got)
		}
	}
	p := newPattern("/srv/app/up")
	if !p.matchBelow(root, "up/a/b") || !p.matchBelow(root, "up") || p.matchBelow(root, "upper/a") {
		t.Error("what is in a folder is not taken along")
	}
}

// TestPatternsAreQuick: however many ** there are.
func TestPatternsAreQuick(t *testing.T) {
	p := newPattern(strings.Repeat("**/a/", 50) + "b")
	start := time.Now()
	if p.match("/r", strings.Repeat("a/", 1000)+"c") {
		t.Error("it matches")
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}
