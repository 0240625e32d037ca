package tail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const blockSize = 256 << 10

// leastBuf is the smallest memory for a block: quiet logs need no more.
const leastBuf = 16 << 10

// bufSize is the memory to take for n bytes: a power of two, so that a log that
// gets busy has a whole block's after a few reads, and quiet ones do not.
func bufSize(n int) int {
	if n > blockSize {
		return n
	}
	size := leastBuf
	for size < n {
		size *= 2
	}
	return size
}

// timing is what a reader waits for.
type timing struct {
	pause   time.Duration // for a long line that does not go on
	join    time.Duration // for the next line of a record of several
	settle  time.Duration // for writers that still hold a rotated file
	missing time.Duration // until a file that is gone is closed
	held    time.Duration // by the outputs, until the file is looked at again
}

var defaultTiming = timing{pause: time.Second, join: time.Duration(joinPause), settle: time.Second, missing: time.Minute, held: 100 * time.Millisecond}

// errEnded ends a reader: there is nothing to read any more.
var errEnded = errors.New("source ended")

// A reader reads one log through its rotations. It has a goroutine of its own,
// which is woken when the log may have changed.
type reader struct {
	t       *Tail
	path    string
	id      string // of the container, or ""
	atStart bool   // the log was there when the collector started
	wake    chan struct{}
	pending atomic.Bool // it waits for time to pass; wake it at each poll
	log     *slog.Logger
	trouble *agent.Trouble
	opening *agent.Trouble // of the guard

	src       *agent.Source
	feed      agent.Feed
	split     splitter
	described time.Time // when src was last looked at
	began     time.Time // waiting for labels; zero: it does not
	early     opened    // the log as it was then; it may be gone soon

	file      opened     // where pos lies; File is nil before the first open
	newer     []opened   // where the log goes on, the oldest first
	ahead     int64      // bytes in newer
	plan      []numbered // of files that were not opened yet
	guard     guard      // and further ones that appeared meanwhile
	gap       bool       // lines may be missing before what is read next
	pos       agent.Position
	size      int64         // the file's, when it was last looked at
	before    [nearLen]byte // scratch
	reading   bool          // it has room in host.reading
	block     int           // bytes to read next
	stuck     int64         // the file's size when nothing could be made of its end
	since     time.Time     // of stuck
	heard     int64         // where the last line ends that an open record has; 0: none is open
	quiet     time.Time     // since then nothing came for it
	due       time.Time     // when to look again; zero: when something happens
	timer     *time.Timer   // of due; nil: it was not needed yet
	bounds    []agent.Position
	crossing  time.Time // since then the next file is waited for; zero: it is not
	waited    bool      // it slept since it last looked at the file's head
	turned    time.Time // when newer was found; zero: it was there at the start
	unlinked  bool      // file has no name any more
	goneSince time.Time // there is no file to read; zero: there is
	caughtUp  bool      // what was there at the start was read
	few       bool      // it has no descriptor
}

func (r *reader) run(ctx context.Context, sink agent.Sink) {
	defer r.close()
	for ctx.Err() == nil {
		again, err := r.step(ctx, sink)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errEnded) {
			r.reached()
			return
		}
		r.say(err)
		if again && err == nil {
			continue
		}
		if r.feed != nil && len(r.newer) == 0 && (err == nil || r.file.File == nil) {
			r.reached() // or it cannot be read
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-r.alarm():
		}
		r.waited = true
	}
}

// say says what is wrong, and when it is over.
func (r *reader) say(err error) {
	if few := noDescriptor(err); few != r.few {
		r.few = few
		if few {
			r.t.few.Add(1)
		} else if r.t.few.Add(-1) == 0 {
			r.t.scarce.Clear("all logs are read again")
		}
	}
	switch {
	case r.few:
		r.pending.Store(true)
		r.t.short(err)
	case err != nil:
		r.pending.Store(true)
		r.trouble.Fail(err, "log cannot be read and is tried again", "path", r.path)
	default:
		r.trouble.Clear("log is read again", "path", r.path)
	}
}

// reached says that what was there at the start has been read.
func (r *reader) reached() {
	if r.atStart && !r.caughtUp {
		r.caughtUp = true
		r.t.less(1)
	}
}

func (r *reader) close() {
	if r.few {
		r.say(nil)
	}
	r.guard.reset(opened{}, nil)
	r.leave()
	for _, f := range append(r.newer, r.early) {
		if f.File != nil {
			f.Close()
		}
	}
	if r.feed != nil {
		r.feed.Close(false)
	}
}

// step does one thing: open, read a block, or move on to the next file. again
// says that there may be more to do at once.
func (r *reader) step(ctx context.Context, sink agent.Sink) (again bool, err error) {
	r.pending.Store(false)
	r.due = time.Time{}
	if ok, err := r.describe(sink); !ok {
		return false, err
	}
	if r.file.File == nil {
		return r.open(ctx)
	}
	if r.waited {
		if err := r.verify(); err != nil {
			return false, err
		}
		r.waited = false
	}
	if more, err := r.read(ctx, growing, r.bridges()); more || err != nil {
		return more, err
	}
	return r.turn(ctx)
}

// describe finds out whose log it is, and sees when that changes. ok is false
// while that is not known.
func (r *reader) describe(sink agent.Sink) (ok bool, err error) {
	now := time.Now()
	if r.src != nil && (!r.waited || now.Sub(r.described) < r.t.o.Poll) {
		return true, nil
	}
	r.described = now
	src, state := r.t.describe(r.path, r.id, r.src)
	switch state {
	case unwanted:
		return false, errEnded
	case unknown:
		if r.began.IsZero() {
			r.began = now
		}
		if now.Sub(r.began) < r.t.o.LabelWait {
			r.hold()
			r.pending.Store(true)
			return false, nil
		}
	}
	if src == r.src {
		return true, nil
	}
	if r.feed != nil {
		r.feed.Close(false)
	}
	r.src, r.feed = src, sink.Open(src)
	if f := r.t.o.Format; f != nil {
		r.split.joining().format = f(src)
	}
	return true, nil
}

