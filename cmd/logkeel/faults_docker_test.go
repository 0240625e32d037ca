package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A dockerCampaign is a run with an engine, whose containers write.
type dockerCampaign struct {
	campaign
	engine     *testenv.Engine
	containers []string // ids
}

const dockerFaultConfig = `
state_dir: state
log: {format: json}
collectors: {docker: {root: %s, host: "%s"}}
rules: {packs: [operations]}
outputs:
  fluentd: [{name: main, address: "%s", identity: true, ack_timeout: 1s, spool: {after: 300ms}}]
  prometheus: {listen: METRICS}
`

// counting writes a hundred lines 20 times a second. No line is ever written
// twice: each start of the container has a number of its own.
const counting = `b=$(cat /proc/sys/kernel/random/uuid); n=0
while :; do
  awk -v b=$b -v n=$n 'BEGIN {for (i = n; i < n + 100; i++) print b, "line", i, "GET /invoices HTTP/1.1 200"}'
  n=$((n + 100)); sleep 0.05
done`

func newDockerCampaign(t *testing.T, seed uint64, live bool) *dockerCampaign {
	c := &dockerCampaign{engine: testenv.Docker(t)}
	c.t, c.rnd, c.receiver = t, rand.New(rand.NewPCG(seed, 6)), newFaultyReceiver(t)
	if live {
		c.engine.Stop()
		c.engine.LiveRestore = true
		c.engine.Start()
	}
	image := c.engine.Image("counting:1")
	for i, service := range []string{"app", "web"} {
		c.containers = append(c.containers, c.engine.Run("--name", "shop-"+service+"-1", "--restart", "always",
			"--log-opt", "max-size=40k", "--log-opt", "max-file=1000", "--log-opt", fmt.Sprint("compress=", i == 0),
			"--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service="+service,
			image, "sh", "-c", counting))
	}
	c.a = newAgent(t, fmt.Sprintf(dockerFaultConfig, c.engine.Root, c.engine.Host, c.receiver.addr))
	return c
}

// engineFaults are what may go wrong with an engine and its containers.
func (c *dockerCampaign) engineFaults() []fault {
	container := func() string { return c.containers[c.rnd.IntN(len(c.containers))] }
	return []fault{
		{"engine restarted", false, func(*campaign) { c.engine.Stop(); c.moment(); c.engine.Start() }},
		{"engine killed", false, func(*campaign) { c.engine.Kill(); c.moment(); c.engine.Start() }},
		{"engine and agent killed", true, func(*campaign) {
			c.engine.Kill()
			c.a.kill()
			c.start()
			c.moment()
			c.engine.Start()
		}},
		{"engine restarted while the agent is stopped", false, func(*campaign) {
			c.stop()
			c.engine.Stop()
			c.engine.Start()
			c.start()
		}},
		{"container restarted", false, func(*campaign) { c.engine.CLI("restart", "--time", "0", container()) }},
	}
}

// A written line is one that a container's files hold.
type written struct{ container, time, text string }

// truth reads what the containers' files hold.
func (c *dockerCampaign) truth() map[written]bool {
	all := map[written]bool{}
	for _, id := range c.containers {
		names, _ := filepath.Glob(filepath.Join(c.engine.Root, "containers", id, id+"-json.log*"))
		for _, name := range names {
			if err := readJSONLog(name, func(at, text string) { all[written{id, at, text}] = true }); err != nil {
				c.t.Error(err)
			}
		}
	}
	return all
}

// readJSONLog reads the whole lines of one file, as far as it is whole: one that
// was being compressed when the engine was killed is not.
func readJSONLog(name string, line func(at, text string)) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil
		}
	}
	lines := bufio.NewReader(r)
	for {
		b, err := lines.ReadBytes('\n')
		if err != nil {
			return nil
		}
		var l struct{ Log, Time string }
		if err := json.Unmarshal(b, &l); err != nil {
			return fmt.Errorf("%s: %q: %w", name, b, err)
		}
		line(l.Time, strings.TrimSuffix(l.Log, "\n"))
	}
}

// missing are lines of the truth that have not arrived; strange are what arrived
// and was wrong.
func (c *dockerCampaign) missing(truth map[written]bool) (missing []written, repeated int, strange []string) {
	type arrival struct{ container, text string }
	ids := map[arrival]string{}
	for _, e := range c.receiver.all() {
		text, _ := e.Record["log"].(string)
		container, _ := e.Record["container_id"].(string)
		id, _ := e.Record["logkeel_id"].(string)
		a := arrival{container, text}
		switch first := ids[a]; {
		case first == "":
			ids[a] = id
		case first == id:
			repeated++
		default:
			repeated++
			strange = append(strange, fmt.Sprintf("%v came before as %s", e.Record, first))
		}
		if !strings.Contains(text, " line ") {
			strange = append(strange, fmt.Sprintf("not as it was written: %v", e.Record))
		}
	}
	for w := range truth {
		if ids[arrival{w.container, w.text}] == "" {
			missing = append(missing, w)
		}
	}
	return missing, repeated, strange
}

// The engine is restarted and killed, with containers that live on and with such
// that do not, and the agent is killed as well. What the containers' files hold
// arrives.
func TestFaultsOfTheEngine(t *testing.T) {
	r := report{name: "with an engine that restarts", every: 4}
	r.runs(t, func(t *testing.T, i int, seed uint64) {
		c := newDockerCampaign(t, seed, i%2 == 1)
		c.start()
		eventually(t, "lines arrive", waitLong, func() bool { return len(c.receiver.all()) > 0 })
		some := faults[:8] // of the agent and the connection
		for range 2 + c.rnd.IntN(3) {
			c.strike(1, c.engineFaults())
			c.strike(1, some)
		}
		c.engine.CLI(append([]string{"update", "--restart", "no"}, c.containers...)...)
		c.engine.CLI(append([]string{"stop", "--time", "0"}, c.containers...)...)
		var truth map[written]bool
		eventually(t, "the containers write no more", waitLong, func() bool {
			before := len(truth)
			truth = c.truth()
			time.Sleep(300 * time.Millisecond)
			return len(truth) == before
		})
		whole := func() bool {
			if len(c.receiver.all()) < len(truth) {
				return false
			}
			missing, _, _ := c.missing(truth)
			return len(missing) == 0
		}
		for end := time.Now().Add(waitLong); !whole() && time.Now().Before(end); {
			time.Sleep(100 * time.Millisecond)
		}
		c.end()
		missing, repeated, strange := c.missing(truth)
		r.gaps.Add(int64(len(c.a.gaps())))
		if len(missing) > 0 {
			t.Errorf("%d of %d lines are lost, such as %v", len(missing), len(truth), missing[0])
		}
		if len(strange) > 0 {
			t.Errorf("%d lines are not as they should be; the first one %s", len(strange), strange[0])
		}
		r.add(&c.campaign, len(truth), len(missing), repeated)
	})
}
