package jobs

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// How a run may end.
const (
	success = "success"
	failure = "failure"
	timeout = "timeout" // it was ended, for it took too long
	stopped = "stopped" // the agent stopped, and with it what it ran
	skipped = "skipped" // it was due while the one before it still ran
	lost    = "lost"    // nobody told of its end
)

var results = []string{success, failure, timeout, stopped, skipped, lost}

const (
	maxRunning  = 16 // of a job at a time
	maxFinished = 16 // that are known by ID
)

// A run is one that has started and not ended, as the ledger has it.
type run struct {
	ID      string    `json:"id,omitempty"`
	Started time.Time `json:"started"`
	Boot    string    `json:"boot,omitempty"` // which start of the machine that was in
	Own     bool      `json:"own,omitempty"`  // the agent's
}

// state is what is kept of a job, on the disk.
type state struct {
	Of       string            `json:"name"`
	Schedule string            `json:"schedule,omitempty"` // that Due is of
	Due      time.Time         `json:"due,omitzero"`       // the earliest time that was not judged yet
	Missed   time.Time         `json:"missed,omitzero"`    // the first time that was missed since it last ran
	Misses   uint64            `json:"misses,omitempty"`
	Runs     map[string]uint64 `json:"runs,omitempty"` // by result
	Running  []run             `json:"running,omitempty"`
	Finished []string          `json:"finished,omitempty"` // IDs, the latest last

	LastStart   time.Time `json:"last_start,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`
	LastEnd     time.Time `json:"last_end,omitzero"`
	Result      string    `json:"result,omitempty"` // of the last one
	Exit        int       `json:"exit,omitempty"`
	Seconds     float64   `json:"seconds,omitempty"` // that it took; negative: not known
	Why         string    `json:"why,omitempty"`     // it failed, with the end of its output
}

// A job is one that is watched. Its owner locks it.
type job struct {
	Job
	state
	schedule schedule
	expect   *regexp.Regexp // nil: any output
	resumed  time.Time      // since when it is watched without a gap
	out      *output
	tell     func([]agent.Field) // of a run that has ended
}

// newJob is a job that begins at now. The Job must have passed Check.
func newJob(c Job, now time.Time) *job {
	j := &job{Job: c, resumed: now, out: newOutput(), tell: func([]agent.Field) {}}
	j.state = state{Of: c.Name, Runs: map[string]uint64{}, Seconds: -1}
	if c.Schedule != "" {
		j.schedule, _ = parseSchedule(c.Schedule, c.Timezone)
		j.state.Schedule = c.Timezone + " " + c.Schedule
		j.Due = j.schedule.next(now)
	}
	if c.ExpectOutput != "" {
		j.expect = regexp.MustCompile(c.ExpectOutput)
	}
	return j
}

// grace is how late it may start when it is due at a time, and early how much
// before a clock may say that it did.
func (j *job) grace(due time.Time) (grace, early time.Duration) {
	gap := j.schedule.next(due).Sub(due)
	if gap <= 0 {
		gap = dayLong
	}
	if grace = time.Duration(j.Job.Grace); grace == 0 {
		grace = min(usualGrace, gap)
	}
	return grace, min(time.Minute, gap/4)
}

// restore takes over what was kept. A schedule that has changed begins at now.
func (j *job) restore(s state, boot string, now time.Time) {
	schedule, due := j.state.Schedule, j.Due
	runs := j.Runs
	for k, v := range s.Runs {
		if slices.Contains(results, k) {
			runs[k] = v
		}
	}
	j.state = s
	j.Runs = runs
	if s.Schedule != schedule || s.Due.IsZero() {
		j.state.Schedule, j.Due, j.Missed = schedule, due, time.Time{}
	}
	for _, r := range slices.Clone(j.Running) {
		switch {
		case r.Own:
			j.lose(r, now, "the agent ended before it")
		case boot != "" && r.Boot != "" && r.Boot != boot:
			j.lose(r, now, "the machine was started anew meanwhile")
		}
	}
	j.resume(now)
}

