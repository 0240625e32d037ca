package rules

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

const (
	// maxKeys bounds how many keys one rule counts apart, and maxAllKeys how many
	// all rules do together. What is beyond is counted under one key a rule.
	maxKeys    = 1000
	maxAllKeys = 5000
	maxTimes   = 200_000 // of findings, of all keys of a rule
	maxEnded   = 5000    // alerts that are over and that nobody takes
	otherKey   = "(other)"
	// lateAfter is how long ago something was when it is no longer news.
	lateAfter = time.Hour
)

// AlertOptions are what Alerts need.
type AlertOptions struct {
	Ledger  *agent.Ledger
	Dir     string              // where what was counted is kept; "": nowhere
	Outputs []agent.AlertOutput // who tells people
	Log     *slog.Logger
	Clock   Clock // the zero value is the machine's

	// NoAbsence leaves out rules on the absence of lines, where logs end for other
	// reasons than that nothing was written.
	NoAbsence bool
	// NoContext shows no lines beside those that were found, where not all are
	// given.
	NoContext bool

	// Told is told of alerts as they are handed on, whether or not there is an
	// output, by the goroutine of Run; nil: nobody is. It keeps nothing of them
	// that it may change, and waits for nothing.
	Told func(alerts []agent.Alert)

	// Before is what these replace, after its Run has ended, or nil: counters go
	// on where its were, and so does Clock.
	Before *Alerts
}

// Alerts makes alerts of a Set's findings, and of samples.
//
// It is a durable consumer: what it has counted, the alerts that fire, those
// that were not handed on yet, and the positions up to which all that is so,
// are one file, replaced as a whole. A killed agent goes on from there, and the
// lines that came after it are judged again, with the same result.
type Alerts struct {
	set      *Set
	absences bool // there are rules on the absence of lines, and they are judged
	outputs  []agent.AlertOutput
	told     func([]agent.Alert) // or nil
	path     string
	log      *slog.Logger
	trouble  *agent.Trouble // with the file
	handing  *agent.Trouble // with the outputs
	clock    Clock
	consumer *agent.Consumer
	trails   *trails       // nil: no context is shown
	around   *surroundings // nil: nothing of it is shown
	grouped  sync.Pool     // of *groupedKeys
	grace    time.Duration // until when no log's alert is over, by Elapsed
	begun    time.Duration // likewise
	away     time.Duration // how long no agent ran before; negative where that is not known

	mu          sync.Mutex
	rules       []ruleState // by Rule.Index
	keys        int         // of all rules
	snapshots   map[string]*pace
	outbox      map[string]*outgoing // by alert ID
	touched     []*key               // scratch of Records
	metrics     []*family            // by metric.index
	watches     map[string]*watch    // by source ID, of rules on absence
	sweeps      uint64
	apart       time.Duration // of the two clocks
	unexplained bool          // which alerts explain others may have changed
	dirty       bool          // something moved since the file was written
	unstored    error         // why the last write of it failed
	failures    uint64        // to write it
	dropped     uint64        // alerts that nobody took
	ticked      time.Duration // when Tick last ended, by Elapsed

	rest time.Duration // until when the file is left alone, by Elapsed; of Run
}

var (
	_ agent.Alerter = (*Alerts)(nil)
	_ agent.Meter   = (*Alerts)(nil)
)

// A ruleState is what is known of one rule.
type ruleState struct {
	keys    map[string]*key
	series  map[string]*series // of a rule on samples
	fired   uint64
	folded  bool          // it was said that there are too many keys
	full    bool          // and too many series
	packed  time.Duration // when it could remember no more and nothing was to be forgotten, by Elapsed
	watched int64         // from when on its findings were counted, ns; of a rule with spike
	unread  uint64        // the sweep in which one of its logs had something unread, of a rule on absence by groups
}

// A key is what a rule counts apart from all else.
type key struct {
	rule   *rule
	text   string
	labels []agent.Label // of Alert.Key
	gone   bool          // forgotten; who still has it has to look anew

	times    window
	behind   window        // those of logs that are far behind the others
	lines    recent        // the newest, until it fires
	deadline time.Duration // until when it is not over, by Elapsed
	heard    time.Duration // when it was last found or measured, by Elapsed
	held     int64         // when the condition last held, by the data's time, ns
	last     int64         // when it was last found while it fires, likewise
	source   string        // ID of the log it was last found in
	beside   []string      // and of those it was found in before, while it fires
	alert    *agent.Alert  // nil while nothing fires
	spot     spot          // in its timeline
	shapes   *shapes       // of its findings; nil while nothing fires
	inFirst  extent        // what its first lines have
	owing    *owing        // what its newest lines wait for

	since    time.Time // of a sample: from when on the condition has held
	sinceRun time.Duration
	snapshot string // and the name of the snapshot it is in

	silence *silence // of a rule on absence
	traits  *traits  // of a rule on the change of labels
	missing *missing // of a rule on series that are gone
	surge   *surge   // of a rule with spike
}

