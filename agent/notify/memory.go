package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	keepMarks = time.Hour // at the least, also of running
	maxMarks  = 20_000
	maxCools  = 20_000
)

// A stamp is a time. What waits for it goes by at, the time since the queue was
// opened, negative before, which the machine's clock does not move; wall is what
// people and the disk are told.
type stamp struct {
	at   time.Duration
	wall time.Time
}

// MarshalJSON gives the wall time.
func (s stamp) MarshalJSON() ([]byte, error) { return json.Marshal(s.wall) }

// UnmarshalJSON reads the wall time; restore makes use of it.
func (s *stamp) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &s.wall) }

// IsZero reports whether there is no time.
func (s stamp) IsZero() bool { return s.wall.IsZero() }

// restore places a time from the disk before opened. One that is not is from a
// clock that was wrong, or has been put back since, and counts as now.
func (s *stamp) restore(opened time.Time) {
	if s.wall.IsZero() {
		return
	}
	if s.wall.After(opened) {
		s.wall = opened
	}
	s.at = s.wall.Sub(opened)
}

// A mark is what was told of one alert. It stays for a while when the alert is
// over, for after a crash it may come again.
type mark struct {
	ID       string        `json:"id"`
	Revision uint64        `json:"rev"`
	Count    uint64        `json:"count,omitempty"`
	Over     bool          `json:"over,omitempty"` // it was told that it is over
	At       stamp         `json:"at"`
	Keep     time.Duration `json:"keep,omitempty"`
}

func (m *mark) expires() time.Duration {
	return max(m.At.at+m.Keep, max(m.At.at, 0)+keepMarks)
}

// A cool is when an alert of one key was last told.
type cool struct {
	Key string        `json:"key"`
	At  stamp         `json:"at"`
	For time.Duration `json:"for"`
}

// A fold is an alert that was too many, and counts in the one that stands for
// such.
type fold struct {
	ID       string `json:"id"`
	Into     string `json:"into"` // ID of that one
	Revision uint64 `json:"rev"`
	Count    uint64 `json:"count"`
	Over     bool   `json:"over,omitempty"`
	At       stamp  `json:"at"`
}

// state is all that a queue knows. It does nothing by itself.
type state struct {
	groups  map[string]*group // by key; each has entries
	entries map[string]*entry // of all groups, by the alert's ID
	others  map[string]*entry // of these, the ones that stand for many, by otherKey
	marks   map[string]*mark  // by the alert's ID
	cools   map[string]*cool
	folds   map[string]*fold // by the alert's ID
	spent   spent
}

func newState() *state {
	return &state{
		groups: map[string]*group{}, entries: map[string]*entry{}, others: map[string]*entry{},
		marks: map[string]*mark{}, cools: map[string]*cool{}, folds: map[string]*fold{},
	}
}

// put adds the entry to the group with that key.
func (s *state) put(e *entry, key string, labels []agent.Label) {
	g := s.groups[key]
	if g == nil {
		g = newGroup(key, labels, e.incident)
		s.groups[key] = g
	}
	e.group = g
	g.entries[e.alert.ID] = e
	s.entries[e.alert.ID] = e
	if e.other {
		s.others[otherKey(&e.alert)] = e
	}
}

// remove takes the entry out, and its group with the last one, and names the
// journal's items that go with them.
func (s *state) remove(e *entry) (gone []string) {
	g := e.group
	delete(s.entries, e.alert.ID)
	if k := otherKey(&e.alert); s.others[k] == e {
		delete(s.others, k)
	}
	delete(g.entries, e.alert.ID)
	gone = append(gone, alertItem(e.alert.ID))
	if len(g.entries) == 0 {
		delete(s.groups, g.key)
		gone = append(gone, groupItem(g.key))
	}
	return gone
}

// prune forgets what is too old to matter, and the oldest where it is too much.
// The names of what is gone are those of the journal.
func (s *state) prune(now time.Duration) (gone []string) {
	for _, e := range s.entries {
		if e.settled() && !e.group.sending { // it was under way when it came to be so
			gone = append(gone, s.remove(e)...)
		}
	}
	for id, m := range s.marks {
		if s.entries[id] == nil && now >= m.expires() {
			delete(s.marks, id)
			gone = append(gone, markItem(id))
		}
	}
	for key, c := range s.cools {
		if now >= c.At.at+c.For {
			delete(s.cools, key)
			gone = append(gone, coolItem(key))
		}
	}
	for id, f := range s.folds {
		if s.entries[f.Into] == nil && now >= max(f.At.at, 0)+keepMarks {
			delete(s.folds, id)
			gone = append(gone, foldItem(id))
		}
	}
	for _, id := range oldest(s.marks, maxMarks, func(m *mark) time.Duration {
		if s.entries[m.ID] != nil {
			return never
		}
		return m.At.at
	}) {
		delete(s.marks, id)
		gone = append(gone, markItem(id))
	}
	for _, key := range oldest(s.cools, maxCools, func(c *cool) time.Duration { return c.At.at }) {
		delete(s.cools, key)
		gone = append(gone, coolItem(key))
	}
	return gone
}

// oldest names what is more than most, and some more, so that it is not looked
// for again at once.
func oldest[T any](m map[string]T, most int, age func(T) time.Duration) []string {
	if len(m) <= most {
		return nil
	}
	names := make([]string, 0, len(m))
	for name, v := range m {
		if age(v) != never {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(age(m[a]), age(m[b])), cmp.Compare(a, b))
	})
	return names[:min(len(names), len(m)-most/10*9)]
}

// cooldownKey names what a cooldown goes by: the rule, and what it counts by.
func cooldownKey(a *agent.Alert) string {
	var b strings.Builder
	writeLabels(&b, []agent.Label{{Name: "rule", Value: a.Rule.Name}})
	writeLabels(&b, a.Key)
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:12])
}

const spentItem = "spent"

func alertItem(id string) string  { return "alert " + id }
func markItem(id string) string   { return "mark " + id }
func foldItem(id string) string   { return "fold " + id }
func coolItem(key string) string  { return "cool " + key }
func groupItem(key string) string { return "group " + key }
