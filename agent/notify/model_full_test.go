package notify

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A fullDisk is what a disk that is or was full does not have yet. When the
// process is killed then, it may be told again.
type fullDisk struct {
	behind bool                   // there may be such; guarded by mu
	told   []*Notice              // guarded by mu
	at     []time.Time            // of these
	unkept map[string]agent.Alert // what was handed over, by ID, as the rules give it again

	lost      map[string]bool // IDs of alerts that a killed process had in memory
	forgotten int             // notices that one had told
	spoken    int             // notices that were told while behind
}

func newFullDisk() fullDisk {
	return fullDisk{unkept: map[string]agent.Alert{}, lost: map[string]bool{}}
}

// hear notes a notice. The caller holds mu.
func (f *fullDisk) hear(n *Notice) {
	if f.behind {
		f.spoken++
		f.told, f.at = append(f.told, n), append(f.at, time.Now())
	}
}

// give hands alerts over as the rules do: what is not kept is given again.
func (m *model) give(alerts ...agent.Alert) {
	m.t.Helper()
	err := m.q.Notify(m.t.Context(), alerts)
	if err != nil && !errors.Is(err, agent.ErrInMemory) {
		m.t.Fatal(err)
	}
	kept := err == nil && !m.disk.full.Load() // or else the rules' own file has nothing of it either
	for _, a := range alerts {
		switch had, ok := m.full.unkept[a.ID]; {
		case kept && ok && had.Revision <= a.Revision:
			delete(m.full.unkept, a.ID)
		case !kept && (!ok || had.Revision < a.Revision):
			m.full.unkept[a.ID] = a
		}
	}
}

// giveAgain is what the rules do every few seconds.
func (m *model) giveAgain() {
	if len(m.full.unkept) > 0 {
		m.give(slices.Collect(maps.Values(m.full.unkept))...)
	}
	m.q.write.Lock()
	noted := m.q.unwritten == nil && m.q.dirty.empty()
	m.q.write.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if noted && !m.disk.full.Load() {
		m.full.behind, m.full.told, m.full.at = false, nil, nil
	}
}

// fill makes the disk full, or makes room.
func (m *model) fill(full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk.full.Store(full)
	m.full.behind = m.full.behind || full
}

// forget is what a kill does.
func (m *model) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.full.unkept {
		m.full.lost[id], m.unnoted[id] = true, true
	}
	for _, n := range m.full.told {
		for _, a := range n.Alerts {
			m.full.lost[a.ID], m.unnoted[a.ID] = true, true
		}
	}
	m.killsAt = append(m.killsAt, m.full.at...) // they are in no count of the cap
	m.full.forgotten += len(m.full.told)
	m.full.told, m.full.at = nil, nil
}
