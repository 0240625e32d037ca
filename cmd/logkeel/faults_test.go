package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	faultRuns = flag.Int("faults", 4, "runs of each series of TestFaults; from 20 on the agent's own clock is stepped as well")
	faultSeed = flag.Uint64("seed", 0, "the first run's seed; 0: another one each time")
)

// waitLong is for what should be soon, in a campaign that has the machine for
// itself, and on one that has not.
const waitLong = 3 * time.Minute

// A campaign is one run: an agent, two containers that write, a receiver, and
// what goes wrong.
type campaign struct {
	t        *testing.T
	rnd      *rand.Rand
	a        *agentProcess
	receiver *faultyReceiver
	logs     []*numberedLog
	clock    *clock
	root     string // of the containers
	state    string
	starts   int
	struck   []string
}

const faultConfig = `
state_dir: %s
log: {format: json}
collectors: {docker: {root: %s, host: "unix:///nowhere", multiline: [{service: app, format: java}]}}
rules: {packs: [operations]}
outputs:
  fluentd: [{name: main, address: "%s", identity: true, ack_timeout: %s, spool: {after: %s}}]
  prometheus: {listen: METRICS}
`

// A patience is how long the agent waits for an acknowledgement before it connects
// again, and before it takes a chunk to the spool.
type patience struct{ ack, memory string }

// A receiver that has too little of the machine is slow, and to a hasty agent that
// is a fault.
var hasty, calm = patience{"1s", "300ms"}, patience{"5m", "1m"}

func newCampaign(t *testing.T, seed uint64, files int, p patience) *campaign {
	c := &campaign{
		t: t, rnd: rand.New(rand.NewPCG(seed, 4)), receiver: newFaultyReceiver(t),
		clock: &clock{}, root: t.TempDir(), state: tmpfs(t, "size=16m"),
	}
	for i, service := range []string{"app", "web"} {
		log := newNumberedLog(t, c.root, service, i+1, c.clock)
		log.max, log.files, log.compress = 48<<10, files, c.rnd.IntN(2) == 0
		log.traces = service == "app"
		c.logs = append(c.logs, log)
	}
	c.a = newAgent(t, fmt.Sprintf(faultConfig, c.state, c.root, c.receiver.addr, p.ack, p.memory))
	return c
}

// strike does n of the faults, one after another.
func (c *campaign) strike(n int, faults []fault) {
	for range n {
		f := faults[c.rnd.IntN(len(faults))]
		c.struck = append(c.struck, f.name)
		f.do(c)
		time.Sleep(between(c.rnd, 0, 300*time.Millisecond))
	}
}

