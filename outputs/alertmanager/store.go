package alertmanager

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	maxAlerts = 5000
	maxDone   = 5000           // alerts that are remembered to be over
	giveUp    = 24 * time.Hour // for how long an instance may be away that should hear of an end
)

// An entry is one alert that an instance has to hear of still: that it fires, or
// that it is over.
type entry struct {
	ID          string            `json:"id"`
	Revision    uint64            `json:"rev"`
	Labels      map[string]string `json:"labels"` // as they were when the alert came first
	Annotations map[string]string `json:"annotations"`
	Starts      time.Time         `json:"starts"`
	Ended       time.Time         `json:"ended,omitzero"`
	EndSeen     time.Time         `json:"end_seen,omitzero"` // when the output was told that, by the agent's clock
	Told        map[string]told   `json:"told,omitempty"`    // by instance

	print string // of Labels: what Alertmanager tells alerts apart by
	text  []byte // as it is in the file; nil where it changed since it was made
}

// told is how far one instance is with one alert.
type told struct {
	First time.Time `json:"first,omitzero"` // when it took it as firing
	Over  bool      `json:"over,omitempty"` // it knows that it is over

	last    time.Time // when it took it last
	refused bool      // it will not take it; tried again after a restart
}

// done is an alert that is over and told.
type done struct {
	ID       string `json:"id"`
	Revision uint64 `json:"rev"`
}

// settled reports whether the instance has to hear no more of one that is over.
func (t told) settled() bool { return t.Over || t.refused }

// A store is the entries, and the file that has them. Whoever uses it locks it.
type store struct {
	path    string
	byID    map[string]*entry
	byPrint map[string][]*entry
	done    []string          // IDs of alerts that are over and told, the oldest first
	gone    map[string]uint64 // and their revisions
	dirty   bool              // the file lacks something that may be lost
	owing   bool              // and something that may not
	size    int               // of the file, when it was last written
}

// saved is the file.
type saved struct {
	Version int      `json:"version"`
	Alerts  []*entry `json:"alerts"`
	Done    []done   `json:"done,omitempty"`
}

func openStore(dir string, log *slog.Logger) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &store{path: filepath.Join(dir, "alerts.json"), byID: map[string]*entry{}, byPrint: map[string][]*entry{}, gone: map[string]uint64{}}
	data, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case err != nil:
		return nil, err
	}
	f, err := parse(data)
	if err != nil {
		// Without it what fires is sent again, and the rest ends by itself soon.
		aside := s.path + ".damaged"
		log.Warn("what was kept of alerts is damaged; it is put aside, and what fires is sent anew", "file", aside, "error", err)
		return s, os.Rename(s.path, aside)
	}
	for _, d := range f.Done {
		s.forget(d.ID, d.Revision)
	}
	for _, e := range f.Alerts {
		s.add(e)
	}
	return s, nil
}

func parse(data []byte) (f saved, err error) {
	if err := json.Unmarshal(data, &f); err != nil {
		return f, err
	}
	if f.Version != 1 {
		return f, fmt.Errorf("it has version %d, and this logkeel reads 1", f.Version)
	}
	known := map[string]bool{}
	for _, e := range f.Alerts {
		if e == nil || e.ID == "" || len(e.Labels) == 0 {
			return f, errors.New("an alert has no ID or no labels")
		}
		if known[e.ID] {
			return f, errors.New("an alert is there twice")
		}
		known[e.ID] = true
	}
	return f, nil
}

// save writes the file. Of entries that did not change it has the text already:
// they are most, and to make it takes longer than to write it.
func (s *store) save() error {
	s.dirty, s.owing = true, true
	b := append(make([]byte, 0, s.size+s.size/8), `{"version":1,"alerts":[`...)
	for i, e := range s.all() {
		if e.text == nil {
			text, err := json.Marshal(e)
			if err != nil {
				return err
			}
			e.text = text
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.text...)
	}
	b = append(b, ']')
	if len(s.done) > 0 {
		over := make([]done, len(s.done))
		for i, id := range s.done {
			over[i] = done{id, s.gone[id]}
		}
		text, err := json.Marshal(over)
		if err != nil {
			return err
		}
		b = append(append(b, `,"done":`...), text...)
	}
	b = append(b, '}')
	s.size = len(b)
	if err := agent.ReplaceFile(s.path, b); err != nil {
		return err
	}
	s.dirty, s.owing = false, false
	return nil
}

// all are the entries in the order in which they began.
func (s *store) all() []*entry {
	return slices.SortedFunc(maps.Values(s.byID), func(a, b *entry) int {
		return cmp.Or(a.Starts.Compare(b.Starts), cmp.Compare(a.ID, b.ID))
	})
}

// add puts an entry in. Those with the same labels are one alert to
// Alertmanager: the end of one must not end another that fires.
func (s *store) add(e *entry) {
	e.print = printOf(e.Labels)
	if e.Told == nil {
		e.Told = map[string]told{}
	}
	s.byID[e.ID] = e
	s.byPrint[e.print] = append(s.byPrint[e.print], e)
	s.supersede(e.print)
}

// supersede removes those that are over, where another one with the same labels
// fires: that one goes on with what instances were told.
func (s *store) supersede(print string) {
	same := s.byPrint[print]
	i := slices.IndexFunc(same, func(e *entry) bool { return e.Ended.IsZero() })
	if i < 0 || len(same) == 1 {
		return
	}
	fires := same[i]
	for _, e := range slices.Clone(same) {
		if e.Ended.IsZero() {
			continue
		}
		for instance, t := range e.Told {
			if n := fires.Told[instance]; n.First.IsZero() && !t.First.IsZero() && !t.Over {
				n.First = t.First
				fires.Told[instance], fires.text = n, nil
			}
		}
		s.remove(e)
	}
}

// remove takes an entry out that nobody has to hear of any more.
func (s *store) remove(e *entry) {
	delete(s.byID, e.ID)
	s.byPrint[e.print] = slices.DeleteFunc(s.byPrint[e.print], func(o *entry) bool { return o == e })
	if len(s.byPrint[e.print]) == 0 {
		delete(s.byPrint, e.print)
	}
	s.forget(e.ID, e.Revision)
	s.dirty = true
}

// forget keeps only that the alert was over in this revision.
func (s *store) forget(id string, revision uint64) {
	if _, ok := s.gone[id]; !ok {
		if len(s.done) >= maxDone {
			delete(s.gone, s.done[0])
			s.done = slices.Delete(s.done, 0, 1)
		}
		s.done = append(s.done, id)
	}
	s.gone[id] = max(s.gone[id], revision)
}

// printOf is one text of the labels; their values have no NUL.
func printOf(labels map[string]string) string {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b = append(b, name...)
		b = append(b, 0)
		b = append(b, labels[name]...)
		b = append(b, 0)
	}
	return string(b)
}
