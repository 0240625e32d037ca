package notify

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A model is the truth about incidents, and what people heard of them.
type model struct {
	*world
	rng      *rand.Rand
	firing   map[string]*agent.Alert // by rule and key
	last     map[string]agent.Alert  // by ID, as it was handed over
	recent   []agent.Alert           // that may come again
	kills    int
	silences bool          // there are some
	fills    bool          // the disk is full now and then
	killing  bool          // the next notice that is taken is the process's last; guarded by mu
	killed   chan struct{} // closed then
	copy     string        // what is on the disk then
	down     bool          // guarded by mu
	heard    []*Notice     // guarded by mu
	times    []time.Time   // of these

	quiet   map[string]bool // IDs that were silenced while there was something to tell
	unnoted map[string]bool // IDs that were told by a process that died of it
	hushed  []hushed
	killsAt []time.Time

	full fullDisk
}

func (m *model) send(ctx context.Context, n *Notice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.down {
		return errDown
	}
	m.heard, m.times = append(m.heard, n), append(m.times, time.Now())
	m.full.hear(n)
	if m.killing {
		m.killing = false
		for _, a := range n.Alerts {
			m.unnoted[a.ID] = true
		}
		m.copy = m.copied()
		close(m.killed)
		m.mu.Unlock()
		<-ctx.Done()
		m.mu.Lock()
	}
	return nil
}

func (m *model) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { m.q.Run(ctx, m.send) })
	m.stop = func() {
		cancel()
		wg.Wait()
	}
}

// again opens what is on the disk, as a process does that was killed.
func (m *model) again(dir string) {
	m.kill()
	m.kills++
	m.killsAt = append(m.killsAt, time.Now())
	m.forget()
	m.dir = dir
	m.open()
	m.begin()
	m.give(m.recent...)
	m.giveAgain()
}

func (m *model) hand(a agent.Alert) {
	m.last[a.ID] = a
	for _, h := range m.hushed {
		m.quiet[a.ID] = m.quiet[a.ID] || h.rule == a.Rule.Name && time.Now().Before(h.until)
	}
	m.recent = append(m.recent, a)
	m.recent = m.recent[max(0, len(m.recent)-5):]
	m.give(a)
}

// step does something that happens.
func (m *model) step() {
	rule, key := fmt.Sprintf("rule%d", m.rng.IntN(3)), string(rune('a'+m.rng.IntN(4)))
	a := m.firing[rule+key]
	switch n := m.rng.IntN(20); {
	case n < 7 && a == nil:
		fresh := m.alert(rule, key, 1)
		if rule == "rule2" && m.c.Digest.Severity != "" {
			fresh.Rule.Severity = "info"
		}
		fresh.ID += fmt.Sprint(fresh.Revision)
		m.firing[rule+key] = &fresh
		m.hand(fresh)
	case n < 7:
		m.version++
		a.Revision, a.Count = m.version, a.Count+uint64(m.rng.IntN(9))
		m.hand(*a)
	case n < 12 && a != nil:
		delete(m.firing, rule+key)
		m.hand(m.ended(*a))
	case n < 13:
		m.again(m.copied())
	case n < 14:
		m.mu.Lock()
		m.killing, m.killed = true, make(chan struct{})
		m.mu.Unlock()
	case n < 15:
		m.mu.Lock()
		m.down = !m.down
		m.mu.Unlock()
	case n < 16 && len(m.recent) > 0:
		m.give(m.recent[m.rng.IntN(len(m.recent))])
	case n < 17 && m.silences:
		m.hush(rule)
	case n < 19 && m.fills:
		m.fill(!m.disk.full.Load())
		if m.giveAgain(); !m.disk.full.Load() && m.rng.IntN(2) == 0 { // before the queue has noticed
			m.again(m.copied())
		}
	}
	m.giveAgain()
	m.pass(time.Duration(m.rng.ExpFloat64() * float64(time.Minute)))
}

// pass lets time pass, but dies on the spot where it is to.
func (m *model) pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for over := false; !over; {
		select {
		case <-m.killed:
			m.killed = nil
			m.again(m.copy)
		case <-timer.C:
			over = true
		}
	}
	synctest.Wait()
}

