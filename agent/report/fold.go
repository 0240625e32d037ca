package report

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// maxOwn and maxOthers bound the series of which the last value is known, of
	// this process and of servers.
	maxOwn, maxOthers = 50_000, 5000
	// maxLabel bounds a label's value, in bytes.
	maxLabel = 240
)

// A last is what series had when they were seen last, by a hash of what they are.
type last struct {
	values map[uint64]float64
	seen   map[uint64]uint64 // in which turn
	max    int
	swept  uint64 // in which turn what is gone was forgotten
}

func newLast(most int, values map[uint64]float64) *last {
	if values == nil {
		values = map[uint64]float64{}
	}
	return &last{values: values, seen: map[uint64]uint64{}, max: most}
}

// swap keeps the value and returns the one before. What there is no room for stays
// as it was: nobody knows by how much it has grown.
func (l *last) swap(id uint64, v float64, turn uint64) (before float64, known bool) {
	before, known = l.values[id]
	if !known && len(l.values) >= l.max && !l.forget(turn) {
		return v, true
	}
	l.values[id], l.seen[id] = v, turn
	return before, known
}

// forget drops what was not there in the turn before, once a turn.
func (l *last) forget(turn uint64) bool {
	if l.swept == turn {
		return false
	}
	l.swept = turn
	for id := range l.values {
		if l.seen[id]+1 < turn {
			delete(l.values, id)
			delete(l.seen, id)
		}
	}
	return len(l.values) < l.max
}

// A folder adds samples to a period.
type folder struct {
	tracks map[string]track
	own    *last // of this process
	others *last
	turn   uint64
	// blank says that what this process has counted so far was before anything
	// was kept. Otherwise a counter that was not there before has begun at 0.
	blank bool
}

// fold takes one minute's samples into p.
func (f *folder) fold(p *Period, meter func(yield func(agent.Sample)), now time.Time) {
	f.turn++
	values := map[*Series]float64{} // of gauges, of which several may be one
	meter(func(s agent.Sample) {
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) || s.Type == agent.Histogram {
			return
		}
		t, ok := f.track(p, s.Name)
		if !ok || t.is[0] != "" && label(s.Labels, t.is[0]) != t.is[1] {
			return
		}
		f.one(p, &s, t, now, values)
	})
	for s, v := range values {
		s.gauge(v)
	}
	f.blank = false
}

func (f *folder) track(p *Period, name string) (track, bool) {
	t, ok := f.tracks[name]
	if ok || !strings.HasPrefix(name, backups) {
		return t, ok
	}
	had := 0
	for m := range p.Series {
		if m != name && strings.HasPrefix(m, backups) {
			had++
		}
	}
	return track{kind: gauge, max: few}, had < maxBackups
}

func (f *folder) one(p *Period, s *agent.Sample, t track, now time.Time, values map[*Series]float64) {
	var before float64
	known := false
	switch t.kind {
	case own:
		if s.Value == 0 { // most rules find nothing in most logs
			id := identity(s)
			if _, ok := f.own.values[id]; ok {
				f.own.values[id] = 0
			}
			if t.max != many || p.Series[s.Name][keyOf(s, t.by)] != nil {
				f.series(p, s, t).there(now)
			}
			return
		}
		before, known = f.own.swap(identity(s), s.Value, f.turn)
		known = known || !f.blank
	case grows, changes:
		before, known = f.others.swap(identity(s), s.Value, f.turn)
	}
	if s.Value == 0 && t.max == many && p.Series[s.Name][keyOf(s, t.by)] == nil {
		return // most rules have no alerts
	}
	into := f.series(p, s, t)
	into.there(now)
	switch {
	case t.kind == gauge:
		values[into] += s.Value
	case !known:
		into.Last = s.Value
	case t.kind == changes:
		into.change(before, s.Value)
	case s.Value < before: // it began anew
		into.Sum += s.Value
	default:
		into.Sum += s.Value - before
	}
}

// there notes that the series was measured.
func (s *Series) there(now time.Time) {
	if !s.Seen.Equal(now) {
		s.N++
		s.Seen = now
	}
}

func (s *Series) gauge(v float64) {
	if s.N <= 1 {
		s.First, s.Low, s.High = v, v, v
	}
	s.Sum += v
	s.Last, s.Low, s.High = v, min(s.Low, v), max(s.High, v)
}

func (s *Series) change(before, v float64) {
	s.Last = v
	if v == before {
		return
	}
	s.Turns++
	if before == 0 {
		s.Rises++
	}
	if v == 0 {
		s.Falls++
	}
}

// series is where the sample belongs.
func (f *folder) series(p *Period, s *agent.Sample, t track) *Series {
	if p.Series == nil {
		p.Series = map[string]map[string]*Series{}
	}
	all := p.Series[s.Name]
	if all == nil {
		all = map[string]*Series{}
		p.Series[s.Name] = all
	}
	key := keyOf(s, t.by)
	if all[key] == nil {
		if len(all) >= t.max {
			key = strings.Join(slices.Repeat([]string{other}, max(1, len(t.by))), sep)
		}
		if all[key] == nil {
			all[key] = &Series{}
		}
	}
	return all[key]
}

// keyOf is the values of the labels. Of a metric that is kept as it is that is
// all of them.
func keyOf(s *agent.Sample, by []string) string {
	var values []string
	if by == nil && strings.HasPrefix(s.Name, backups) {
		for _, l := range s.Labels {
			values = append(values, clip(l.Value))
		}
	}
	for _, name := range by {
		values = append(values, clip(label(s.Labels, name)))
	}
	return strings.Join(values, sep)
}

// clip is v as it is after JSON, too.
func clip(v string) string {
	if len(v) > maxLabel {
		v = v[:maxLabel]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), sep, " ")
}

func label(all []agent.Label, name string) string {
	for _, l := range all {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// identity tells the agent's series from each other.
func identity(s *agent.Sample) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s.Name))
	for _, l := range s.Labels {
		h.Write([]byte{0})
		h.Write([]byte(l.Name))
		h.Write([]byte{0})
		h.Write([]byte(l.Value))
	}
	return h.Sum64()
}
