// Package scan reads past logs with the rules, and says what would have been found
// in them, and which alerts and mails that would have made, and when.
package scan

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/collectors/tail"
	"github.com/webgrip/logkeel/rules"
)

// Options say what is read, by which rules, and what is printed of it.
type Options struct {
	Logs    []tail.Past       // that the configuration names
	Files   []string          // to be read instead of them, where there are any; "-" is In
	In      io.Reader         // standard input
	Rotated bool              // files are read with their older ones
	Format  *multiline.Format // of files that are not among Logs; nil: each line is a record

	Set          *rules.Set
	Rule         func(*agent.Rule) bool   // of which findings count; nil: of all
	Source       func(*agent.Source) bool // which logs are read; nil: all
	Since, Until time.Time                // of records; Until itself is not; zero: all
	Mails        []Mail                   // outputs that tell people

	Out, Err io.Writer
	Color    bool // what matched is set in colour
	JSON     bool
	Quiet    bool // no matches, the table only
	Limit    int  // matches that are printed of each rule; 0: all
	Now      time.Time
	// Progress shows what text says until it is told that the scan has ended; nil:
	// nobody wants to know.
	Progress func(text func(took time.Duration) string) (end func())
}

// A Mail is an output that tells people.
type Mail struct {
	Name   string
	Config notify.Config
}

// A Result is what came of a scan.
type Result struct {
	Findings int64 // of all rules
	Unread   int   // files of which something could not be read; each was said
}

const (
	memory = 64 << 20 // bytes of matches that all logs together have ready
	// stride is how much of a log is read until that is said, where nothing is found.
	stride = 16 << 20
	// early is how much earlier than the one before a record may be. A log is read no
	// further where it is later than that.
	early = 2 * time.Hour
)

// A scan is one run.
type scan struct {
	Options
	lanes  []*lane
	keep   []bool // by rule
	budget int    // bytes of text that a chunk may have
	since  int64  // ns
	until  int64
	size   int64 // bytes to read, where they are known
	read   atomic.Int64
	desks  chan *desk

	mu       sync.Mutex
	failures []error
}

// A desk is the memory with which a log is read. There are as many as processors, so
// that what a scan takes does not depend on how many logs there are.
type desk struct {
	batch agent.Batch
	block []byte
}

// Run scans. An error says that it could not go on; what could not be read is in the
// Result only.
func Run(ctx context.Context, o Options) (Result, error) {
	s := &scan{Options: o, keep: make([]bool, len(o.Set.Rules())), until: 1<<63 - 1}
	for i, r := range o.Set.Rules() {
		s.keep[i] = o.Rule == nil || o.Rule(r)
	}
	if !o.Since.IsZero() {
		s.since = o.Since.UnixNano()
	}
	if !o.Until.IsZero() {
		s.until = o.Until.UnixNano()
	}
	s.open()
	s.budget = max(4<<10, memory/max(1, 2*len(s.lanes)))
	report, err := newReport(s)
	if err != nil {
		return Result{}, err
	}
	n := runtime.GOMAXPROCS(0)
	s.desks = make(chan *desk, n)
	for range n {
		s.desks <- &desk{}
	}
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, l := range s.lanes {
		wg.Go(func() { s.run(ctx, l) })
	}
	err = s.merge(ctx, report)
	stop()
	if !errors.Is(err, errInterrupted) { // else one may be in a read of a pipe, which nothing interrupts but the process's end
		wg.Wait()
	}
	if err == nil {
		err = report.end()
	}
	return Result{report.findings, len(s.failed())}, err
}

// failed are the errors until now.
func (s *scan) failed() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.failures)
}