// An outgoing alert is one that fires, or is over and was not handed on yet.
type outgoing struct {
	alert   *agent.Alert
	changed bool          // since it got its revision
	pending bool          // as it is now it was not handed on
	urgent  bool          // it began or ended since it was
	unkept  bool          // as it is now every output has it, but one in memory alone
	handed  time.Duration // when it was, by Elapsed
}

// NewAlerts reads what was kept in o.Dir and goes on from there.
func NewAlerts(set *Set, o AlertOptions) (*Alerts, error) {
	if o.Before != nil {
		o.Clock = o.Before.clock
	}
	if o.Clock.Wall == nil {
		o.Clock = machineClock()
	}
	a := &Alerts{
		set: set, absences: set.absences && !o.NoAbsence, outputs: o.Outputs, told: o.Told, path: statePath(o.Dir), clock: o.Clock,
		log: o.Log, trouble: agent.NewTrouble(o.Log), handing: agent.NewTrouble(o.Log),
		rules:     make([]ruleState, len(set.rules)),
		snapshots: map[string]*pace{},
		outbox:    map[string]*outgoing{},
		watches:   map[string]*watch{},
		begun:     o.Clock.Elapsed(), grace: o.Clock.Elapsed() + startGrace,
		away: -1, unexplained: true, trails: newTrails(set, &o), around: newSurroundings(set, &o),
	}
	if d, ok := o.Ledger.Away(); ok && o.Before == nil {
		a.away = d
	}
	for i := range a.rules {
		a.rules[i] = ruleState{keys: map[string]*key{}, series: map[string]*series{}, watched: o.Clock.Wall().UnixNano()}
	}
	for _, m := range set.metrics {
		a.metrics = append(a.metrics, newFamily(m))
	}
	a.grouped.New = func() any { return new(groupedKeys) }
	saved, err := a.load()
	if err != nil {
		return nil, err
	}
	a.expect()
	a.consumer = o.Ledger.Detached(agent.RulesConsumer, saved)
	if o.Before != nil {
		a.succeed(o.Before)
	}
	return a, nil
}

// succeed takes over the counters, and how often each snapshot comes: samplers
// were not restarted, and one that comes seldom is not missing.
func (a *Alerts) succeed(before *Alerts) {
	before.mu.Lock()
	defer before.mu.Unlock()
	a.succeedMetrics(before)
	a.failures, a.dropped = before.failures, before.dropped
	if a.around != nil && before.around != nil {
		a.around.snapshots = before.around.snapshots
	}
	for name, p := range before.snapshots {
		if a.clock.Elapsed() < before.untakenAt(name) {
			a.snapshots[name] = p
		}
	}
	fired := make(map[string]uint64, len(before.rules))
	for i := range before.rules {
		fired[before.set.rules[i].rule.Name] = before.rules[i].fired
	}
	for i := range a.rules {
		a.rules[i].fired = fired[a.set.rules[i].rule.Name]
	}
}

// Begin says that time begins only now, where Clock said before that it was 1970:
// from now on what rules name is waited for.
func (a *Alerts) Begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expect()
}

// Consumer holds the positions up to which records were judged.
func (a *Alerts) Consumer() *agent.Consumer { return a.consumer }

