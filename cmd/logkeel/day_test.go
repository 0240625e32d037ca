package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/rules"
)

// A mailServer is down until it is up.
type mailServer struct {
	mu    sync.Mutex
	up    bool
	tries int
	got   []notify.Notice
}

func (m *mailServer) send(_ context.Context, n *notify.Notice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tries++; !m.up {
		return errors.New("connection refused")
	}
	m.got = append(m.got, *n)
	return nil
}

// A notifier is an output with the queue that all notifiers have.
type notifier struct {
	*notify.Queue
	send notify.Send
}

func (notifier) Name() string                    { return "ops" }
func (n notifier) Run(ctx context.Context) error { return n.Queue.Run(ctx, n.send) }

// A day is one agent's alerts over a day, through its kills.
type day struct {
	t       *testing.T
	dir     string
	set     *rules.Set
	server  *mailServer
	written []agent.Record
	buf     []byte

	alerts *rules.Alerts
	end    func()
}

var dayLog = &agent.Source{ID: "docker/app", Collector: "docker", Name: "shop-app-1"}

func (d *day) start() {
	d.t.Helper()
	ledger, err := agent.OpenLedger(d.t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		d.t.Fatal(err)
	}
	var c notify.Config
	c.SetDefaults()
	c.GroupBy = conf.Strings{"rule"}
	queue, err := notify.Open(notify.Options{Config: c, Name: "ops", Dir: filepath.Join(d.dir, "queue")})
	if err != nil {
		d.t.Fatal(err)
	}
	out := notifier{queue, d.server.send}
	d.alerts, err = rules.NewAlerts(d.set, rules.AlertOptions{Ledger: ledger, Dir: d.dir, Outputs: []agent.AlertOutput{out}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.t.Context())
	var running sync.WaitGroup
	running.Go(func() { out.Run(ctx) })
	running.Go(func() {
		for ctx.Err() == nil { // Run flushes when it ends, which a killed agent does not
			time.Sleep(time.Second)
			d.alerts.Tick(ctx, nil)
		}
	})
	d.end = func() { cancel(); running.Wait() }
	d.read()
}

// kill ends the agent: nothing is flushed or closed.
func (d *day) kill() { d.end() }

func (d *day) log(line string) {
	start := int32(len(d.buf))
	d.buf = append(d.buf, line...)
	d.written = append(d.written, agent.Record{Time: time.Now().UnixNano(), End: int64(len(d.buf)), Body: agent.Span{Start: start, End: int32(len(d.buf))}})
	d.read()
}

// read judges what was written after the place where the rules stand.
func (d *day) read() {
	at := d.alerts.Consumer().Position(dayLog.ID)
	b := &agent.Batch{Source: dayLog, Buf: d.buf, Pos: agent.Position{Epoch: 1, Offset: int64(len(d.buf))}}
	for _, r := range d.written {
		if r.End > at.Offset {
			b.Records = append(b.Records, r)
		}
	}
	if len(b.Records) > 0 {
		d.set.Match(b)
		d.alerts.Records(b, 0)
	}
}

// The mail server is down for a day, on which one error comes again and again,
// another one once, and a database goes down and comes back; the agent is killed
// twelve times. When the server is back there is one mail a group, and the counts
// are complete.
func TestMailServerIsDownForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(path, []byte(`
groups:
  - name: shop
    rules:
      - {name: Errors, match: ERROR}
      - {name: Once, match: deadlock}
      - {name: NoDatabase, sample: mysql_up, equals: 0, for: 1m}
`), 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := rules.Load(rules.Config{Files: []string{path}}, "")
		if err != nil {
			t.Fatal(err)
		}
		d := &day{t: t, dir: t.TempDir(), set: set, server: &mailServer{}}
		d.start()
		errors := 0
		for minute := range 24 * 60 {
			time.Sleep(15 * time.Second)
			if minute < 23*60 && minute%7 < 5 { // the window is five minutes: one incident
				errors++
				d.log(fmt.Sprintf("ERROR %d", errors))
			}
			if minute == 600 {
				d.log("deadlock found")
			}
			up := 1.0
			if minute >= 900 && minute < 1000 {
				up = 0
			}
			d.alerts.Samples("mysql/db", []agent.Sample{{Name: "mysql_up", Labels: []agent.Label{{Name: "target", Value: "db"}}, Value: up}})
			time.Sleep(15 * time.Second)
			if minute%120 == 119 {
				d.kill()
				time.Sleep(20 * time.Second)
				d.start()
			}
			time.Sleep(30 * time.Second)
		}
		d.server.mu.Lock()
		if len(d.server.got) != 0 || d.server.tries < 24*60/5 || d.server.tries > 24*60 {
			t.Errorf("%d tries", d.server.tries)
		}
		d.server.up = true
		d.server.mu.Unlock()
		time.Sleep(30 * time.Minute)
		d.end()
		want := map[string]uint64{"Errors": uint64(errors), "Once": 1, "NoDatabase": 0}
		for _, n := range d.server.got {
			rule, findings := n.Group[0].Value, n.MoreFindings
			for _, a := range n.Alerts {
				findings += a.Count
			}
			if count, ok := want[rule]; !ok || findings != count || n.Kind != notify.Resolved || !n.Previous.IsZero() {
				t.Errorf("told of %s, %v, with %d findings, want one that was and is over with %d", rule, n.Kind, findings, count)
			}
			delete(want, rule)
		}
		if len(want) != 0 {
			t.Errorf("nothing was told of %v", want)
		}
	})
}
