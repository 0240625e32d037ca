package backups

import (
	"fmt"
	"slices"
	"time"
)

// A judgement is what is known of a set.
type judgement struct {
	*set
	settled bool // nothing was written to it for a while
	known   bool // all of it was verified
	reasons [problems]string
	parts   []part
	want    []*file // to verify
	took    float64 // seconds
	err     error   // why it cannot be verified
}

// A part is the files of one label.
type part struct {
	label  string
	size   int64
	usual  int64 // 0: not known
	known  bool
	reason string // why they are not good
	note   string // what cannot be said of them
}

// broken says that a set cannot be restored in full.
func (j *judgement) broken() bool {
	for p := truncated; p <= missingFile; p++ {
		if j.reasons[p] != "" {
			return true
		}
	}
	return false
}

func (j *judgement) good() bool { return j.known && !j.broken() && j.reasons[small] == "" }

// say notes a reason; the first of a problem stays.
func (j *judgement) say(p problem, reason string) {
	if j.reasons[p] == "" {
		j.reasons[p] = reason
	}
}

// judge says what is known of a set by now.
func (s *Sampler) judge(one *set, now time.Time) *judgement {
	j := &judgement{set: one, settled: s.settled(one, now), known: true, err: one.err}
	if one.err != nil {
		j.known, j.settled = false, true
		return j
	}
	for _, err := range append(one.agrees(), one.faults...) {
		j.say(problemOf(err), fmt.Sprintf("%s: %s", shorten(one.name, 60), err))
	}
	for _, name := range one.missing {
		j.say(missingFile, fmt.Sprintf("%s has no %s", shorten(one.name, 60), shorten(name, 60)))
	}
	if one.future {
		j.say(stale, fmt.Sprintf("%s is from the future: %s; was the clock wrong?", shorten(one.name, 60), one.time.UTC().Format(time.RFC3339)))
	}
	for _, f := range one.files {
		j.file(s, f)
	}
	if !j.settled {
		j.known, j.want = false, nil
	}
	for _, p := range j.parts {
		if p.label != "" && j.known {
			s.memory.note(p.label, one.time, p.size, !j.broken())
		}
	}
	return j
}

// file adds what is known of a file to the part of its label.
func (j *judgement) file(s *Sampler, f *file) {
	i := slices.IndexFunc(j.parts, func(p part) bool { return p.label == f.label })
	if i < 0 {
		i = len(j.parts)
		j.parts = append(j.parts, part{label: f.label, known: true})
	}
	p := &j.parts[i]
	p.size += f.size
	say := func(problem problem, format string, args ...any) {
		why := fmt.Sprintf("%s: ", shorten(j.path(f), 120)) + fmt.Sprintf(format, args...)
		j.say(problem, why)
		if p.reason == "" {
			p.reason = why
		}
	}
	if f.size < int64(f.spec.MinSize) {
		say(small, "it has %d bytes, less than min_size", f.size)
	}
	sum := j.sums[f.name]
	found := s.memory.find(f, sum != "")
	if failed := s.unreadable[f.path]; found == nil && failed != nil {
		if found = failed.verdictOn(f); found != nil && time.Since(failed.at) > retry {
			j.want = append(j.want, f)
		}
	}
	if found == nil {
		j.known, p.known = false, false
		j.want = append(j.want, f)
		if t := s.unreadable[f.path]; t != nil {
			j.err = t.err
		}
		return
	}
	j.took += found.Took
	if found.Problem != "" {
		say(parseProblem(found.Problem), "%s", found.Reason)
	}
	if sum != "" && found.Sum != "" && found.Sum != sum {
		say(badManifest, "its SHA-256 is not the one in the file of sums")
	}
	if f.format.sealed {
		p.note = fmt.Sprintf("%s: it was read to its end and not unpacked, which logkeel does with .gz, .zst and .bz2", shorten(j.path(f), 120))
	}
}

// path is the file within the folder of sets.
func (j *judgement) path(f *file) string {
	if f.name == j.name {
		return f.name
	}
	return j.name + "/" + f.name
}

// compare compares the sizes with those of earlier sets, which have to be judged
// before. What is broken is not small as well.
func (j *judgement) compare(s *Sampler) {
	if j.broken() {
		j.reasons[small] = ""
		return
	}
	for i := range j.parts {
		j.size(s, &j.parts[i])
	}
}

func (j *judgement) size(s *Sampler, p *part) {
	usual, ok := s.memory.usual(p.label, j.time)
	if !ok || usual == 0 || p.label == "" {
		return
	}
	p.usual = usual
	if ratio := float64(p.size) / float64(usual); ratio < s.c.MinRatio {
		why := fmt.Sprintf("%s: %s has %d bytes, %.0f %% of the usual %d", shorten(j.name, 60), shorten(p.label, 60), p.size, 100*ratio, usual)
		j.say(small, why)
		if p.reason == "" {
			p.reason = why
		}
	}
}

// settled says that nothing was written to the set for a while. What was written
// in the future was when it was seen first.
func (s *Sampler) settled(one *set, now time.Time) bool {
	wait := time.Duration(s.c.Settle)
	changed := one.changed
	if changed.After(now) {
		seen, ok := s.seen[one.name]
		if !ok || !seen.changed.Equal(changed) {
			seen = sighting{changed, now}
			s.seen[one.name] = seen
		}
		changed = seen.at
	}
	return now.Sub(changed) >= wait
}

// A sighting is when a time in the future was seen first.
type sighting struct{ changed, at time.Time }

// A failure is why a file could not be read.
type failure struct {
	err   error
	found *remembered // what that says of the file; nil: nothing
	id    identity
	at    time.Time
}

// retry is after how long a file is read again that the disk could not read.
const retry = time.Hour

// verdictOn is what the failure says of f; nil where that is nothing.
func (t *failure) verdictOn(f *file) *remembered {
	if t == nil || t.id != f.identity() {
		return nil
	}
	return t.found
}
