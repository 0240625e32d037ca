package agent

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxSeries bounds how many sources have counters of their own.
	maxSeries = 1000
	// maxZeroFindings bounds the series (sources times rules) up to which a rule
	// on lines that found nothing yet is exported as 0: without the 0, Prometheus's
	// increase() does not see the first finding.
	maxZeroFindings = 10_000
	overflow        = "(other)"
)

// A seriesKey is how a source is known to metrics. Sources that share it (a
// container and its successor, the files of one glob) share the counters.
type seriesKey struct{ source, project, service, container string }

func keyOf(s *Source) seriesKey {
	return seriesKey{s.Collector, s.Label("project"), s.Label("service"), s.Label("container")}
}

// A series holds the counters of one key. They never go back while it lives.
type series struct {
	key                          seriesKey
	lines, bytes, malformed, cut atomic.Uint64
	findings                     []atomic.Uint64 // by Rule.Index; replaced while nothing is emitted
	feeds                        int             // guarded by stats.mu
}

func (s *series) count(b *Batch, from int) {
	var bytes, malformed, cut uint64
	for i := from; i < len(b.Records); i++ {
		r := &b.Records[i]
		bytes += uint64(r.Body.Len())
		if r.Flags != 0 {
			if r.Flags&Malformed != 0 {
				malformed++
			}
			if r.Flags&Cut != 0 {
				cut++
			}
		}
	}
	s.lines.Add(uint64(len(b.Records) - from + b.Passed.Lines))
	s.bytes.Add(bytes + uint64(b.Passed.Bytes))
	if malformed|cut != 0 {
		s.malformed.Add(malformed)
		s.cut.Add(cut)
	}
	for i := len(b.Findings) - 1; i >= 0 && int(b.Findings[i].Record) >= from; i-- {
		s.findings[b.Findings[i].Rule.Index].Add(1)
	}
}

// stats are the counters of all sources.
type stats struct {
	rules []*Rule

	mu     sync.Mutex
	series map[seriesKey]*series
	order  []*series // as they came
	feeds  map[*feed]struct{}
}

func newStats(rules []*Rule) *stats {
	return &stats{rules: rules, series: map[seriesKey]*series{}, feeds: map[*feed]struct{}{}}
}

// open returns the source's series. When there are too many, the oldest one
// that nobody feeds any more makes room; without one the overflow takes it.
func (st *stats) open(src *Source) *series {
	st.mu.Lock()
	defer st.mu.Unlock()
	k := keyOf(src)
	if s := st.series[k]; s != nil {
		s.feeds++
		return s
	}
	if len(st.order) >= maxSeries && !st.evict() {
		k = seriesKey{source: src.Collector, container: overflow}
		if s := st.series[k]; s != nil {
			s.feeds++
			return s
		}
	}
	s := &series{key: k, findings: make([]atomic.Uint64, len(st.rules)), feeds: 1}
	st.series[k] = s
	st.order = append(st.order, s)
	return s
}

func (st *stats) evict() bool {
	for i, s := range st.order {
		if s.feeds == 0 && s.key.container != overflow {
			delete(st.series, s.key)
			st.order = append(st.order[:i], st.order[i+1:]...)
			return true
		}
	}
	return false
}

func (st *stats) addFeed(f *feed) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.feeds[f] = struct{}{}
}

func (st *stats) removeFeed(f *feed) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if _, ok := st.feeds[f]; ok {
		delete(st.feeds, f)
		f.series.feeds--
	}
}

// each does something with each open feed.
func (st *stats) each(do func(*feed)) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for f := range st.feeds {
		do(f)
	}
}