// fail notes that something could not be read, and says what to do.
func (s *scan) fail(err error) {
	damaged := new(tail.DamagedError)
	switch {
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w; run it as a user who may read it, as with sudo", err)
	case errors.Is(err, syscall.EMFILE):
		err = fmt.Errorf("%w; raise the limit of open files (ulimit -n), or name fewer logs", err)
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w; see whether it is the right path", err)
	case errors.As(err, &damaged):
		err = fmt.Errorf("%w; what follows in it is not in this report: get the file from a backup, or see what gzip -dc makes of it", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, err)
}

// A feed gives the records of a log, or of several that came together, in their
// order; io.EOF at the end.
type feed interface {
	Next(b *agent.Batch, block *[]byte) error
	Close()
}

// A lane is what is read in one go.
type lane struct {
	open   func() (feed, error)
	mixed  bool  // it has lines of several logs, which came together
	when   int64 // the time of lines of which none is known, ns
	last   int64 // of the last line of which one is
	chunks chan *chunk
}

// A chunk is what was found in a stretch of a lane.
type chunk struct {
	text     []byte
	matches  []match
	findings []agent.Finding // their Match lies in text

	lines       int64
	logs        []*agent.Source
	first, last int64 // times of lines; 0: none has one
	upto        int64 // the time that the lane has come to
	end         bool  // nothing follows
}

// A match is a record in which something was found.
type match struct {
	source   *agent.Source
	record   agent.Record // its body lies in text
	from, to int32        // in findings
	untimed  bool         // its time is not known: it is that at which it was read
}

// run reads the lane, and is ahead of who takes its chunks by one or two.
func (s *scan) run(ctx context.Context, l *lane) {
	defer close(l.chunks)
	var f feed
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	for {
		var d *desk
		select {
		case d = <-s.desks:
		case <-ctx.Done():
			return
		}
		if f == nil {
			var err error
			if f, err = l.open(); err != nil {
				s.fail(err)
				s.desks <- d
				return
			}
		}
		c := s.produce(ctx, l, f, d)
		s.desks <- d
		if c.end { // files are few, and many logs may wait for their turn
			f.Close()
			f = nil
		}
		select {
		case l.chunks <- c:
		case <-ctx.Done():
			return
		}
		if c.end {
			return
		}
	}
}

// produce makes the lane's next chunk.
func (s *scan) produce(ctx context.Context, l *lane, f feed, d *desk) *chunk {
	c := &chunk{}
	for n := 0; n < stride && len(c.text) < s.budget && ctx.Err() == nil; n += len(d.batch.Buf) {
		err := f.Next(&d.batch, &d.block)
		if err != nil {
			if err != io.EOF {
				s.fail(err)
			}
			c.end = true
			break
		}
		if s.beyond(&d.batch) {
			c.end = true
			break
		}
		s.judge(l, c, &d.batch)
		if p, ok := f.(interface{ idle() bool }); ok && p.idle() { // what follows may take long to come
			break
		}
	}
	if l.mixed {
		slices.SortStableFunc(c.matches, func(a, b match) int { return cmp.Compare(a.record.Time, b.record.Time) })
	}
	if c.upto = l.last; c.upto == 0 {
		c.upto = l.when
	}
	return c
}

// beyond says that all that follows in a log is later than what is asked for.
func (s *scan) beyond(b *agent.Batch) bool {
	first := &b.Records[0]
	return first.Time > s.until && first.Time-s.until > int64(early) && first.Flags&agent.Malformed == 0
}

// judge adds to the chunk what the rules find.
func (s *scan) judge(l *lane, c *chunk, b *agent.Batch) {
	s.choose(l, c, b)
	if len(b.Records) == 0 {
		return
	}
	if n := len(c.logs); n == 0 || c.logs[n-1] != b.Source {
		c.logs = append(c.logs, b.Source)
	}
	s.Set.Match(b)
	for i := 0; i < len(b.Findings); {
		record := b.Findings[i].Record
		from := len(c.findings)
		for ; i < len(b.Findings) && b.Findings[i].Record == record; i++ {
			if f := b.Findings[i]; s.keep[f.Rule.Index] {
				f.Record = 0
				c.findings = append(c.findings, f)
			}
		}
		if len(c.findings) > from {
			c.add(l, b, int(record), from)
		}
	}
}

// add copies a record and moves its findings.
func (c *chunk) add(l *lane, b *agent.Batch, record, from int) {
	r := b.Records[record]
	shift := int32(len(c.text)) - r.Body.Start
	c.text = append(c.text, b.Body(record)...)
	r.Body.Start += shift
	r.Body.End += shift
	for i := from; i < len(c.findings); i++ {
		c.findings[i].Match.Start += shift
		c.findings[i].Match.End += shift
	}
	m := match{source: b.Source, record: r, from: int32(from), to: int32(len(c.findings))}
	if r.Time == 0 {
		m.record.Time, m.untimed = l.when, true
	}
	c.matches = append(c.matches, m)
}

// choose leaves the records that are asked for, and counts their lines.
func (s *scan) choose(l *lane, c *chunk, b *agent.Batch) {
	if l.last == 0 { // lines before the first that has a time were written about then
		for _, r := range b.Records {
			if r.Time != 0 && r.Flags&agent.Malformed == 0 {
				l.last = r.Time
				break
			}
		}
	}
	kept := b.Records[:0]
	for _, r := range b.Records {
		if r.Flags&agent.Malformed != 0 || r.Time == 0 {
			r.Time = l.last
		}
		l.last = r.Time
		if r.Time != 0 && (r.Time < s.since || r.Time >= s.until) {
			continue
		}
		kept = append(kept, r)
		c.lines += 1 + int64(bytes.Count(b.Buf[r.Body.Start:r.Body.End], []byte{'\n'}))
		if r.Time != 0 {
			if c.first == 0 || r.Time < c.first {
				c.first = r.Time
			}
			c.last = max(c.last, r.Time)
		}
	}
	b.Records = kept
}