// resume goes on after a time in which nobody watched: of what was due meanwhile
// only the last one is judged, and not before it could be told of late.
func (j *job) resume(now time.Time) {
	j.resumed = now
	if j.LastStart.After(now.Add(time.Hour)) { // by a clock that was wrong
		j.LastStart = time.Time{}
	}
	if j.schedule.isZero() {
		return
	}
	if next := j.schedule.next(now); j.Due.IsZero() || j.Due.After(next) {
		j.Due = next
	}
	const month = 31 * 24 * time.Hour
	if now.Sub(j.Due) > month {
		if due := j.schedule.next(now.Add(-month)); !due.After(now) {
			j.Due = due
		}
	}
	for {
		next := j.schedule.next(j.Due)
		if next.IsZero() || next.After(now) {
			return
		}
		j.Due = next
	}
}

// judge says which times were missed by now. It reports whether anything is new.
func (j *job) judge(now time.Time) (changed bool) {
	if j.schedule.isZero() {
		return false
	}
	for !j.Due.IsZero() {
		grace, early := j.grace(j.Due)
		if j.LastStart.Before(j.Due.Add(-early)) {
			by := j.Due
			if by.Before(j.resumed) {
				by = j.resumed
			}
			if now.Before(by.Add(grace)) {
				return changed
			}
			j.Misses++
			if j.Missed.IsZero() {
				j.Missed = j.Due
			}
		}
		j.Due, changed = j.schedule.next(j.Due), true
	}
	return changed
}

// began notes that a run has started.
func (j *job) began(now time.Time, r run) {
	if slices.ContainsFunc(j.Running, func(o run) bool { return o.ID == r.ID && r.ID != "" }) || r.ID != "" && slices.Contains(j.Finished, r.ID) {
		return // told again
	}
	for _, o := range slices.Clone(j.Running) {
		switch {
		case o.ID == "" && r.ID == "":
			j.lose(o, now, "the next one has started")
		case r.Started.Sub(o.Started) > j.maxDuration():
			j.lose(o, now, "it took longer than "+conf.Duration(j.maxDuration()).String()+", and the next one has started")
		case len(j.Running) >= maxRunning:
			j.lose(o, now, "too many others have started")
		}
	}
	j.Running = append(j.Running, r)
	j.ran(r.Started)
}

// ran notes that it ran at that time.
func (j *job) ran(at time.Time) {
	if at.After(j.LastStart) {
		j.LastStart = at
	}
	if j.Missed.IsZero() {
		return
	}
	if _, early := j.grace(j.Missed); !at.Before(j.Missed.Add(-early)) {
		j.Missed = time.Time{}
	}
}

// An end is what is told of one.
type end struct {
	ID      string
	Exit    int
	Result  string        // "": by Exit and output
	Started time.Time     // zero: not told
	Took    time.Duration // negative: not told
	Output  []byte
	Why     string // it failed; "": by Exit
}

// ended notes the end of a run. It reports false where it was told before.
func (j *job) ended(now time.Time, e end) bool {
	if e.ID != "" {
		if slices.Contains(j.Finished, e.ID) {
			return false
		}
		j.Finished = append(j.Finished, e.ID)
		j.Finished = j.Finished[max(0, len(j.Finished)-maxFinished):]
	}
	started, took := e.Started, e.Took
	if i := slices.IndexFunc(j.Running, func(o run) bool { return o.ID == e.ID }); i >= 0 {
		started = j.Running[i].Started
		j.Running = slices.Delete(j.Running, i, i+1)
	}
	if took < 0 && !started.IsZero() {
		took = max(0, now.Sub(started))
	}
	j.ran(cmp.Or(started, now))
	j.judgeEnd(&e)
	j.close(now, e, took)
	return true
}