// finish ends all that fires, and waits until all was told.
func (m *model) finish() {
	m.fill(false)
	m.mu.Lock()
	m.down = false
	m.mu.Unlock()
	for _, a := range m.firing {
		m.hand(m.ended(*a))
	}
	for range 12 * 8 { // a cap holds things back for hours
		m.giveAgain()
		m.pass(5 * time.Minute)
	}
}

// check compares what people heard with the truth.
func (m *model) check() {
	type heard struct {
		overIn  map[string]bool // IDs of notices
		firedIn map[string]bool // threads
		count   uint64
	}
	all := map[string]*heard{}
	times := map[string]int{}
	repeats := 0
	for i, n := range m.heard {
		m.checkNotice(n, m.times[i])
		if times[n.ID]++; times[n.ID] > 1 {
			repeats++
		}
		if (n.ID == n.Thread) != n.Previous.IsZero() || times[n.Thread] == 0 {
			m.t.Errorf("%s is no part of thread %s", line(n), n.Thread)
		}
		for _, a := range n.Alerts {
			if n.Kind == HeldBack {
				continue
			}
			h := all[a.ID]
			if h == nil {
				h = &heard{overIn: map[string]bool{}, firedIn: map[string]bool{}}
				all[a.ID] = h
			}
			h.count = a.Count
			if a.Firing() {
				h.firedIn[n.Thread] = true
				if len(h.overIn) > 0 && !m.full.lost[a.ID] {
					m.t.Errorf("%s was over and fires again", a.ID)
				}
				continue
			}
			h.overIn[n.ID] = true
			if len(h.firedIn) > 0 && !h.firedIn[n.Thread] && n.Kind != Digest && !m.full.lost[a.ID] {
				m.t.Errorf("the end of %s is in another thread", a.ID)
			}
		}
	}
	m.checkCap()
	if n := len(m.full.unkept); n != 0 {
		m.t.Errorf("%d alerts are not kept", n)
	}
	if repeats > m.kills+m.full.forgotten {
		m.t.Errorf("%d repeats after %d kills, which made %d be forgotten", repeats, m.kills, m.full.forgotten)
	}
	for id, a := range m.last {
		switch h := all[id]; {
		case h == nil && m.quiet[id]:
		case h == nil:
			m.t.Errorf("%s was never told", id)
		case len(h.overIn) == 0 && m.quiet[id] && m.unnoted[id]: // it was not known to be told, and then silenced
		case len(h.overIn) > 1 && m.full.lost[id]: // it was told, and a full disk did not know of it when it was killed
		case len(h.overIn) != 1:
			m.t.Errorf("the end of %s was told in %d notices", id, len(h.overIn))
		case h.count != a.Count:
			m.t.Errorf("%s was told with %d findings, it has %d", id, h.count, a.Count)
		}
	}
	if n := m.metric("logkeel_notifications_pending"); n != 0 {
		m.t.Errorf("%v groups are left", n)
	}
	if n := len(m.q.state.entries); n != 0 {
		m.t.Errorf("%d alerts are left", n)
	}
}

var modelRuns = flag.Uint64("models", 11, "how many runs TestModel has; 32 are all kinds of configurations")

// TestModel lets anything happen in any order.
func TestModel(t *testing.T) {
	spoken := 0
	for run := range *modelRuns {
		seed := run
		if *modelRuns < 32 {
			seed = 3 * run // some of each kind
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorld(t, func(w *world) {
				m := &model{
					world: w, rng: rand.New(rand.NewPCG(seed, 7)),
					firing: map[string]*agent.Alert{}, last: map[string]agent.Alert{}, quiet: map[string]bool{}, unnoted: map[string]bool{},
					full: newFullDisk(),
				}
				w.kill()
				m.configure(seed)
				w.open()
				m.begin()
				for range 150 {
					m.step()
				}
				m.finish()
				m.check()
				m.checkSilences()
				spoken += m.full.spoken
				if len(m.heard) < 3 {
					t.Errorf("only %d notices", len(m.heard))
				}
			})
		})
	}
	if spoken < int(*modelRuns)/3 {
		t.Errorf("only %d notices were told while the disk was full", spoken)
	}
}
