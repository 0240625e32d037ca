// Package demo shows the whole pipeline at work within half a minute, on a
// machine that has nothing of what it needs: the agent is the real one, and
// what it reads from and ships to is played in-process, on the loopback.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// An Agent runs the agent with the configuration at that path until ctx is
// done, and writes the agent's own log to log.
type Agent func(ctx context.Context, config string, log io.Writer) error

// Options say how the demo is to run.
type Options struct {
	Out      io.Writer
	Color    bool
	Width    int           // columns of Out; 0: it is no terminal
	Duration time.Duration // 5s to 10m; the end takes a moment longer
	Keep     bool          // run on after Duration, until ctx is done
	Agent    Agent

	drain time.Duration // drainLimit, unless a test is in a hurry
}

const (
	// MinDuration is the shortest in which all there is to see can happen.
	MinDuration = 5 * time.Second
	// MaxDuration is the longest; Keep is for more.
	MaxDuration = 10 * time.Minute

	startLimit = 15 * time.Second // until the agent serves its metrics
	drainLimit = 7 * time.Second  // until what was written last has arrived
)

// ErrLost says that not every line has arrived as it was written.
var ErrLost = errors.New("not every line has arrived as it was written")

// A demo is one run.
type demo struct {
	Options
	show       *show
	dir        string // is removed at the end
	config     string
	metrics    string // host:port
	tally      *tally
	containers []*container
	page       *page
	aggregator *aggregator
	mailbox    *mailbox
	log        *agentLog
	usage      usage     // at the start
	gone       time.Time // when the aggregator was taken away; zero: it was not

	mu    sync.Mutex
	mails int
}

// Run shows the demo. Nothing of it is left when it returns: no file, no
// process, no open port. The error is ErrLost where the result shows that lines
// are missing.
func Run(ctx context.Context, o Options) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &demo{Options: o, tally: newTally(), show: newShow(o, cancel), usage: used()}
	d.log = &agentLog{show: d.show}
	if d.Options.drain == 0 {
		d.Options.drain = drainLimit
	}
	var err error
	if d.dir, err = os.MkdirTemp("", "logkeel-demo-"); err != nil {
		return Result{}, err
	}
	var r Result
	if d.dir, err = filepath.Abs(d.dir); err == nil { // $TMPDIR need not be
		r, err = d.run(ctx)
	}
	seen := err == nil || errors.Is(err, ErrLost)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // before there was anything to see
		err = nil
	}
	if rm := os.RemoveAll(d.dir); rm != nil {
		return r, errors.Join(err, fmt.Errorf("%w; remove %s by hand", rm, d.dir))
	}
	if seen {
		d.conclude(r)
	}
	return r, err
}

func (d *demo) run(ctx context.Context) (Result, error) {
	defer d.closeStandIns()
	if err := d.openStandIns(); err != nil {
		return Result{}, err
	}
	d.introduce()

	// The agent outlives ctx: what was written has to arrive first.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	alive, ended := context.WithCancel(running)
	agentDone := make(chan error, 1)
	go func() {
		defer ended()
		agentDone <- d.Agent(running, d.config, d.log)
	}()
	if err := d.awaitAgent(ctx, alive); err != nil {
		stop()
		return Result{}, errors.Join(err, <-agentDone, d.log.last())
	}

	var wg sync.WaitGroup
	writing, stopWriting := context.WithCancel(ctx)
	defer context.AfterFunc(alive, stopWriting)()
	failed := make(chan error, len(d.containers))
	for _, c := range d.containers {
		wg.Go(func() {
			if err := c.run(writing); err != nil {
				failed <- fmt.Errorf("the stand-in for %s: %w", c.name, err)
				stopWriting()
			}
		})
	}
	watching, stopWatching := context.WithCancel(alive)
	wg.Go(func() { d.watchPage(watching) })

	d.play(writing)
	stopWriting()
	r := d.finish(alive)
	stopWatching()
	wg.Wait()
	if alive.Err() != nil {
		return r, errors.Join(errors.New("the agent has ended by itself"), <-agentDone, d.log.last())
	}
	stop()
	close(failed)
	err := errors.Join(<-agentDone, <-failed)
	d.count(&r)
	if err == nil && !r.Complete() {
		err = ErrLost
	}
	return r, err
}

func (d *demo) openStandIns() (err error) {
	if d.page, err = newPage(); err != nil {
		return err
	}
	d.aggregator = newAggregator(d.took)
	if err := d.aggregator.start(); err != nil {
		return err
	}
	if d.mailbox, err = newMailbox(d.tookMail); err != nil {
		return err
	}
	d.containers = project(d.tally, d.rotated)
	for _, c := range d.containers {
		if err := c.create(filepath.Join(d.dir, "docker")); err != nil {
			return err
		}
	}
	if d.metrics, err = freeAddr(); err != nil {
		return err
	}
	return d.writeConfig()
}

func (d *demo) closeStandIns() {
	if d.page != nil {
		d.page.close()
	}
	if d.aggregator != nil {
		d.aggregator.stop()
	}
	if d.mailbox != nil {
		d.mailbox.close()
	}
}

// freeAddr is an address that nobody listens on.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// awaitAgent waits until the agent serves its metrics.
func (d *demo) awaitAgent(ctx, alive context.Context) error {
	limit, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	defer context.AfterFunc(alive, cancel)()
	for {
		_, err := scrape(limit, d.metrics)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case alive.Err() != nil:
			return errors.New("the agent did not start")
		case limit.Err() != nil:
			return fmt.Errorf("the agent does not answer within %s: %w", startLimit, err)
		}
		pause(limit, 20*time.Millisecond)
	}
}

// took is told what the aggregator gets.
func (d *demo) took(entries []entry) {
	for _, e := range entries {
		if first := d.tally.arrived(e); first && len(e.findings) > 0 {
			d.show.flagged(e)
		}
	}
}

// tookMail is told what the mail server gets.
func (d *demo) tookMail(l letter) {
	d.mu.Lock()
	d.mails++
	most := fullLetter
	if d.mails > 1 {
		most = someLetter
	}
	d.mu.Unlock()
	d.show.letter(l, most)
}

func (d *demo) rotated(c *container) {
	d.show.event(blue, "rotated", "%s: its log has %d KiB; it becomes %s-json.log.1, and Docker begins a new one", c.name, c.maxSize>>10, c.id[:6]+"...")
}
