package integrity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/printable"
)

// A status is what the goroutine has found, for snapshots.
type status struct {
	counted counters
	tally   *tally // nil: nothing is known yet
	since   time.Time

	last       *walked // nil: no walk has come to its end
	unreadable int     // folders, at that walk
	omitted    int
	first      error // why the first of what is unreadable is
	saveErr    error

	findings []finding
	over     time.Time               // until then there are more than are shown
	shown    map[seriesKey]time.Time // when each was last so
	pending  []record
	lost     int // findings that pending had no room for
}

// begin shows what was known before.
func (s *Sampler) begin(w *watch, findings []finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.findings = findings
	if w.tree.learned {
		s.status.tally, s.status.since = w.tally(), w.tree.since
	}
}

// publish adds what one look has found.
func (s *Sampler) publish(w *watch, c *check) {
	var t *tally
	if w.dirty || c.done != nil {
		t = w.tally()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.status
	st.counted.add(c.batch.by)
	if t != nil && w.tree.learned {
		st.tally, st.since = t, w.tree.since
	}
	if c.done != nil {
		st.last, st.unreadable, st.omitted, st.first = c.done, c.unreadable, c.omitted, c.first
	} else if c.first != nil {
		st.first = c.first
	}
	if c.batch.total() == 0 {
		return
	}
	var over int
	now := s.now()
	st.findings, over = remember(st.findings, &c.batch, now.Add(-shownFor))
	if over > 0 {
		st.over = now.Add(shownFor)
	}
	st.record(&c.batch, now)
}

// shown are the findings that a restart must not forget.
func (s *Sampler) shown() []finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status.findings
}

// Sample says what was found until now. The first one starts to look.
func (s *Sampler) Sample(_ context.Context, yield func(agent.Sample)) error {
	s.mu.Lock()
	samples, err := s.status.samples(s.now())
	s.mu.Unlock()
	s.start() // after that: a counter's first value is what it was before
	for _, one := range samples {
		yield(one)
	}
	return err
}

func (st *status) samples(now time.Time) (all []agent.Sample, err error) {
	add := func(kind agent.SampleType, name, help string, v float64, labels ...agent.Label) {
		all = append(all, agent.Sample{Name: "logkeel_integrity_" + name, Help: help, Type: kind, Value: v, Labels: labels})
	}
	add(agent.Counter, "changed_total", "Files whose content was found to be another one.", float64(st.counted.Changed))
	add(agent.Counter, "added_total", "Files that were found to be new.", float64(st.counted.Added))
	add(agent.Counter, "removed_total", "Files that were found to be gone.", float64(st.counted.Removed))
	add(agent.Counter, "owner_changed_total", "Files and folders whose owner or group was found to be another one.", float64(st.counted.Owner))
	add(agent.Counter, "mode_changed_total", "Files and folders whose mode was found to be another one.", float64(st.counted.Mode))
	if t := st.tally; t != nil {
		add(agent.Gauge, "files", "Files that are watched over.", float64(t.files))
		const writable = "Files and folders that everybody may write, without those that are allowed to be so."
		add(agent.Gauge, "world_writable", writable, float64(t.writable), agent.Label{Name: "type", Value: "file"})
		add(agent.Gauge, "world_writable", writable, float64(t.open), agent.Label{Name: "type", Value: "folder"})
		add(agent.Gauge, "setuid", "Files with setuid or setgid, without those that are allowed to have it.", float64(t.setuid))
		add(agent.Gauge, "unreadable", "Files and folders that the agent may not read.", float64(t.unread+st.unreadable))
		add(agent.Gauge, "unhashed", "Files whose content is to be read still, for the first time.", float64(t.unhashed))
		add(agent.Gauge, "baseline_timestamp_seconds", "When what was there was taken as right.", seconds(st.since))
	}
	if l := st.last; l != nil {
		add(agent.Gauge, "walk_seconds", "How long the last walk took.", l.took.Seconds())
		add(agent.Gauge, "last_walk_timestamp_seconds", "When the last walk came to its end.", seconds(l.at))
		add(agent.Gauge, "omitted", "Files that are left out, for there are more than max_files.", float64(st.omitted))
		add(agent.Gauge, "unwatched_folders", "Folders in which a change is found by the next walk only.", float64(l.unwatched))
	}
	return append(all, st.series(now)...), st.failure()
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// series are the findings by path.
func (st *status) series(now time.Time) (all []agent.Sample) {
	is := map[seriesKey]bool{}
	if t := st.tally; t != nil {
		for _, k := range t.loose {
			is[k] = true
		}
		for k, n := range t.looseLeft {
			if n > maxFindings {
				is[seriesKey{"", k}] = true
			}
		}
	}
	for _, f := range st.findings {
		if now.Sub(f.at) < shownFor {
			is[seriesKey{f.path, f.kind}] = true
		}
	}
	if now.Before(st.over) {
		is[seriesKey{"", kindChanged}] = true
	}
	if st.shown == nil {
		st.shown = map[seriesKey]time.Time{}
	}
	for k, at := range st.shown {
		if !is[k] && (now.Sub(at) > clearFor || len(st.shown) > maxShown) {
			delete(st.shown, k)
		}
	}
	for k := range is {
		st.shown[k] = now
	}
	values := map[[2]string]float64{}
	for k := range st.shown { // two paths may look alike once they are cut
		key := [2]string{shownPath(k.path), k.kind.String()}
		values[key] = max(values[key], boolean(is[k]))
	}
	for _, key := range slices.SortedFunc(maps.Keys(values), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		all = append(all, agent.Sample{
			Name: "logkeel_integrity_finding", Help: "What was found of a file within the hour, or is so: 1.", Value: values[key],
			Labels: []agent.Label{{Name: "path", Value: key[0]}, {Name: "kind", Value: key[1]}},
		})
	}
	return all
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// maxPath bounds a path in a label, in bytes.
const maxPath = 300

// shownPath is the path as a label: one line of printable text.
func shownPath(path string) string {
	if path == "" {
		return "(other)"
	}
	s := printable.Line(path)
	if len(s) <= maxPath {
		return s
	}
	return "…" + strings.ToValidUTF8(s[len(s)-maxPath:], "") // its end says more
}

// failure is why not everything is looked at, and what to do.
func (st *status) failure() error {
	var errs []error
	if st.last != nil {
		errs = append(errs, st.last.err)
	}
	n := st.unreadable
	if st.tally != nil {
		n += st.tally.unread
	}
	if n > 0 {
		why := ""
		switch {
		case st.first != nil:
			why = printable.Line(st.first.Error())
		case st.tally != nil:
			why = printable.Line(st.tally.unreadAt)
		}
		errs = append(errs, fmt.Errorf("%d files or folders cannot be read (%s); run the agent as a user who may read them, or give its container cap_add: [DAC_READ_SEARCH]", n, why))
	}
	return errors.Join(append(errs, st.saveErr)...)
}
