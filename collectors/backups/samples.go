package backups

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const upHelp = "Whether the place with the backups can be read."

// samples yields the snapshot.
func (r *result) samples(s *Sampler, yield func(agent.Sample)) {
	gauge := func(name, help string, value float64, note string, labels ...agent.Label) {
		yield(agent.Sample{Name: "logkeel_backup_" + name, Help: help, Value: value, Note: note, Labels: labels})
	}
	gauge("up", upHelp, 1, "")
	gauge("sets", "How many backups there are.", float64(len(r.sets)), "")
	if n := len(r.sets); n > 0 {
		gauge("newest_timestamp_seconds", "When the newest backup was made, good or not.", epoch(r.sets[0].time), "")
		gauge("oldest_timestamp_seconds", "When the oldest backup was made.", epoch(r.sets[n-1].time), "")
	}
	if r.good != nil {
		gauge("last_success_timestamp_seconds", "When the newest backup that is good was made.", epoch(r.good.time), "")
		gauge("age_seconds", "How old the newest backup that is good is.", max(0, r.now.Sub(r.good.time).Seconds()), "")
	}
	waiting := 0
	for _, j := range r.all {
		waiting += len(j.want)
	}
	gauge("unverified_files", "Files that wait to be verified.", float64(waiting), "")
	yield(agent.Sample{
		Name: "logkeel_backup_verified_bytes_total", Help: "Bytes of backups that were read to verify them.", Type: agent.Counter, Value: float64(s.verified.Load()),
	})
	r.problems(s, gauge)
	if t := r.restore; s.c.RestoreTest != nil && t.err == nil {
		gauge("restore_test_age_seconds", "How long ago a restore was tested last.", max(0, r.now.Sub(t.at).Seconds()), "")
	}
	if r.newest == nil {
		return
	}
	gauge("verify_seconds", "How long it took to verify the newest backup.", r.newest.took, "")
	r.parts(gauge)
}

// problems yields a series for each that can be told of.
func (r *result) problems(s *Sampler, gauge func(name, help string, value float64, note string, labels ...agent.Label)) {
	for p := stale; p < problems; p++ {
		switch {
		case p >= small && p <= missingFile && r.newest == nil, p == tooFew && s.c.Keep.Count == 0,
			p == tooOld && s.c.Keep.Days == 0, p == restoreTest && s.c.RestoreTest == nil:
			continue
		}
		gauge("problem", "What is wrong with the newest backup that was verified, or with all of them.", number(r.reasons[p] != ""), r.reasons[p], agent.Label{Name: "problem", Value: p.String()})
	}
}

// parts yields what is known of the newest set's files.
func (r *result) parts(gauge func(name, help string, value float64, note string, labels ...agent.Label)) {
	for _, p := range r.newest.parts {
		if p.label == "" {
			continue
		}
		label := agent.Label{Name: "file", Value: p.label}
		gauge("size_bytes", "Size of the newest backup's file.", float64(p.size), "", label)
		if p.usual > 0 {
			gauge("size_ratio", "That size to the median of earlier ones.", float64(p.size)/float64(p.usual), "", label)
		}
		if p.known || p.reason != "" {
			note := p.reason
			if note == "" {
				note = p.note
			}
			gauge("ok", "Whether the newest backup's file is whole, and as large as usual.", number(p.reason == ""), note, label)
		}
	}
	for _, name := range r.newest.missing {
		gauge("ok", "Whether the newest backup's file is whole, and as large as usual.", 0, "it is not there", agent.Label{Name: "file", Value: name})
	}
}

func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// remember notes which sets a record is due of: those of which something is known
// that was not said. s.mu is held.
func (s *Sampler) remember(r *result) {
	for _, j := range r.all {
		if !j.settled || !j.known {
			continue
		}
		said := j.verdict() + " " + strings.Join(j.problems(), ",")
		if s.memory.told[j.name] != said {
			s.memory.told[j.name], s.memory.dirty = said, true
			s.records = append(s.records, j)
		}
	}
}

// verdict is good, small or broken.
func (j *judgement) verdict() string {
	switch {
	case j.broken():
		return "broken"
	case j.reasons[small] != "":
		return "small"
	}
	return "good"
}

func (j *judgement) problems() (all []string) {
	for p := fine; p < problems; p++ {
		if j.reasons[p] != "" {
			all = append(all, p.String())
		}
	}
	return all
}

// Records yields a record for each set that was verified since the last ones, or
// of which another thing is known.
func (s *Sampler) Records(yield func([]agent.Field)) {
	for _, j := range slices.Backward(s.records) {
		var files, reasons, notes []string
		total := int64(0)
		for _, p := range j.parts {
			total += p.size
			if p.note != "" {
				notes = append(notes, p.note)
			}
		}
		for _, f := range j.files {
			files = append(files, fmt.Sprintf("%s (%d bytes)", shorten(f.name, 100), f.size))
			if len(files) == maxFiles && len(j.files) > maxFiles {
				files = append(files, fmt.Sprintf("and %d more", len(j.files)-maxFiles))
				break
			}
		}
		for _, why := range j.reasons {
			if why != "" {
				reasons = append(reasons, why)
			}
		}
		yield([]agent.Field{
			{Name: "backup", Value: shorten(j.name, 200)},
			{Name: "logkeel_backup_timestamp_seconds", Value: epoch(j.time)},
			{Name: "logkeel_backup_size_bytes", Value: total},
			{Name: "logkeel_backup_verify_seconds", Value: j.took},
			{Name: "verdict", Value: j.verdict()},
			{Name: "problems", Value: strings.Join(j.problems(), ",")},
			{Name: "reasons", Value: strings.Join(reasons, "; ")},
			{Name: "notes", Value: strings.Join(notes, "; ")},
			{Name: "files", Value: strings.Join(files, ", ")},
		})
	}
}
