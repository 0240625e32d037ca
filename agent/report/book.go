package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// maxUnsent bounds the periods that are over and were not told.
	maxUnsent = 5
	// setBack is how long a clock has to be behind what it was before, until it
	// is taken to be right: at its start a machine may not know the time.
	setBack = time.Hour
	// jitter is what a clock may go back by at any time.
	jitter  = 5 * time.Minute
	version = 1
)

// Options of a Book.
type Options struct {
	Schedule Schedule
	Zone     *time.Location // of the schedule
	// Started says when this process began to count: counters are then at 0. It
	// tells one process from the next.
	Started time.Time
	Meter   func(yield func(agent.Sample)) // of the agent and all of its parts
}

// A Book is what a period comes to, in a file. One goroutine uses it.
type Book struct {
	o      Options
	path   string
	s      state
	folder folder

	begins  bool          // it is this process's first look
	looking bool          // looked is known
	looked  time.Duration // when it was last observed, by a clock that never jumps
	behind  bool          // the clock is before what was seen
	since   time.Duration // from when on
	dropped int           // periods that were never told, since it was opened
}

// state is the file.
type state struct {
	Version  int                `json:"version"`
	Started  int64              `json:"started"`  // of the process that wrote it
	Schedule string             `json:"schedule"` // that Next is of
	Next     time.Time          `json:"next"`     // when Current ends
	Seen     time.Time          `json:"seen"`     // when it was observed last
	Current  *Period            `json:"current"`
	Past     []*Period          `json:"past,omitempty"`     // the newest first
	Unsent   int                `json:"unsent,omitempty"`   // so many of Past are to be told, the oldest first
	Taken    []string           `json:"taken,omitempty"`    // who has the oldest of these
	Refused  time.Time          `json:"refused,omitzero"`   // since when nobody takes it
	Others   map[uint64]float64 `json:"counters,omitempty"` // of servers, as they were last
	Own      map[uint64]float64 `json:"own,omitempty"`      // of this process, where it goes on without the book
}

// Open reads the file, where there is one. An error beside a Book says that it
// could not be read, was put aside, and that all begins anew.
func Open(path string, o Options) (*Book, error) {
	b := &Book{o: o, path: path}
	s, err := readState(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		aside := path + ".bad"
		err = fmt.Errorf("%w; it is kept as %s", errors.Join(err, os.Rename(path, aside)), aside)
	} else {
		err = nil
	}
	fresh := s == nil
	if fresh {
		s = &state{}
	}
	own, goesOn := s.Own, s.Started == o.Started.UnixNano()
	if !goesOn {
		own = nil
	}
	b.s, b.begins = *s, !goesOn
	b.folder = folder{
		tracks: tracks(), own: newLast(maxOwn, own), others: newLast(maxOthers, s.Others),
		blank: fresh,
	}
	b.s.Own = nil
	if mkdir := os.MkdirAll(filepath.Dir(path), 0o700); mkdir != nil {
		return b, errors.Join(err, mkdir)
	}
	return b, err
}

func readState(path string) (*state, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := s.valid(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &s, nil
}

func (s *state) valid() error {
	if s.Version != version {
		return fmt.Errorf("version %d is not known", s.Version)
	}
	if s.Current == nil || s.Unsent < 0 || s.Unsent > len(s.Past) {
		return errors.New("it is not whole")
	}
	known := tracks()
	for _, p := range append([]*Period{s.Current}, s.Past...) {
		if p == nil {
			return errors.New("it is not whole")
		}
		for metric, all := range p.Series {
			t, ok := known[metric]
			for key, one := range all {
				if one == nil || ok && len(labels(key)) != max(1, len(t.by)) {
					return fmt.Errorf("%s is not whole", metric)
				}
			}
		}
	}
	return nil
}

// save replaces the file.
func (b *Book) save() error {
	b.s.Version, b.s.Started, b.s.Others = version, b.o.Started.UnixNano(), b.folder.others.values
	data, err := json.Marshal(&b.s)
	if err != nil {
		return err
	}
	return agent.ReplaceFile(b.path, data)
}

// Close writes the file once more. Who opens it again in this process goes on
// where this one stands.
func (b *Book) Close() error {
	if b.s.Current == nil {
		return nil
	}
	b.s.Own = b.folder.own.values
	defer func() { b.s.Own = nil }()
	return b.save()
}
