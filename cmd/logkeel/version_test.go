package main

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// What the linker says is so; what it does not say the toolchain may know.
func TestBuildOf(t *testing.T) {
	info := func(version string, settings ...string) *debug.BuildInfo {
		i := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for n := 0; n < len(settings); n += 2 {
			i.Settings = append(i.Settings, debug.BuildSetting{Key: settings[n], Value: settings[n+1]})
		}
		return i
	}
	const revision = "0123456789abcdef0123456789abcdef01234567"
	vcs := []string{"vcs.revision", revision, "vcs.time", "2026-01-02T03:04:05Z", "vcs.modified", "true"}
	for name, tt := range map[string]struct {
		linked build
		info   *debug.BuildInfo
		short  string
		date   string
	}{
		"nothing is known":   {build{Version: "dev"}, nil, "dev", ""},
		"without a VCS":      {build{Version: "dev"}, info("(devel)"), "dev", ""},
		"a checkout":         {build{Version: "dev"}, info("v0.0.0-20260102030405-0123456789ab+dirty", vcs...), "dev (0123456789ab, modified)", "2026-01-02T03:04:05Z"},
		"a checkout later":   {build{Version: "dev"}, info("v1.2.1-0.20260102030405-0123456789ab", vcs[:4]...), "dev (0123456789ab)", "2026-01-02T03:04:05Z"},
		"a tag, by install":  {build{Version: "dev"}, info("v1.2.0"), "v1.2.0", ""},
		"a release":          {build{Version: "v1.2.0", Commit: "fedcba9876543210", Date: "2026-02-02T00:00:00Z"}, info("v1.2.0", vcs...), "v1.2.0 (fedcba987654)", "2026-02-02T00:00:00Z"},
		"a version only":     {build{Version: "v1.2.0"}, info("(devel)", vcs[:4]...), "v1.2.0 (0123456789ab)", "2026-01-02T03:04:05Z"},
		"a commit is short":  {build{Version: "v1", Commit: "abc"}, nil, "v1 (abc)", ""},
		"nothing of its own": {build{Version: "dev"}, info(""), "dev", ""},
	} {
		b := buildOf(tt.linked, tt.info)
		if b.short() != tt.short || b.Date != tt.date || b.Go != runtime.Version() || b.Platform != runtime.GOOS+"/"+runtime.GOARCH {
			t.Errorf("%s: %q, %+v", name, b.short(), b)
		}
		var text strings.Builder
		if err := b.print(&text); err != nil || !strings.HasPrefix(text.String(), "logkeel "+b.Version+"\n") || strings.Contains(text.String(), "date") != (b.Date != "") {
			t.Errorf("%s: %v\n%s", name, err, text.String())
		}
	}
}

// Slips of the finger are few, and not found in short words.
func TestSimilar(t *testing.T) {
	for typed, name := range map[string]string{"rnu": "run", "satus": "status", "chekc": "check", "doc": "doctor", "SCAN": "scan", "jsno": "json", "expalin": "explain"} {
		if !similar(typed, name) {
			t.Errorf("%s is not like %s", typed, name)
		}
	}
	for typed, name := range map[string]string{"foo": "job", "": "run", "r": "run", "x": "tap", "help": "health", "statistics": "status", "été": "test"} {
		if similar(typed, name) {
			t.Errorf("%s is like %s", typed, name)
		}
	}
}