// Records judges the findings of b in the records from index from on.
func (a *Alerts) Records(b *agent.Batch, from int) {
	first, _ := slices.BinarySearchFunc(b.Findings, int32(from), func(f agent.Finding, record int32) int { return int(f.Record - record) })
	findings := b.Findings[first:]
	t := a.trails.of(b.Source)
	m := moment{b: b, from: from}
	if len(findings) == 0 {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.enter(&m, t)
		a.anyLine(b, from)
		a.safe(b, t, from)
		return
	}
	m.grouped = a.groupedKeys(b, findings)
	defer a.grouped.Put(m.grouped)
	m.keys = b.Source.Memo(a, func(*agent.Source) any { return &keysOf{make([]*key, len(a.set.rules))} }).(*keysOf)
	a.mu.Lock()
	defer a.mu.Unlock()
	m.wall, m.elapsed = a.clock.Wall(), a.clock.Elapsed()
	m.now = m.wall.UnixNano()
	a.enter(&m, t)
	a.observe(findings, m.grouped)
	for i := range findings {
		if a.set.rules[findings[i].Rule.Index].policy.quiet {
			continue
		}
		k := a.keyOf(&m, &findings[i])
		if k.rule.policy.absent > 0 {
			a.came(k, a.watchOf(b.Source), b.Records[findings[i].Record].Time, m.now, m.elapsed)
			continue
		}
		a.found(k, &m, &findings[i])
	}
	a.anyLine(b, from)
	for _, k := range a.touched {
		a.settle(k, &m)
	}
	a.touched = a.touched[:0]
	a.safe(b, t, from)
}

func (a *Alerts) safe(b *agent.Batch, t *trail, from int) {
	t.leave(b, from)
	a.consumer.Safe(b.Source.ID, b.Pos)
	a.dirty = true
}

// A moment is when a batch is judged.
type moment struct {
	b       *agent.Batch
	wall    time.Time
	now     int64 // wall, ns
	elapsed time.Duration
	keys    *keysOf
	grouped *groupedKeys

	from  int    // the first record that is judged
	trail *trail // of its log; nil: no line gets context
	base  int64  // the number of its first record, there
	room  int    // how many lines may be copied for context
}

// keysOf is what a source remembers of the keys of its findings, by rule, where
// a rule's key depends on the source alone. Guarded by mu.
type keysOf struct{ byRule []*key }

func (a *Alerts) keyOf(m *moment, f *agent.Finding) *key {
	r := &a.set.rules[f.Rule.Index]
	if r.grouped {
		text := m.grouped.next()
		if k := a.rules[f.Rule.Index].keys[string(text)]; k != nil {
			return k
		}
		return a.key(r, a.labelsOf(r, m.b, f))
	}
	k := m.keys.byRule[f.Rule.Index]
	if k == nil || k.gone {
		k = a.key(r, a.labelsOf(r, m.b, f))
		m.keys.byRule[f.Rule.Index] = k
	}
	return k
}

// logLabel is a label as rules know it: of the source, or one of two that every
// source has.
func logLabel(src *agent.Source, name string) string {
	if v := labelOf(src, name); v != "" {
		return v
	}
	switch name {
	case "log":
		return src.Name
	case "source":
		return src.Collector
	}
	return ""
}

// shorten bounds a captured value, for it becomes a part of mails.
func shorten(s []byte) []byte {
	const most = 200
	if len(s) > most {
		s = s[:most]
	}
	if utf8.Valid(s) {
		return s
	}
	return bytes.ToValidUTF8(s, []byte("\ufffd"))
}

// key returns the rule's key with these labels, made if need be.
func (a *Alerts) key(r *rule, labels []agent.Label) *key {
	rs := &a.rules[r.rule.Index]
	text := keyText(labels)
	if k := rs.keys[text]; k != nil {
		return k
	}
	if len(rs.keys) >= min(maxKeys, max(20, maxTimes/r.policy.remembers())) || a.keys >= maxAllKeys && len(rs.keys) > 0 {
		if !rs.folded {
			rs.folded = true
			a.log.Warn("a rule counts by more keys than are kept apart; further ones are counted together, as "+otherKey,
				"rule", r.rule.Name, "keys", len(rs.keys), "file", r.rule.File, "line", r.rule.Line)
		}
		for i := range labels {
			labels[i].Value = otherKey
		}
		text = keyText(labels)
		if k := rs.keys[text]; k != nil {
			return k
		}
	}
	k := &key{rule: r, text: text, labels: labels}
	rs.keys[text] = k
	a.keys++
	return k
}

func keyText(labels []agent.Label) string {
	var b strings.Builder
	for _, l := range labels {
		b.WriteString(l.Name)
		b.WriteByte(0)
		b.WriteString(l.Value)
		b.WriteByte(0)
	}
	return b.String()
}

// forget drops a key of which nothing is to be known any more.
func (a *Alerts) forget(k *key) {
	k.gone = true
	delete(a.rules[k.rule.rule.Index].keys, k.text)
	a.keys--
}
