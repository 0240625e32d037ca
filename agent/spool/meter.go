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
}

func (s *Spool) writeFailed() {
	s.mu.Lock()
	s.counts.writeErrors++
	s.mu.Unlock()
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
	sample(agent.Gauge, "logkeel_spool_max_bytes", "Bytes that the spool may take at most.", float64(s.o.MaxBytes))
	sample(agent.Gauge, "logkeel_spool_used_ratio", "Which part of these bytes is taken, from 0 to 1; each server's spool by itself, the fullest counts.", float64(bytes)/float64(s.o.MaxBytes))
	sample(agent.Gauge, "logkeel_spool_frames", "Frames that the receiver has not acknowledged.", float64(frames))
	for i, r := range reasons {
		l := agent.Label{Name: "reason", Value: string(r)}
		sample(agent.Counter, "logkeel_spool_dropped_records_total", "Records lost by the spool, as far as their number is known.", float64(lostRecords[i]), l)
		sample(agent.Counter, "logkeel_spool_dropped_frames_total", "Frames lost by the spool.", float64(lostFrames[i]), l)
	}
	sample(agent.Counter, "logkeel_spool_write_errors_total", "Failed writes, syncs and removals of the spool.", float64(errs))
}
