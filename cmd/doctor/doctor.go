// Package doctor lets each part of a configuration say whether it works, all at once,
// and prints that for people and for scripts.
package doctor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// atOnce is how many parts are looked at at a time: some ask the same server.
const atOnce = 16

// maxDiagnoses bounds what one part may say.
const maxDiagnoses = 200

// A Part is what was found out about one part of the configuration.
type Part struct {
	agent.Checkup
	Diagnoses []agent.Diagnosis // the worst first
}

// Health is that of the worst.
func (p *Part) Health() (h agent.Health) {
	for _, d := range p.Diagnoses {
		h = max(h, d.Health)
	}
	return h
}

// Run looks at all parts, each for so long at most, and returns them in their order.
// A part that hangs, as on a file system that is gone, is left behind and said.
// waiting is told for which parts it waits, at first and whenever these are fewer. When
// ctx is done there is no result: parts that do not heed it are left behind.
func Run(ctx context.Context, all []agent.Checkup, timeout time.Duration, waiting func(titles []string)) []Part {
	parts := make([]Part, len(all))
	free := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[int]bool{}
	for i := range all {
		open[i] = true
	}
	tell := func() {
		var titles []string
		for i := range all {
			if open[i] {
				titles = append(titles, all[i].Title())
			}
		}
		if len(titles) > 0 {
			waiting(titles)
		}
	}
	tell()
	for i := range all {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			found := look(ctx, &all[i], timeout)
			mu.Lock()
			defer mu.Unlock()
			parts[i] = Part{all[i], found}
			delete(open, i)
			tell()
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return parts
	case <-ctx.Done():
		return nil
	}
}

// grace is how long a part may go on after its time, to say what it knows.
const grace = 2 * time.Second

func look(ctx context.Context, c *agent.Checkup, timeout time.Duration) []agent.Diagnosis {
	if c.Timeout > 0 { // it is how long the part waits itself, when it runs
		timeout = min(timeout, c.Timeout+grace)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
	defer cancel()
	var mu sync.Mutex
	var found []agent.Diagnosis
	closed := false
	report := func(d agent.Diagnosis) {
		mu.Lock()
		defer mu.Unlock()
		if !closed && len(found) < maxDiagnoses {
			found = append(found, d)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				report(agent.Diagnosis{Health: agent.Failed, Cause: "panic", What: "it cannot be looked at", Why: fmt.Sprint(r), Do: "report this, please: it is a fault of logkeel"})
			}
		}()
		c.Look(ctx, report)
	}()
	select {
	case <-done:
	case <-after(ctx, grace):
		report(agent.Diagnosis{
			Health: agent.Failed, Cause: "timeout", What: fmt.Sprintf("it could not be looked at within %s", timeout),
			Why: "a server or a file system hangs", Do: "logkeel doctor --timeout 2m",
		})
	}
	mu.Lock()
	defer mu.Unlock()
	closed = true
	if len(found) == 0 {
		found = []agent.Diagnosis{{Health: agent.Known, Cause: "nothing", What: "there is nothing to say of it"}}
	}
	slices.SortStableFunc(found, func(a, b agent.Diagnosis) int { return int(b.Health) - int(a.Health) })
	return found
}

// after is closed so long after ctx is done.
func after(ctx context.Context, d time.Duration) <-chan struct{} {
	late := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(d, func() { close(late) }) })
	return late
}

// Worst is the health of all parts together.
func Worst(parts []Part) (h agent.Health) {
	for i := range parts {
		h = max(h, parts[i].Health())
	}
	return h
}