// replace makes rules those that are counted. A rule that was there before, by
// its name, class and severity, goes on counting where it was.
func (st *stats) replace(rules []*Rule) {
	type name struct{ name, class, severity string }
	st.mu.Lock()
	defer st.mu.Unlock()
	was := make(map[name]int, len(st.rules))
	for i, r := range st.rules {
		was[name{r.Name, r.Class, r.Severity}] = i
	}
	for _, s := range st.series {
		now := make([]atomic.Uint64, len(rules))
		for i, r := range rules {
			if old, ok := was[name{r.Name, r.Class, r.Severity}]; ok {
				now[i].Store(s.findings[old].Load())
			}
		}
		s.findings = now
	}
	st.rules = rules
}

func (st *stats) unread() map[string]int64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	unread := map[string]int64{}
	for f := range st.feeds {
		n := f.behind.Load()
		if f.emits.Load() {
			n = max(n, 1) // what comes behind it is not known
		}
		unread[f.src.ID] = n
	}
	return unread
}

// stalled is for how long nothing was heard of the feed though its log has more,
// or a batch of it waits for an output.
func (f *feed) stalled() time.Duration {
	return f.stall.Look(f.behind.Load() > 0 || f.emits.Load(), f.moves.Load())
}

func (s *series) labels() []Label {
	return []Label{{"source", s.key.source}, {"project", s.key.project}, {"service", s.key.service}, {"container", s.key.container}}
}

func (st *stats) meter(yield func(Sample)) {
	type reading struct {
		unread  int64
		stalled time.Duration
		held    bool // by an output
	}
	st.mu.Lock()
	all := append([]*series(nil), st.order...)
	readings := map[*series]reading{}
	for f := range st.feeds {
		r := readings[f.series]
		r.unread += f.behind.Load()
		if d := f.stalled(); d > r.stalled {
			r.stalled, r.held = d, f.emits.Load()
		}
		readings[f.series] = r
	}
	open := len(st.feeds)
	st.mu.Unlock()
	for _, s := range all {
		labels := s.labels()
		counter := func(name, help string, v *atomic.Uint64) {
			yield(Sample{Name: name, Help: help, Type: Counter, Labels: labels, Value: float64(v.Load())})
		}
		counter("logkeel_source_lines_total", "Lines read, joined where the log had them in pieces.", &s.lines)
		counter("logkeel_source_bytes_total", "Bytes of those lines, without their envelope.", &s.bytes)
		counter("logkeel_source_malformed_lines_total", "Lines that are not in their log's format; they are shipped as they are.", &s.malformed)
		counter("logkeel_source_cut_lines_total", "Pieces of lines that were longer than a record may be.", &s.cut)
		r := readings[s]
		yield(Sample{Name: "logkeel_source_unread_bytes", Help: "Bytes known to be in the log and not read yet.", Labels: labels, Value: float64(r.unread)})
		why := ""
		switch {
		case r.stalled > 0 && r.held:
			why = "an output does not take what was read"
		case r.stalled > 0:
			why = "the log is not read on, or nothing comes of it"
		}
		yield(Sample{Name: "logkeel_source_stalled_seconds", Help: "For how long nothing was read of a log that has more; 0 where all is read, or reading goes on.", Labels: labels, Value: r.stalled.Seconds(), Note: why})
	}
	yield(Sample{Name: "logkeel_sources", Help: "Logs that are open now.", Value: float64(open)})
}

func (st *stats) meterFindings(yield func(Sample)) {
	st.mu.Lock()
	all := append([]*series(nil), st.order...)
	rules, findings := st.rules, make([][]atomic.Uint64, len(st.order))
	for i, s := range all {
		findings[i] = s.findings
	}
	st.mu.Unlock()
	zeros := len(all)*len(rules) <= maxZeroFindings
	for at, s := range all {
		labels := s.labels()
		for i, r := range rules {
			n := findings[at][i].Load()
			if n == 0 && (!zeros || r.OnSample) {
				continue
			}
			yield(Sample{
				Name: "logkeel_findings_total", Help: "Records for which a rule held.", Type: Counter,
				Labels: append(labels[:len(labels):len(labels)], Label{"rule", r.Name}, Label{"class", r.Class}, Label{"severity", r.Severity}),
				Value:  float64(n),
			})
		}
	}
}
