package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A book is all jobs, and the ledger of them on the disk.
type book struct {
	path string // of the file
	any  bool
	boot string
	log  *slog.Logger

	mu      sync.Mutex
	jobs    map[string]*job
	fresh   chan struct{}   // has a value where jobs has grown
	ended   [][]agent.Field // of runs, that were not made into records
	seen    time.Time       // when they were last looked at
	unsaved bool            // there is something that is not on the disk
	writing *agent.Trouble
}

const (
	maxLedger = 16 << 20
	maxEnded  = 1000
	forgotten = 35 * 24 * time.Hour // a job that is not listed, and says nothing more
	jump      = time.Minute         // by which the clock may differ from the time that has passed
)

// openBook reads the ledger. One that cannot be read is put aside.
func openBook(c *Config, dir, boot string, log *slog.Logger, now time.Time) *book {
	b := &book{
		path: filepath.Join(dir, "jobs.json"), any: c.Any, boot: boot, log: log,
		jobs: map[string]*job{}, fresh: make(chan struct{}, 1), seen: now, unsaved: true, writing: agent.NewTrouble(log),
	}
	for _, j := range c.Jobs {
		b.add(newJob(j, now))
	}
	kept, err := readLedger(b.path)
	if err != nil {
		log.Warn("what jobs told before is not known any more", "file", b.path, "error", err)
		if err := os.Rename(b.path, b.path+".bad"); err != nil {
			log.Warn("the ledger of jobs cannot be put aside", "error", err)
		}
	}
	for _, s := range kept {
		j := b.jobs[s.Of]
		if j == nil && b.any && nameForm.MatchString(s.Of) && len(b.jobs) < maxJobs && now.Sub(s.last()) < forgotten {
			j = b.add(newJob(Job{Name: s.Of}, now))
		}
		if j != nil {
			j.restore(s, boot, now)
		}
	}
	return b
}

func (b *book) add(j *job) *job {
	b.jobs[j.Of] = j
	j.tell = func(r []agent.Field) {
		b.ended = append(b.ended, r)
		b.ended = b.ended[max(0, len(b.ended)-maxEnded):]
	}
	return j
}

func (s *state) last() time.Time {
	if s.LastEnd.After(s.LastStart) {
		return s.LastEnd
	}
	return s.LastStart
}

func readLedger(path string) (kept []state, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxLedger+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxLedger {
		return nil, fmt.Errorf("it is larger than %d bytes", maxLedger)
	}
	if err := json.Unmarshal(content, &kept); err != nil {
		return nil, err
	}
	return kept, nil
}

// save writes the ledger. It is called with mu held. While the disk takes nothing
// it is kept in memory, and tried again with the next change or snapshot.
func (b *book) save() {
	all := make([]*state, 0, len(b.jobs))
	for _, name := range b.names() {
		all = append(all, &b.jobs[name].state)
	}
	content, err := json.Marshal(all)
	if err == nil {
		err = agent.ReplaceFile(b.path, content)
	}
	if b.unsaved = err != nil; b.unsaved {
		b.writing.Fail(err, "the ledger of jobs cannot be written; free space in state_dir or make it writable", "file", b.path)
		return
	}
	b.writing.Clear("the ledger of jobs can be written again")
}

func (b *book) names() []string { return slices.Sorted(maps.Keys(b.jobs)) }

// errUnknown says which jobs there are.
type errUnknown struct{ known []string }

func (e errUnknown) Error() string {
	if len(e.known) == 0 {
		return "there are no jobs; list them under collectors.jobs.jobs, or set any: true"
	}
	const most = 20
	more := ""
	if n := len(e.known) - most; n > 0 {
		e.known, more = e.known[:most], fmt.Sprintf(" and %d others", n)
	}
	return "no job has that name; there are " + strings.Join(e.known, ", ") + more
}

var errMany = fmt.Errorf("there are %d jobs already", maxJobs)

// of calls do with the job of that name, and writes down what it did.
func (b *book) of(name string, do func(j *job, now time.Time)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.watch()
	j := b.jobs[name]
	if j == nil {
		switch {
		case !b.any:
			return errUnknown{b.names()}
		case len(b.jobs) >= maxJobs:
			return errMany
		}
		j = b.add(newJob(Job{Name: name}, now))
		select {
		case b.fresh <- struct{}{}:
		default:
		}
	}
	do(j, now)
	b.save()
	return nil
}

// watch judges what was due by now. It is called with mu held. A clock that was set, and a machine
// that slept, are as an agent that did not run.
func (b *book) watch() (now time.Time) {
	now = time.Now()
	wall, passed := now.Round(0).Sub(b.seen.Round(0)), now.Sub(b.seen)
	b.seen = now
	jumped := (wall - passed).Abs() > jump
	for _, j := range b.jobs {
		if jumped {
			j.resume(now)
		}
		if j.judge(now) {
			b.unsaved = true
		}
	}
	if b.unsaved {
		b.save()
	}
	return now
}

// bootID tells one start of the machine from another; "" where nobody knows.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}
