package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var (
	faultRuns = flag.Int("faults", 4, "runs of each series of TestFaults")
	faultSeed = flag.Uint64("seed", 0, "the first run's seed; 0: another one each time")
)

// A campaign is one run: an agent, two containers that write, a receiver, and
// what goes wrong.
type campaign struct {
	t        *testing.T
	rnd      *rand.Rand
	a        *agentProcess
	receiver *faultyReceiver
	logs     []*containerLog
	state    string
	restarts int
}

const faultConfig = `
state_dir: %s
collectors: {docker: {root: %s, host: "unix:///nowhere"}}
rules: {packs: [operations]}
outputs:
  fluentd: [{name: main, address: "%s", ack_timeout: 1s, spool: {after: 300ms}}]
  prometheus: {listen: METRICS}
`

func newCampaign(t *testing.T, seed uint64, files int) *campaign {
	c := &campaign{t: t, rnd: rand.New(rand.NewPCG(seed, 4)), receiver: newFaultyReceiver(t), state: tmpfs(t, "size=16m")}
	root := t.TempDir()
	for i, name := range []string{"app", "web"} {
		log := newContainerLog(t, root, name, i+1)
		log.max, log.files = 48<<10, files
		c.logs = append(c.logs, log)
	}
	c.a = newAgent(t, fmt.Sprintf(faultConfig, c.state, root, c.receiver.addr))
	return c
}

// faults are what may go wrong. Each lasts a while and is over when it returns.
func (c *campaign) faults() map[string]func() {
	pause := func() { time.Sleep(between(c.rnd, 50*time.Millisecond, 900*time.Millisecond)) }
	return map[string]func(){
		"kill": func() {
			c.a.kill()
			time.Sleep(between(c.rnd, 0, 200*time.Millisecond))
			c.start()
		},
		"stop": func() {
			eventually(c.t, "the agent can be stopped", waitShort, func() bool { _, err := c.a.page(); return err == nil })
			c.a.stop()
			c.start()
		},
		"cut":       func() { c.receiver.cut() },
		"mid-chunk": func() { c.receiver.set(false, 1+c.rnd.IntN(200<<10)); pause(); c.receiver.set(false, 0) },
		"withheld":  func() { c.receiver.set(true, 0); pause(); c.receiver.set(false, 0) },
		"withheld and cut": func() {
			c.receiver.set(true, 0)
			pause()
			c.receiver.cut()
			c.receiver.set(false, 0)
		},
		"away": func() { c.receiver.away(); pause(); c.receiver.listen() },
		"away and killed": func() {
			c.receiver.away()
			pause()
			c.a.kill()
			c.start()
			c.receiver.listen()
		},
		"disk full": func() {
			ballast := filepath.Join(c.state, "ballast")
			os.WriteFile(ballast, make([]byte, 32<<20), 0o600) // until it is full
			pause()
			os.Remove(ballast)
		},
		"disk full and away": func() {
			ballast := filepath.Join(c.state, "ballast")
			c.receiver.away()
			os.WriteFile(ballast, make([]byte, 32<<20), 0o600)
			pause()
			os.Remove(ballast)
			c.receiver.listen()
		},
	}
}

func (c *campaign) start() {
	c.restarts++
	c.a.start()
}

// strike does n faults, one after another, and returns their names.
func (c *campaign) strike(n int) []string {
	faults := c.faults()
	names := make([]string, 0, len(faults))
	for name := range faults {
		names = append(names, name)
	}
	slices.Sort(names)
	var struck []string
	for range n {
		name := names[c.rnd.IntN(len(names))]
		struck = append(struck, name)
		faults[name]()
		time.Sleep(between(c.rnd, 0, 300*time.Millisecond))
	}
	return struck
}

