package backups

import (
	"context"
	"fmt"
	"time"

	"github.com/webgrip/logkeel/agent"
)

var _ agent.Diagnoser = (*Sampler)(nil)

// Diagnose lists the backups and unpacks none, for that may take hours.
func (s *Sampler) Diagnose(ctx context.Context, report func(agent.Diagnosis)) {
	now := time.Now()
	l, err := s.list(ctx, now)
	if err == nil && l.sets == nil {
		err = l.err
	}
	if err != nil {
		report(agent.Explained(agent.Failed, "backups_unreadable", "the backups cannot be looked at", err))
		return
	}
	var bad []string
	for _, one := range l.sets {
		if one.err != nil {
			bad = append(bad, one.name)
			err = one.err
		}
	}
	if len(bad) > 0 {
		report(agent.Explained(agent.Failed, "backups_unreadable", "backups cannot be looked into: "+agent.Some(bad), err))
	}
	if l.err != nil {
		report(agent.Explained(agent.Failed, "backups_unreadable", "a backup's files cannot be read", l.err))
	}
	if r := s.c.RestoreTest; r != nil && l.restore.err != nil {
		report(agent.Explained(agent.Warned, "restore_test", "nothing is known of restore tests", l.restore.err))
	}
	switch {
	case len(l.sets) == 0:
		report(agent.Diagnosis{Health: agent.Warned, Cause: "backups_none", What: "there is no backup in " + s.c.Path, Do: "run the backup, and compare path with where it writes to"})
	case len(bad) == 0 && l.err == nil:
		report(agent.Diagnosis{What: fmt.Sprintf("%s, the newest %s old", agent.Count(len(l.sets), "backup"), now.Sub(l.sets[0].time).Round(time.Minute))})
	}
}
