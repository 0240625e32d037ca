package backups

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A Sampler looks after one place with backups. What it has to read it reads
// beside the snapshots.
type Sampler struct {
	c     Config
	state string // its file in state_dir

	verified atomic.Uint64 // bytes read
	listing  chan listing  // nil while none goes on
	records  []*judgement  // of the last snapshot

	mu         sync.Mutex
	memory     *memory // nil until the first snapshot
	seen       map[string]sighting
	unreadable map[string]*failure // by path
	jobs       []job
	saved      error // of the last time it was saved
	savedAt    time.Time
	working    chan struct{} // closed when the worker has ended; nil while there is none
	stop       context.CancelFunc
}

var _ agent.Recorder = (*Sampler)(nil)

// New returns a sampler of c, which Check has found to be right. Relative paths
// are relative to baseDir; what was verified is kept in stateDir.
func New(c Config, baseDir, stateDir string) *Sampler {
	absolute := func(path string) string {
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		return filepath.Join(baseDir, path)
	}
	c.Path = absolute(c.Path)
	if c.RestoreTest != nil {
		r := *c.RestoreTest
		r.File = absolute(r.File)
		c.RestoreTest = &r
	}
	return &Sampler{
		c: c, state: filepath.Join(stateDir, "backups", c.Name+".json"),
		seen: map[string]sighting{}, unreadable: map[string]*failure{},
	}
}

// A listing is what there is.
type listing struct {
	sets    []*set
	err     error
	restore struct {
		at  time.Time
		ok  bool
		err error
	}
}

// look lists what there is.
func (s *Sampler) look(now time.Time) (l listing) {
	if l.sets, l.err = s.c.list(now); l.err != nil {
		return l
	}
	for _, one := range l.sets[:min(len(l.sets), max(s.c.Verify, deepest))] {
		if err := one.readNotes(); err != nil && !errors.Is(err, errChanged) && !errors.Is(err, fs.ErrNotExist) {
			l.err = err
		}
	}
	if r := s.c.RestoreTest; r != nil {
		l.restore.at, l.restore.ok, l.restore.err = r.last()
	}
	return l
}

// list is look within the time that ctx has. Where the file system hangs, the
// next snapshot goes on waiting for the same.
func (s *Sampler) list(ctx context.Context, now time.Time) (listing, error) {
	if s.listing == nil {
		s.listing = make(chan listing, 1)
		go func(to chan listing) { to <- s.look(now) }(s.listing)
	}
	select {
	case l := <-s.listing:
		s.listing = nil
		return l, nil
	case <-ctx.Done():
		return listing{}, fmt.Errorf("list %s: %w; does its file system hang", s.c.Path, ctx.Err())
	}
}

// Sample lists the backups, and yields what is known of them by now.
func (s *Sampler) Sample(ctx context.Context, yield func(agent.Sample)) error {
	s.records = nil
	now := time.Now()
	l, err := s.list(ctx, now)
	if err == nil && l.sets == nil {
		err = l.err
	}
	if err != nil {
		yield(agent.Sample{Name: "logkeel_backup_up", Help: upHelp, Note: agent.Note(err)})
		return err
	}
	errs := []error{l.err}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		if s.memory, err = load(s.state); err != nil {
			errs = append(errs, err)
		}
	}
	s.memory.forget(l.sets)
	for name := range s.unreadable {
		if !contains(l.sets, name) {
			delete(s.unreadable, name)
		}
	}
	names := map[string]bool{}
	for _, one := range l.sets {
		names[one.name] = true
	}
	maps.DeleteFunc(s.seen, func(name string, _ sighting) bool { return !names[name] })
	r := s.judgeAll(&l, now)
	s.verifyAll(r.jobs)
	s.remember(r)
	r.samples(s, yield)
	s.saved = s.memory.save()
	return errors.Join(append(errs, s.saved, r.err)...)
}

func contains(sets []*set, path string) bool {
	for _, s := range sets {
		for _, f := range s.files {
			if f.path == path {
				return true
			}
		}
	}
	return false
}

