package spool

import (
	"slices"

	"github.com/webgrip/logkeel/agent"
)

var _ agent.Meter = (*Spool)(nil)

// counts is what a spool counts of itself since it was opened.
type counts struct {
	records     map[Reason]uint64 // dropped
	frames      map[Reason]uint64 // dropped
	writeErrors uint64
	episode     uint64 // records dropped since the spool last had room
}

func (s *Spool) writeFailed() {
	s.mu.Lock()
	s.counts.writeErrors++
	s.mu.Unlock()
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
	if reason == Full {
		s.counts.episode += records
	}
	s.mu.Unlock()
	if reason == Full {
		s.full.Fail(cause, "the receiver lags too far behind: the oldest records are dropped", "dir", s.dir, "limit_bytes", s.o.MaxBytes, "first_dropped", records, "sources", len(drops))
	} else {
		s.corrupt.Fail(cause, "a part of the spool is damaged and left out; look at the disk", "dir", s.dir, "source", drops[0].Source, "records", records)
	}
	if s.o.OnDrop != nil {
		for _, d := range drops {
			s.o.OnDrop(d)
		}
	}
}

// Meter yields the spool's samples, each with the labels of its options.
func (s *Spool) Meter(yield func(agent.Sample)) {
	s.mu.Lock()
	frames, _ := s.countFrom(s.done)
	bytes, errs := s.bytes, s.counts.writeErrors
	var lostRecords, lostFrames [2]uint64
	reasons := [2]Reason{Full, Corrupt}
	for i, r := range reasons {
		lostRecords[i], lostFrames[i] = s.counts.records[r], s.counts.frames[r]
	}
	s.mu.Unlock()

	sample := func(t agent.SampleType, name, help string, v float64, labels ...agent.Label) {
		yield(agent.Sample{Name: name, Help: help, Type: t, Labels: slices.Concat(s.o.Labels, labels), Value: v})
	}
	sample(agent.Gauge, "logkeel_spool_bytes", "Bytes that the spool takes on the disk.", float64(bytes))
	sample(agent.Gauge, "logkeel_spool_max_bytes", "Bytes that the spool may take before the oldest are dropped.", float64(s.o.MaxBytes))
	sample(agent.Gauge, "logkeel_spool_frames", "Frames that the receiver has not acknowledged.", float64(frames))
	for i, r := range reasons {
		l := agent.Label{Name: "reason", Value: string(r)}
		sample(agent.Counter, "logkeel_spool_dropped_records_total", "Records lost by the spool, as far as their number is known.", float64(lostRecords[i]), l)
		sample(agent.Counter, "logkeel_spool_dropped_frames_total", "Frames lost by the spool.", float64(lostFrames[i]), l)
	}
	sample(agent.Counter, "logkeel_spool_write_errors_total", "Failed writes, syncs and removals of the spool.", float64(errs))
}
