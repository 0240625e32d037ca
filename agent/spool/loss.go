package spool

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	sayAgain = time.Hour
	saySome  = 8    // sources by name
	keepSome = 1000 // sources
	others   = "(other)"
)

// An episode is what was dropped since the spool last had room.
type episode struct {
	mu      sync.Mutex
	records uint64
	unsaid  map[string]*tally // by source, since it was last said
	said    time.Time
}

// report counts and says what was lost.
func (s *Spool) report(drops []Drop, cause error) {
	if len(drops) == 0 {
		return
	}
	reason := drops[0].Reason
	records := uint64(0)
	for i := range drops {
		records += uint64(drops[i].Records)
	}
	s.mu.Lock()
	s.counts.records[reason] += records
	s.mu.Unlock()
	if reason == Full {
		s.dropsGoOn(drops, records, cause)
	} else {
		s.corrupt.Fail(cause, "a part of the spool is damaged and left out; look at the disk", "dir", s.dir, "records", records, "lost", sayDrops(drops))
	}
	if s.o.OnDrop != nil {
		for _, d := range drops {
			s.o.OnDrop(d)
		}
	}
}

// dropsGoOn says what is dropped when that begins, and hourly.
func (s *Spool) dropsGoOn(drops []Drop, records uint64, cause error) {
	e := &s.dropped
	e.mu.Lock()
	e.records += records
	for i := range drops {
		e.add(&drops[i])
	}
	first := !s.full.Active()
	again := !first && time.Since(e.said) >= sayAgain
	lost := ""
	if first || again {
		lost = e.say()
	}
	total := e.records
	e.mu.Unlock()
	s.full.Fail(cause, "the receiver lags too far behind: the oldest records are dropped", "dir", s.dir, "limit_bytes", s.o.MaxBytes, "records", records, "lost", lost)
	if again {
		s.log.Warn("the oldest records are still dropped", "dir", s.dir, "dropped_records", total, "lost", lost)
	}
}

// dropsEnd says that nothing is dropped any more, and what was.
func (s *Spool) dropsEnd(msg string) {
	e := &s.dropped
	e.mu.Lock()
	total, args := e.records, []any{"dir", s.dir, "dropped_records", e.records}
	if len(e.unsaid) > 0 {
		args = append(args, "lost", e.say())
	}
	e.records = 0
	e.mu.Unlock()
	if total > 0 || s.full.Active() {
		s.full.Clear(msg, args...)
	}
}

// roomAgain says that the spool is full no more. Room that was made by dropping
// is none.
func (s *Spool) roomAgain() {
	s.mu.Lock()
	roomy := s.bytes < s.o.MaxBytes/4*3 || s.done == s.next
	s.mu.Unlock()
	if roomy {
		s.dropsEnd("the spool has room again")
	}
}

// level says when four fifths are taken, and when no more than seven tenths are.
func (s *Spool) level() {
	s.mu.Lock()
	bytes, was := s.bytes, s.tight
	switch {
	case !was && bytes >= s.o.MaxBytes/5*4:
		s.tight = true
	case was && bytes < s.o.MaxBytes/10*7:
		s.tight = false
	}
	is := s.tight
	s.mu.Unlock()
	switch {
	case is && !was && s.o.Block:
		s.log.Warn("the spool is nearly full: the receiver lags behind; once it is full, reading waits", "dir", s.dir, "bytes", bytes, "limit_bytes", s.o.MaxBytes)
	case is && !was:
		s.log.Warn("the spool is nearly full: the receiver lags behind; once it is full, the oldest records are dropped", "dir", s.dir, "bytes", bytes, "limit_bytes", s.o.MaxBytes)
	case was && !is:
		s.log.Info("the spool is no longer nearly full", "dir", s.dir, "bytes", bytes, "limit_bytes", s.o.MaxBytes)
	}
}

// add adds up what is to be said. The caller holds mu.
func (e *episode) add(d *Drop) {
	if e.unsaid == nil {
		e.unsaid = map[string]*tally{}
	}
	source := d.Source
	if e.unsaid[source] == nil && len(e.unsaid) >= keepSome {
		source = others
	}
	t := e.unsaid[source]
	if t == nil {
		t = &tally{}
		e.unsaid[source] = t
	}
	t.count(d.Frames, d.Records, d.To)
	t.first, t.last = span(t.first, t.last, d.First, d.Last)
}

// say says what was not said yet. The caller holds mu.
func (e *episode) say() string {
	drops := make([]Drop, 0, len(e.unsaid))
	for _, source := range slices.Sorted(maps.Keys(e.unsaid)) {
		t := e.unsaid[source]
		drops = append(drops, Drop{Source: source, Records: t.records, To: t.to, First: t.first, Last: t.last})
	}
	e.unsaid, e.said = nil, time.Now()
	return sayDrops(drops)
}

// sayDrops names those sources of which most was lost.
func sayDrops(drops []Drop) string {
	drops = slices.Clone(drops)
	slices.SortStableFunc(drops, func(a, b Drop) int { return b.Records - a.Records })
	var b strings.Builder
	for i, d := range drops {
		if i == saySome {
			fmt.Fprintf(&b, "; %d more sources", len(drops)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		source := d.Source
		if source == "" {
			source = "an unknown source"
		}
		fmt.Fprintf(&b, "%d of %s", d.Records, source)
		switch {
		case d.First != 0 || d.Last != 0:
			fmt.Fprintf(&b, " from %s to %s", stamp(d.First), stamp(d.Last))
		case d.To != (agent.Position{}):
			fmt.Fprintf(&b, " up to byte %d of file %d", d.To.Offset, d.To.Epoch)
		}
	}
	return b.String()
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000Z") }
