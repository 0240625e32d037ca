package integrity

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/webgrip/logkeel/agent"
)

var _ agent.Diagnoser = (*Sampler)(nil)

// Diagnose looks whether the paths are there and may be read; it does not walk.
func (s *Sampler) Diagnose(_ context.Context, report func(agent.Diagnosis)) {
	var gone, denied []string
	n := 0
	for _, p := range s.c.Paths {
		if !filepath.IsAbs(p) {
			p = filepath.Join(s.baseDir, p)
		}
		found, _ := filepath.Glob(p)
		if len(found) == 0 {
			gone = append(gone, p)
		}
		for _, at := range found {
			n++
			if err := readable(at); errors.Is(err, fs.ErrPermission) {
				denied = append(denied, at)
			}
		}
	}
	if len(gone) > 0 {
		report(agent.Diagnosis{
			Health: agent.Warned, Cause: "integrity_no_path", What: "nothing is there: " + agent.Some(gone),
			Why: "what is not there is not watched over, and is kept as it was known", Do: "compare paths; in a container mount them, read-only",
		})
	}
	if len(denied) > 0 {
		report(agent.Diagnosis{Health: agent.Failed, Cause: "integrity_unreadable", What: "it may not read " + agent.Some(denied), Why: "permission denied", Do: "run the agent as root, or let its user read them: setfacl -R -m u:logkeel:rX PATH"})
	}
	if n > len(denied) {
		report(agent.Diagnosis{What: agent.Count(n-len(denied), "path") + " can be read"})
	}
}

func readable(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() && !info.IsDir() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
