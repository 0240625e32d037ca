package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

const (
	shownLines = 3    // of the first ones, and of the newest
	shownBytes = 1024 // of each
)

// found counts one finding.
func (a *Alerts) found(k *key, m *moment, f *agent.Finding) {
	r := &m.b.Records[f.Record]
	late := time.Duration(m.now - r.Time)
	if k.alert != nil && k.parted(m, r.Time, late) {
		a.settle(k, m)
		a.end(k, k.alert.Last, "")
	}
	p := &k.rule.policy
	holds, oldest, n := a.counted(k, r.Time, m.now)
	if holds {
		k.held = later(k.held, r.Time, m.now)
		// What was found late is over sooner, by as much as it is late.
		k.deadline = max(k.deadline, m.elapsed+p.window-min(max(late, 0), p.window))
	}
	if k.lines.note(f.Record) {
		a.touched = append(a.touched, k)
	}
	switch {
	case k.alert != nil:
		k.alert.Count++
		if k.shapes != nil {
			k.shapes.count(m.b.Body(int(f.Record)))
		}
		k.mark(min(r.Time, m.now))
		k.last = later(k.last, r.Time, m.now)
	case holds:
		k.last = r.Time
		m.room = max(m.room, 4*contextLines)
		k.lines.take(m, k)
		a.fire(k, &agent.Alert{
			ID:     recordID(k, m.b, r),
			Source: m.b.Source.Name, Labels: m.b.Source.Labels,
			Starts: dataTime(oldest), Last: dataTime(r.Time), Seen: m.wall.UTC(),
			Late: late > lateAfter, Count: n, First: k.lines.newest(p.threshold),
			Timeline: a.beginTimeline(k, r.Time, m.now),
		})
		if len(a.outputs) > 0 {
			k.shapes = beginShapes(k.lines.newest(p.threshold), n)
		}
		a.began(k, m, int(f.Record))
		k.lines = recent{}
	}
}

// timesFor is the window in which a finding at t counts. What came long before
// the newest one is of another log that is far behind and has the same key: it
// must not make the others be forgotten. But where the newest one has not come
// yet the clock was put back.
func (k *key) timesFor(t, now int64) *window {
	if newest, ok := k.times.newest(); ok && newest <= now && t < newest-int64(k.rule.policy.window) {
		return &k.behind
	}
	return &k.times
}

// later is the later of two times. One that has not come yet is of a clock that
// was put back.
func later(was, t, now int64) int64 {
	if was > now {
		return t
	}
	return max(was, t)
}