// hold keeps the log open until its labels are known: the container may be
// removed before.
func (r *reader) hold() {
	if r.early.File == nil {
		r.early, _ = r.t.host.openFile(r.path)
	}
}

// open finds the file to read on in.
func (r *reader) open(ctx context.Context) (bool, error) {
	at := r.feed.Resume()
	r.bounds = at
	if len(at) == 0 {
		return r.openNew(ctx)
	}
	w, places, err := r.guard.chain.search(at)
	if err != nil {
		return false, err
	}
	if r.early.File != nil && !has(w.met, r.early.info) { // its name is gone
		if places, err = r.searchEarly(&w, at, places); err != nil {
			closeAll(w.files)
			return false, err
		}
	}
	r.dropEarly()
	if len(w.met) == 0 {
		return false, r.absent(ctx)
	}
	r.guard.met(w.older)
	p := newPlan(len(w.met), at, places)
	plan := p.list(w.met)
	k := len(w.met) - 1 - p.file
	i := indexOf(w.files, w.met[k])
	if i < 0 { // it was closed again, for it is not among the oldest
		closeAll(w.files)
		if w, err = r.guard.chain.walk(func(_ int, f opened) (bool, error) { return os.SameFile(f.info, w.met[k]), nil }); err != nil {
			return false, err
		}
		if i = len(w.files) - 1; !w.stopped { // and is gone meanwhile
			closeAll(w.files)
			return true, nil
		}
	}
	files := reversed(slices.Clone(w.files[:i+1]))
	r.plan = apply(plan, files)
	p.pos.Epoch = p.numbers[p.file]
	if p.gaps[p.file] {
		r.log.Warn("the file in which reading stopped is gone or was emptied; reading on in the oldest that is left", "path", r.path, "from", files[0].name)
		r.markGap()
	}
	closeAll(w.files[i+1:])
	r.use(files, p.pos)
	return true, nil
}

// searchEarly adds the log as it was when its labels were waited for, and may be
// the only one.
func (r *reader) searchEarly(w *walk, at []agent.Position, places []place) ([]place, error) {
	for i := range places {
		places[i].file++
		m, err := r.t.host.holds(r.early, at[i])
		if err != nil {
			return nil, err
		}
		if m > places[i].match {
			places[i] = place{m, 0}
		}
	}
	w.add(r.early)
	r.early = opened{}
	return places, nil
}

func (r *reader) dropEarly() {
	if r.early.File != nil {
		r.early.Close()
	}
	r.early = opened{}
}

// openNew begins a log that nobody has seen. A container's log is read from its
// oldest file on: it may have been rotated before anybody could look.
func (r *reader) openNew(ctx context.Context) (bool, error) {
	fromEnd := r.t.o.StartAtEnd && r.atStart && !r.t.known
	last := first
	if r.id != "" && !fromEnd {
		last = all
	}
	w, err := r.guard.chain.walk(last)
	if err != nil {
		return false, err
	}
	if r.early.File != nil && !has(w.met, r.early.info) {
		w.add(r.early)
		r.early = opened{}
	}
	r.dropEarly()
	if len(w.files) == 0 {
		return false, r.absent(ctx)
	}
	r.guard.met(w.older)
	i := 0
	if !fromEnd {
		i = len(w.files) - 1
	}
	r.useFrom(w.files, i, agent.Position{Epoch: 1})
	if !fromEnd {
		return true, nil
	}
	if err := r.skip(ctx); err != nil {
		r.guard.reset(opened{}, nil)
		r.leave() // begin anew
		return false, err
	}
	return true, nil
}

// useFrom reads all[i] from pos on, and then the newer ones. The newest of all
// is the first.
func (r *reader) useFrom(all []opened, i int, pos agent.Position) {
	closeAll(all[i+1:])
	r.use(reversed(all[:i+1]), pos)
}

// use reads the first of files from pos on, and then the others.
func (r *reader) use(files []opened, pos agent.Position) {
	r.guard.reset(files[len(files)-1], files[1:])
	r.begin(files, pos)
}

// begin is use where the guard knows of the files.
func (r *reader) begin(files []opened, pos agent.Position) {
	r.leave()
	r.file, r.newer, r.pos = files[0], files[1:], pos
	r.stuck, r.block, r.size = 0, blockSize, 0
	r.ahead = sizes(r.newer)
	r.turned, r.unlinked, r.goneSince = time.Time{}, false, time.Time{}
	r.heard, r.crossing = 0, time.Time{}
}

// leave closes the file that is read.
func (r *reader) leave() {
	if r.file.File != nil {
		r.file.Close()
	}
	r.unroom()
	r.file = opened{}
}

// skip makes the lines that are there count as read.
func (r *reader) skip(ctx context.Context) error {
	offset, err := lastLineEnd(r.file)
	if err != nil {
		return err
	}
	b, err := r.feed.Batch(ctx)
	if err != nil {
		return err
	}
	return r.emit(ctx, b, offset, offset)
}

// lastLineEnd is the offset after the last line end; the file's size where there
// is none near.
func lastLineEnd(f opened) (int64, error) {
	size, err := f.size()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, min(size, 128<<10))
	n, err := f.ReadAt(buf, size-int64(len(buf)))
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 || size == int64(len(buf)) {
		return size - int64(len(buf)) + int64(i) + 1, nil
	}
	return size, nil
}
