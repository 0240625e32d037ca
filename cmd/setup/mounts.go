package setup

import (
	"io/fs"
	"slices"
	"strings"
)

// rootIsPrivate reports whether the machine's / is no shared mount, as where no
// systemd runs: a container with rslave at / does not start there. See "Optional
// fields" in proc_pid_mountinfo(5). Where it is not known it is shared, as on most
// machines.
func rootIsPrivate(root fs.FS) bool {
	b, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return false
	}
	private := false
	for line := range strings.Lines(string(b)) { // the last one at / is on top
		if f := strings.Fields(line); len(f) > 6 && f[4] == "/" {
			private = !slices.ContainsFunc(f[6:], func(s string) bool { return strings.HasPrefix(s, "shared:") || strings.HasPrefix(s, "master:") })
		}
	}
	return private
}