func dataTime(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// parted reports whether a finding at t is no part of what fires: that was over
// before. What is read hours later is one alert, however often it came.
func (k *key) parted(m *moment, t int64, late time.Duration) bool {
	if k.alert.Late {
		return late <= lateAfter
	}
	return time.Duration(t-k.held) > k.rule.policy.window && m.elapsed >= k.deadline
}

// fire begins an alert.
func (a *Alerts) fire(k *key, alert *agent.Alert) {
	alert.Rule, alert.Key = *k.rule.rule, k.labels
	k.alert = alert
	a.surround(k)
	a.rules[k.rule.rule.Index].fired++
	a.changed(alert, true)
}

// end ends the alert of k. why is for what did not end by itself.
func (a *Alerts) end(k *key, at time.Time, why string) {
	alert := k.alert
	k.alert, k.shapes, k.lines, k.inFirst, k.owing, k.spot, k.beside = nil, nil, recent{}, extent{}, nil, spot{}, nil
	alert.Ended, alert.End = at, why
	a.changed(alert, true)
}

// changed puts the alert among those to hand on.
func (a *Alerts) changed(alert *agent.Alert, urgent bool) {
	o := a.outbox[alert.ID]
	if o == nil {
		o = &outgoing{alert: alert}
		a.outbox[alert.ID] = o
	}
	o.changed, o.pending, o.unkept = true, true, false
	o.urgent = o.urgent || urgent
	a.dirty, a.unexplained = true, a.unexplained || len(a.set.inhibits) > 0
}

// settle brings what a batch had into the alert, or keeps its newest lines.
func (a *Alerts) settle(k *key, m *moment) {
	last := k.lines.take(m, k)
	k.heard = m.elapsed
	k.found(m.b.Source.ID)
	if k.alert != nil {
		if k.shapes != nil {
			k.alert.Shapes = k.shapes.top()
		}
		k.alert.Last = dataTime(k.last)
		if last >= 0 {
			a.follow(k, m, last)
		}
		k.alert.Latest = k.lines.newest(shownLines)
		k.alert.Source, k.alert.Labels = m.b.Source.Name, m.b.Source.Labels
		a.changed(k.alert, false)
	}
}

// maxBeside bounds how many logs are remembered of an alert.
const maxBeside = 64

// found notes in which log it was found.
func (k *key) found(source string) {
	if k.source != source && k.source != "" && len(k.beside) < maxBeside && !slices.Contains(k.beside, k.source) {
		k.beside = append(k.beside, k.source)
	}
	k.source = source
}

// unread reports whether more is there to be read of a log that it was found in.
func (k *key) unread(unread map[string]int64) bool {
	return unread[k.source] > 0 || k.alert != nil && slices.ContainsFunc(k.beside, func(source string) bool { return unread[source] > 0 })
}

// recordID identifies an alert by what it began with.
func recordID(k *key, b *agent.Batch, r *agent.Record) string {
	at := binary.BigEndian.AppendUint64(nil, b.Pos.Epoch)
	return alertID(k, b.Source.ID, binary.BigEndian.AppendUint64(at, uint64(r.End)))
}

func alertID(k *key, source string, at []byte) string {
	h := sha256.New()
	for _, s := range []string{k.rule.rule.Name, k.text, source} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	h.Write(at)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// recent is the newest lines of a key. Those of the batch at hand are only
// numbers until it ends, for in a storm most are never shown.
type recent struct {
	lines   []agent.Line             // never changed, only replaced
	before  [shownLines][]agent.Line // what stands before each of them; likewise
	after   []agent.Line             // and behind the last one
	pending [shownLines]int32
	n       int // of pending, as many as were noted
}

// note notes a record and reports whether it is the first one of its batch.
func (l *recent) note(record int32) bool {
	if l.n > 0 && l.pending[(l.n-1)%shownLines] == record {
		return false // two findings of it have the same key
	}
	l.pending[l.n%shownLines] = record
	l.n++
	return l.n == 1
}

// take reads the lines that were noted, and returns the last record of them; -1
// where there is none.
func (l *recent) take(m *moment, k *key) (last int) {
	if l.n == 0 {
		return -1
	}
	fresh := min(l.n, shownLines)
	old := max(0, len(l.lines)-(shownLines-fresh))
	keep := l.lines[old:]
	lines := make([]agent.Line, 0, len(keep)+fresh)
	lines = append(lines, keep...)
	copy(l.before[:], l.before[old:])
	for i := l.n - fresh; i < l.n; i++ {
		last = int(l.pending[i%shownLines])
		l.before[len(lines)] = m.trail.before(m, last, k)
		lines = append(lines, agent.Line{
			Time:   dataTime(m.b.Records[last].Time),
			Source: m.b.Source.Name,
			Text:   lineText(m.b.Body(last)),
		})
	}
	l.lines, l.after, l.n = lines, nil, 0
	return last
}

// newest is the last n lines at most, with what stands before the first and
// after the last of them.
func (l *recent) newest(n int) []agent.Line {
	if len(l.lines) == 0 {
		return nil
	}
	from := max(0, len(l.lines)-n)
	lines, before := l.lines[from:], l.before[from]
	if len(before) == 0 && len(l.after) == 0 {
		return lines
	}
	return slices.Concat(before, lines, l.after)
}

// restore takes up what newest returned.
func (l *recent) restore(lines []agent.Line) {
	var before []agent.Line
	for _, line := range lines {
		if line.Context {
			before = append(before, line)
		} else if n := len(l.lines); n < shownLines {
			l.lines, l.before[n], before = append(l.lines, line), before, nil
		}
	}
	l.after = before
}

// lineText is the start of a line, cut between two characters.
func lineText(body []byte) string {
	if len(body) <= shownBytes {
		return string(body)
	}
	cut := shownBytes
	for cut > shownBytes-utf8.UTFMax && !utf8.RuneStart(body[cut]) {
		cut--
	}
	return string(body[:cut]) + "…"
}
