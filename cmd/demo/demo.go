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
	Out      io.Writer     // coloured where it is a terminal
	Duration time.Duration // 5s to 10m; the end takes a moment longer
	Keep     bool          // run on after Duration, until ctx is done
	Agent    Agent
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
	usage      usage // at the start

	mu    sync.Mutex
	mails int
}

// Run shows the demo. Nothing of it is left when it returns: no file, no
// process, no open port. The error is ErrLost where the result shows that lines
// are missing.
func Run(ctx context.Context, o Options) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &demo{Options: o, tally: newTally(), show: newShow(o.Out, cancel), usage: used()}
	d.log = &agentLog{show: d.show}
	var err error
	if d.dir, err = os.MkdirTemp("", "logkeel-demo-"); err != nil {
		return Result{}, err
	}
	r, err := d.run(ctx)
	if rm := os.RemoveAll(d.dir); rm != nil {
		err = errors.Join(err, fmt.Errorf("%w; remove %s by hand", rm, d.dir))
	} else if err == nil || errors.Is(err, ErrLost) {
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
	agentDone := make(chan error, 1)
	go func() { agentDone <- d.Agent(running, d.config, d.log) }()
	if err := d.awaitAgent(ctx, agentDone); err != nil {
		stop()
		return Result{}, errors.Join(err, <-agentDone)
	}

	var wg sync.WaitGroup
	writing, stopWriting := context.WithCancel(ctx)
	failed := make(chan error, len(d.containers))
	for _, c := range d.containers {
		wg.Go(func() {
			if err := c.run(writing); err != nil {
				failed <- fmt.Errorf("the stand-in for %s: %w", c.name, err)
				stopWriting()
			}
		})
	}
	watching, stopWatching := context.WithCancel(running)
	wg.Go(func() { d.watchPage(watching) })
	died := make(chan error, 1)
	wg.Go(func() {
		select {
		case err := <-agentDone:
			stopWriting()
			died <- err
		case <-watching.Done():
		}
	})

	d.play(writing)
	stopWriting()
	r := d.drain(running)
	stopWatching()
	wg.Wait()
	select {
	case err := <-died:
		return r, errors.Join(errors.New("the agent has ended by itself"), err, d.log.last())
	default:
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
func (d *demo) awaitAgent(ctx context.Context, done chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		_, err := scrape(ctx, d.metrics)
		if err == nil {
			return nil
		}
		select {
		case ended := <-done:
			done <- ended
			return errors.Join(errors.New("the agent did not start"), d.log.last())
		default:
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return errors.Join(fmt.Errorf("the agent does not answer: %w", err), d.log.last())
		}
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
	d.mu.Unlock()
	d.show.letter(l)
}

func (d *demo) rotated(c *container) {
	d.show.event(blue, "rotated", "%s: its log has %d KiB; it becomes %s-json.log.1, and Docker begins a new one", c.name, c.maxSize>>10, c.id[:6]+"...")
}