// judgeEnd says whether it has succeeded.
func (j *job) judgeEnd(e *end) {
	if e.Result != "" {
		return
	}
	switch {
	case e.Exit != 0:
		e.Result = failure
		e.Why = cmp.Or(e.Why, fmt.Sprintf("exit code %d", e.Exit))
	case j.expect != nil && !j.expect.Match(e.Output):
		e.Result, e.Why = failure, "its output has no match of "+j.ExpectOutput
	default:
		e.Result = success
	}
}

func (j *job) close(now time.Time, e end, took time.Duration) {
	j.Runs[e.Result]++
	j.LastEnd, j.Result, j.Exit, j.Seconds, j.Why = now, e.Result, e.Exit, -1, ""
	if took >= 0 {
		j.Seconds = took.Seconds()
	}
	if e.Result == success {
		j.LastSuccess = now
	} else if j.Why = e.Why; len(e.Output) > 0 {
		if last := lastLines(e.Output); last != "" {
			j.Why += "; its output ends: " + last
		}
	}
	record := []agent.Field{{Name: "job", Value: j.Of}, {Name: "result", Value: e.Result}, {Name: "exit_code", Value: int64(e.Exit)}, {Name: "ended", Value: now.UTC().Format(time.RFC3339)}}
	if took >= 0 {
		record = append(record, agent.Field{Name: "duration_seconds", Value: took.Seconds()})
	}
	if j.Why != "" {
		record = append(record, agent.Field{Name: "why", Value: j.Why})
	}
	j.tell(record)
}

// lose ends a run that nobody told the end of. One that is told late all the same
// counts then.
func (j *job) lose(r run, now time.Time, why string) {
	j.Running = slices.DeleteFunc(j.Running, func(o run) bool { return o == r })
	since := r.Started.In(zoneOf(j.schedule)).Format("2006-01-02 15:04:05")
	j.close(now, end{Result: lost, Exit: -1, Why: "started at " + since + " and never ended: " + why}, -1)
}

// skip notes that a run was not started when it was due: that is not missed.
func (j *job) skip(due time.Time) {
	j.Runs[skipped]++
	for !j.Due.IsZero() && !j.Due.After(due) {
		j.Due = j.schedule.next(j.Due)
	}
}

func zoneOf(s schedule) *time.Location { return cmp.Or(s.zone, time.Local) }

// failed reports whether the last run has failed.
func (j *job) failed() bool { return j.Result == failure || j.Result == timeout || j.Result == lost }

// tooLong is the run that takes too long by now.
func (j *job) tooLong(now time.Time) (r run, ok bool) {
	for _, r := range j.Running {
		if now.Sub(r.Started) > j.maxDuration() {
			return r, true
		}
	}
	return run{}, false
}

// oldest is how long the run that started first has taken; 0 where none runs.
func (j *job) oldest(now time.Time) (d time.Duration) {
	for _, r := range j.Running {
		d = max(d, now.Sub(r.Started))
	}
	return d
}

// overdue is how long it has been due; 0 where it is not.
func (j *job) overdue(now time.Time) time.Duration {
	switch {
	case !j.Missed.IsZero():
		return max(0, now.Sub(j.Missed))
	case !j.schedule.isZero() && !j.Due.IsZero():
		if _, early := j.grace(j.Due); j.LastStart.Before(j.Due.Add(-early)) {
			return max(0, now.Sub(j.Due))
		}
	}
	return 0
}

// lastLines are the last lines of output, on one, for people.
func lastLines(output []byte) string {
	const lines, most = 3, 100
	var last []string
	rest := strings.TrimRight(strings.ToValidUTF8(string(output[max(0, len(output)-4096):]), "\ufffd"), " \t\r\n")
	for len(last) < lines && rest != "" {
		i := strings.LastIndexByte(rest, '\n')
		line := strings.TrimSpace(rest[i+1:])
		rest = rest[:max(0, i)]
		if line == "" {
			continue
		}
		if len(line) > most {
			line = strings.ToValidUTF8(line[:most], "") + "…"
		}
		last = append(last, line)
	}
	slices.Reverse(last)
	return strings.Join(last, " / ")
}