// A result is what is known of all sets.
type result struct {
	listing
	now     time.Time
	all     []*judgement // those that were looked at, newest first
	newest  *judgement   // of which something can be said; nil: none
	good    *judgement   // newest one that is good; nil: none
	whole   *judgement   // newest one that is not known to be broken; nil: none
	jobs    []job
	reasons [problems]string
	err     error // why something cannot be verified
}

// deepest is how many sets are looked through for one that is good.
const deepest = 50

// judgeAll judges the newest sets, and older ones until one is good.
func (s *Sampler) judgeAll(l *listing, now time.Time) *result {
	r := &result{listing: *l, now: now}
	for _, one := range l.sets[:min(len(l.sets), s.c.Verify)] {
		r.all = append(r.all, s.judge(one, now))
	}
	for i, one := range l.sets[:min(len(l.sets), max(s.c.Verify, deepest))] {
		if i >= len(r.all) {
			if r.good != nil {
				break
			}
			j := s.judge(one, now)
			if len(r.jobs) > 0 {
				j.want = nil // a newer one may turn out to be good
			}
			r.all = append(r.all, j)
		}
		j := r.all[i]
		if !j.settled {
			continue
		}
		j.compare(s)
		for _, f := range j.want {
			r.jobs = append(r.jobs, job{one.dir, f, j.sums[f.name] != ""})
		}
		if r.newest == nil && (j.known || j.broken()) {
			r.newest = j
		}
		if r.good == nil && j.good() {
			r.good = j
		}
		if r.whole == nil && !j.broken() && !j.future {
			r.whole = j
		}
		if r.err == nil {
			r.err = j.err
		}
	}
	if r.newest != nil {
		r.reasons = r.newest.reasons
	}
	s.age(r)
	s.retention(r)
	s.restored(r)
	return r
}

// age says whether there is a fresh one.
func (s *Sampler) age(r *result) {
	switch {
	case len(r.sets) == 0:
		r.reasons[stale] = "there is no backup in " + shorten(s.c.Path, 120)
	case r.reasons[stale] != "":
	case r.whole == nil && r.newest == nil:
		// The first ones are being written.
	case r.whole == nil:
		r.reasons[stale] = fmt.Sprintf("none of the newest %d is whole", len(r.all))
	case r.now.Sub(r.whole.time) > time.Duration(s.c.MaxAge):
		r.reasons[stale] = fmt.Sprintf("the newest that is whole, %s, is %s old", shorten(r.whole.name, 60), span(r.now.Sub(r.whole.time)))
	}
}

// grace is what a clean-up that runs once a day may be late by.
const grace = 48 * time.Hour

// retention says whether there are as many, and as old ones, as there should be.
func (s *Sampler) retention(r *result) {
	if n := len(r.sets); n < s.c.Keep.Count {
		r.reasons[tooFew] = fmt.Sprintf("there are %d backups, and should be %d", n, s.c.Keep.Count)
	}
	if n := len(r.sets); n > 0 && s.c.Keep.Days > 0 {
		oldest := r.sets[n-1]
		if age := r.now.Sub(oldest.time); age > time.Duration(s.c.Keep.Days)*24*time.Hour+grace {
			r.reasons[tooOld] = fmt.Sprintf("%s is %s old: are old ones removed", shorten(oldest.name, 60), span(age))
		}
	}
}

// restored says whether a restore was tested.
func (s *Sampler) restored(r *result) {
	t := s.c.RestoreTest
	if t == nil {
		return
	}
	name := shorten(t.File, 120)
	switch age := r.now.Sub(r.restore.at); {
	case errors.Is(r.restore.err, fs.ErrNotExist):
		r.reasons[restoreTest] = "no restore was tested: there is no " + name
	case r.restore.err != nil:
		r.reasons[restoreTest] = "when a restore was tested cannot be read: " + shorten(r.restore.err.Error(), 200)
	case !r.restore.ok:
		r.reasons[restoreTest] = fmt.Sprintf("the last restore test in %s did not succeed", name)
	case age > time.Duration(t.MaxAge):
		r.reasons[restoreTest] = fmt.Sprintf("the last restore test was %s ago", span(age))
	case age < -time.Hour:
		r.reasons[restoreTest] = "the last restore test is from the future; was the clock wrong?"
	}
}

// span is a time for people.
func span(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
