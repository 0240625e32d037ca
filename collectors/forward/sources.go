package forward

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

const (
	maxSources = 1000 // that are open
	other      = "(other)"
)

// A source is the records of one tag and one container. Its offsets are twice
// the seq of the frame that a record lies in, and one more for what was waited
// for in vain.
type source struct {
	src     *agent.Source
	feed    agent.Feed
	key     string
	epoch   uint64
	used    uint64 // the window in which it last had something
	pending int    // needs
	last    uint64 // the newest frame with a record of it, also of those that are done
	needed  uint64 // the newest frame that waits for the source
	floor   int64  // how far the first consumer was when it was opened
	late    int    // of open
	safe    agent.Position
	open    []*partial
	items   []item // of this window
}

func offset(seq uint64) int64 { return 2 * int64(seq) }

// add gives the source a record of this window.
func (s *source) add(d *dispatcher, it *item) {
	if len(s.items) == 0 {
		d.touched = append(d.touched, s)
		if n := len(d.spare); n > 0 {
			s.items, d.spare = d.spare[n-1], d.spare[:n-1]
		}
	}
	s.items = append(s.items, *it)
}

// sourceOf is the source of a record, opened if need be.
func (d *dispatcher) sourceOf(tag []byte, r *seen) *source {
	k := append(d.key[:0], tag...)
	for _, part := range [][]byte{r.container, r.id, r.project, r.service} {
		k = append(append(k, 0), part...)
	}
	d.key = k
	if s := d.sources[string(k)]; s != nil {
		return s
	}
	key := string(k)
	if len(d.sources) >= maxSources && !d.evict() {
		if s := d.sources[other]; s != nil {
			return s
		}
		return d.openSource(other, other, &seen{})
	}
	return d.openSource(key, string(tag), r)
}

// openSource opens the source, at a place behind all that consumers have of it.
func (d *dispatcher) openSource(key, tag string, r *seen) *source {
	s := &source{key: key, epoch: d.epoch, src: d.describe(tag, r)}
	if key == other {
		s.src.ID = "forward/" + d.name + ":|" + other // as no tag has it
	}
	s.feed = d.sink.Open(s.src)
	if all := s.feed.Resume(); len(all) > 0 {
		last := all[len(all)-1]
		s.epoch = max(s.epoch, last.Epoch)
		// What it was before the spool was removed or damaged does not count. What
		// others are (other) for changes with each run.
		if key == other || s.epoch == last.Epoch && last.Offset > offset(d.end)-1 {
			s.epoch = last.Epoch + 1
		}
		if s.epoch == last.Epoch {
			s.last, s.floor = uint64(last.Offset/2), last.Offset
		}
	}
	d.sources[key] = s
	return s
}

func (d *dispatcher) describe(tag string, r *seen) *agent.Source {
	var id strings.Builder
	id.WriteString("forward/" + d.name + ":" + url.PathEscape(tag)) // no two tags have the same one
	labels := maps.Clone(d.labels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, p := range []struct {
		label string
		value []byte
	}{{"container", r.container}, {"", r.id}, {"project", r.project}, {"service", r.service}} {
		id.WriteString("|" + url.QueryEscape(string(p.value)))
		if p.label != "" && len(p.value) > 0 {
			labels[p.label] = strings.ToValidUTF8(string(p.value), "\uFFFD")
		}
	}
	labels["source"], labels["tag"] = d.name, strings.ToValidUTF8(tag, "\uFFFD")
	s := &agent.Source{
		ID:        strings.TrimRight(id.String(), "|"),
		Collector: d.name, Name: labels["tag"], Tag: tag,
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		s.Labels = append(s.Labels, agent.Label{Name: k, Value: labels[k]})
	}
	return s
}

// evict closes the source that had nothing for the longest time, of those of
// which all is safe.
func (d *dispatcher) evict() bool {
	var oldest *source
	for _, s := range d.sources {
		if s.pending == 0 && len(s.open) == 0 && s.used != d.window && (oldest == nil || s.used < oldest.used) {
			oldest = s
		}
	}
	if oldest == nil {
		return false
	}
	oldest.feed.Close(true)
	delete(d.sources, oldest.key)
	return true
}