// write writes to the logs until it is told to stop; now and then a log is
// rotated again and again with a line in each file.
func (c *campaign) write() (stop func()) {
	var ending atomic.Bool
	done := make(chan struct{})
	rnd := rand.New(rand.NewPCG(c.rnd.Uint64(), 5))
	go func() {
		defer close(done)
		for !ending.Load() {
			for _, log := range c.logs {
				log.write(10 + rnd.IntN(40))
				if rnd.IntN(50) == 0 {
					for range 1 + rnd.IntN(4) {
						log.rotate()
						log.write(1)
					}
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() { ending.Store(true); <-done }
}

func (c *campaign) written() (n int) {
	for _, log := range c.logs {
		n += log.n
	}
	return n
}

// settle waits until everything has arrived, or nothing came for a while.
func (c *campaign) settle(while time.Duration) arrived {
	var got arrived
	quiet := time.Now()
	for n := -1; ; time.Sleep(200 * time.Millisecond) {
		if m := c.receiver.count(); m != n {
			n, quiet = m, time.Now()
			continue
		}
		if got = tally(c.receiver.all(), c.logs); len(got.lost) == 0 || time.Since(quiet) > while {
			return got
		}
	}
}

// Whatever goes wrong, and in whatever order: while the agent is not away for
// longer than the rotated files last, nothing is lost.
func TestFaults(t *testing.T) {
	seed := *faultSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	var runs, lines, lost, repeated, restarts atomic.Int64
	t.Run("within retention", func(t *testing.T) {
		for i := range *faultRuns {
			t.Run(fmt.Sprint("seed ", seed+uint64(i)), func(t *testing.T) {
				t.Parallel()
				c := newCampaign(t, seed+uint64(i), 200)
				c.start()
				stop := c.write()
				struck := c.strike(3 + c.rnd.IntN(5))
				stop()
				got := c.settle(15 * time.Second)
				c.a.stop()
				runs.Add(1)
				lines.Add(int64(c.written()))
				lost.Add(int64(len(got.lost)))
				repeated.Add(int64(got.repeated))
				restarts.Add(int64(c.restarts))
				got.check(t, c.written())
				if t.Failed() {
					t.Logf("struck: %s", strings.Join(struck, ", "))
				}
			})
		}
	})
	t.Logf("%d runs with %d starts, %d lines, %d lost, %d repeated", runs.Load(), restarts.Load(), lines.Load(), lost.Load(), repeated.Load())
}

// Where the agent is away for longer than the rotated files last, what they had
// is lost, and nothing else; each gap is said.
func TestFaultsBeyondRetention(t *testing.T) {
	seed := *faultSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	var runs, lines, lost, gaps atomic.Int64
	t.Run("beyond retention", func(t *testing.T) {
		for i := range *faultRuns {
			t.Run(fmt.Sprint("seed ", seed+uint64(i)), func(t *testing.T) {
				t.Parallel()
				c := newCampaign(t, seed+uint64(i), 2+i%3)
				c.start()
				for _, log := range c.logs {
					log.write(100)
				}
				eventually(t, "the agent knows where it is", waitShort, func() bool { return c.a.metric("logkeel_output_records_total") >= 200 })
				if i%2 == 0 {
					c.a.kill()
				} else {
					c.a.stop()
				}
				before := c.logs[0].n
				for range 8 { // each is a file, and more than are kept
					c.logs[0].write(500)
				}
				c.logs[1].write(10)
				c.start()
				c.logs[0].write(50)
				got := c.settle(4 * time.Second)
				said := 0
				eventually(t, "the gap is said", waitShort, func() bool {
					log, _ := os.ReadFile(c.a.stderr)
					said = strings.Count(string(log), "lines may be missing")
					return said > 0
				})
				n := c.a.metric("logkeel_tail_gaps_total")
				c.a.stop()
				if len(got.lost) == 0 || said != 1 || n != 1 {
					t.Errorf("%d lines lost, %d gaps said, %v counted", len(got.lost), said, n)
				}
				for k, line := range got.lost {
					if want := c.logs[0].line(before + 1 + k); line != want {
						t.Errorf("lost %q; the gap begins at line %d", line, before+1)
						break
					}
				}
				if len(got.disorder) > 0 {
					t.Errorf("out of order: %q", got.disorder[0])
				}
				runs.Add(1)
				lines.Add(int64(c.written()))
				lost.Add(int64(len(got.lost)))
				gaps.Add(int64(n))
			})
		}
	})
	t.Logf("%d runs, %d lines, %d lost in %d gaps, all said", runs.Load(), lines.Load(), lost.Load(), gaps.Load())
}
