package backups

import (
	"context"
	"time"
)

// A pacer holds reading to so many bytes a second and to a share of one CPU.
type pacer struct {
	rate int64
	cpu  float64
	used func() time.Duration // CPU time of this thread so far

	since time.Time
	from  time.Duration // of CPU time
	bytes int64
}

func (p *pacer) did(n int) { p.bytes += int64(n) }

// wait waits until more may be done.
func (p *pacer) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now, used := time.Now(), p.used()
	need := max(time.Duration(float64(p.bytes)/float64(p.rate)*float64(time.Second)), time.Duration(float64(used-p.from)/p.cpu))
	left := p.since.Add(need).Sub(now)
	if left < -time.Second { // what was not used is not saved up
		p.since, p.from, p.bytes = now, used, 0
	}
	if left < 10*time.Millisecond {
		return nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