// write writes to the logs until it is told to stop; now and then a log is
// rotated again and again with a line in each file.
func (c *campaign) write() (stop func()) {
	var ending atomic.Bool
	var writing sync.WaitGroup
	rnd := rand.New(rand.NewPCG(c.rnd.Uint64(), 5))
	writing.Go(func() {
		for !ending.Load() {
			for _, log := range c.logs {
				log.write(5 + rnd.IntN(30))
				if rnd.IntN(50) == 0 {
					for range 1 + rnd.IntN(4) {
						log.rotate()
						log.write(1)
					}
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	stop = sync.OnceFunc(func() { ending.Store(true); writing.Wait() })
	c.t.Cleanup(stop)
	return stop
}

// begun says that something of each log has arrived.
func (c *campaign) begun() bool {
	ids := map[any]bool{}
	for _, e := range c.receiver.all() {
		ids[e.Record["container_id"]] = true
	}
	return len(ids) == len(c.logs)
}

// settle waits until all has arrived that is there to be read, or nothing came
// for a while.
func (c *campaign) settle() *judge {
	j := newJudge(c.logs)
	for quiet := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		before := j.seen
		j.take(c.receiver.all())
		if j.seen > before {
			quiet = time.Now()
		}
		if all, gone := j.missing(); all == gone || time.Since(quiet) > waitLong/3 {
			return j
		}
	}
}

// Whatever goes wrong, and in whatever order: while the agent is not away for
// longer than the rotated files last, nothing is lost. Every fourth run has only
// faults by which nothing may come twice.
func TestFaults(t *testing.T) {
	r := report{name: "within the rotated files"}
	stepped := ""
	if *faultRuns >= 20 {
		stepped = buildStepped(t)
	}
	r.runs(t, func(t *testing.T, i int, seed uint64) {
		all, early, waits := append(faults[:len(faults):len(faults)], clockFaults...), atStart, hasty
		if i%4 == 3 {
			all, early, waits = quiet(all), quiet(clockFaults), calm
		}
		c := newCampaign(t, seed, 1000, waits)
		if stepped != "" && i%2 == 1 {
			c.steppable(stepped)
		}
		c.start()
		stop := c.write()
		c.strike(c.rnd.IntN(2), early) // before it has read anything
		eventually(t, "the agent has begun", waitLong, c.begun)
		c.strike(4+c.rnd.IntN(6), all)
		stop()
		j := c.settle()
		c.end()
		j.take(c.receiver.all())
		if unsaid := j.unsaid(nil); len(unsaid) > 0 {
			t.Errorf("%d lines are lost, such as: %s", len(unsaid), unsaid[0])
		}
		for _, g := range c.a.gaps() {
			t.Errorf("a gap is said where nothing is lost: %v", g)
		}
		if i%4 == 3 && len(j.prompt) > 0 && !c.a.said("may arrive twice") {
			t.Errorf("%d lines came twice without a fault, the first one %q", len(j.prompt), j.prompt[0])
		}
		r.count(c, j)
	})
}

// Where the agent is away for longer than the rotated files last, what they had
// is lost, and nothing else; each gap is said.
func TestFaultsBeyondRetention(t *testing.T) {
	r := report{name: "beyond the rotated files"}
	r.runs(t, func(t *testing.T, i int, seed uint64) {
		c := newCampaign(t, seed, 2+i%4, hasty)
		for _, log := range c.logs { // it has older files: that the agent cannot guess
			log.write(10)
			log.rotate()
			log.write(10)
		}
		c.start()
		eventually(t, "the agent has begun", waitLong, c.begun) // of what was gone before it knows nothing
		stop := c.write()
		c.strike(1+c.rnd.IntN(3), faults)
		c.strike(1, beyondFaults)
		c.strike(c.rnd.IntN(4), append(faults[:len(faults):len(faults)], beyondFaults...))
		stop()
		j := c.settle()
		c.end()
		j.take(c.receiver.all())
		gaps := c.a.gaps()
		r.gaps.Add(int64(len(gaps)))
		if unsaid := j.unsaid(gaps); len(unsaid) > 0 {
			t.Errorf("%d lines are lost that were there to be read, or without being said, such as: %s; said is %v", len(unsaid), unsaid[0], gaps)
		}
		r.count(c, j)
	})
}

// end stops the agent, which has said by then that it has read all.
func (c *campaign) end() {
	eventually(c.t, "that it has caught up is said", waitLong, c.a.caughtUp)
	c.stop()
}

// A report is what a series comes to.
type report struct {
	name  string
	every int // a run for so many of the other series; 0: 1

	done, starts, lines, lost, repeated, gaps, recycled, torn atomic.Int64

	mu     sync.Mutex
	struck map[string]int
}

// runs does the runs of a series, some at a time, and prints the report.
func (r *report) runs(t *testing.T, run func(t *testing.T, i int, seed uint64)) {
	seed := *faultSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	began := time.Now()
	t.Run(r.name, func(t *testing.T) {
		for i := range (*faultRuns + r.each() - 1) / r.each() {
			t.Run(fmt.Sprint("seed ", seed+uint64(i)), func(t *testing.T) {
				t.Parallel()
				run(t, i, seed+uint64(i))
			})
		}
	})
	t.Logf("%s: %d runs with %d starts of the agent in %v: %d lines, %d lost, %d repeated, %d gaps said; %d files had the inode of one before; %d pieces of traces\nstruck: %v",
		r.name, r.done.Load(), r.starts.Load(), time.Since(began).Round(time.Second), r.lines.Load(), r.lost.Load(), r.repeated.Load(), r.gaps.Load(), r.recycled.Load(), r.torn.Load(), r.struck)
}

func (r *report) each() int { return max(1, r.every) }

// count adds a run, and says what was wrong in it.
func (r *report) count(c *campaign, j *judge) {
	lines := 0
	for _, log := range c.logs {
		lines += log.written()
		r.recycled.Add(int64(log.reused))
	}
	r.torn.Add(int64(j.torn))
	lost, _ := j.missing()
	r.add(c, lines, lost, j.repeated)
	if len(j.wrong) > 0 {
		c.t.Errorf("%d lines are not as they should be; the first one %s", len(j.wrong), j.wrong[0])
	}
}

func (r *report) add(c *campaign, lines, lost, repeated int) {
	r.done.Add(1)
	r.starts.Add(int64(c.starts))
	r.lines.Add(int64(lines))
	r.lost.Add(int64(lost))
	r.repeated.Add(int64(repeated))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.struck == nil {
		r.struck = map[string]int{}
	}
	for _, name := range c.struck {
		r.struck[name]++
	}
	if c.t.Failed() {
		c.t.Logf("struck: %s", strings.Join(c.struck, ", "))
	}
}
