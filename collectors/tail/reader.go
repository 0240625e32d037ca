package tail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const blockSize = 256 << 10

// epochGap is what a position's epoch moves on by where the file in which it lay
// is gone. Consumers that were further than the one that is read for have counted
// more files; below the gap they would take what is left for read already.
const epochGap = 1 << 20

// timing is what a reader waits for.
type timing struct {
	pause   time.Duration // for a long line that does not go on
	settle  time.Duration // for writers that still hold a rotated file
	missing time.Duration // until a file that is gone is closed
}

var defaultTiming = timing{pause: time.Second, settle: time.Second, missing: time.Minute}

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

	src       *agent.Source
	feed      agent.Feed
	split     splitter
	described time.Time // when src was last looked at
	began     time.Time // waiting for labels; zero: it does not
	early     opened    // the log as it was then; it may be gone soon

	file      opened   // where pos lies; File is nil before the first open
	newer     []opened // where the log goes on, the oldest first
	guard     guard    // and further ones that appeared meanwhile
	gap       bool     // lines may be missing before what is read next
	last      int64    // time of the newest record that was read, ns
	pos       agent.Position
	block     int       // bytes to read next
	stuck     int64     // the file's size when nothing could be made of its end
	since     time.Time // of stuck
	waited    bool      // it slept since it last looked at the file's head
	turned    time.Time // when newer was found; zero: it was there at the start
	unlinked  bool      // file has no name any more
	goneSince time.Time // there is no file to read; zero: there is
}

func (r *reader) run(ctx context.Context, sink agent.Sink) {
	defer r.close()
	failing := false
	for ctx.Err() == nil {
		again, err := r.step(ctx, sink)
		switch {
		case errors.Is(err, errEnded) || ctx.Err() != nil:
			return
		case err != nil:
			failing = true
			r.pending.Store(true)
			r.trouble.Fail(err, "log cannot be read and is tried again", "path", r.path)
		case failing:
			failing = false
			r.trouble.Clear("log is read again", "path", r.path)
		}
		if again && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		}
		r.waited = true
	}
}

func (r *reader) close() {
	r.guard.reset(opened{})
	for _, f := range append(r.newer, r.file, r.early) {
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
	if more, err := r.read(ctx, growing); more || err != nil {
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
	return true, nil
}

// hold keeps the log open until its labels are known: the container may be
// removed before.
func (r *reader) hold() {
	if r.early.File == nil {
		r.early, _ = openFile(r.path)
	}
}

// open finds the file to read on in.
func (r *reader) open(ctx context.Context) (bool, error) {
	all, err := r.guard.chain.files()
	if err != nil {
		return false, err
	}
	if r.early.File != nil {
		if indexOf(all, r.early.info) < 0 {
			all = append(all, r.early)
		} else {
			r.early.Close()
		}
		r.early = opened{}
	}
	if len(all) == 0 {
		return false, r.absent(ctx)
	}
	at, seen := r.feed.Resume()
	if !seen {
		return r.openNew(ctx, all)
	}
	i, err := holding(all, at)
	if err != nil {
		closeAll(all)
		return false, err
	}
	if i >= 0 {
		r.useFrom(all, i, at)
		return true, nil
	}
	if i = cutShort(all, at); i < 0 {
		i = len(all) - 1
	}
	r.log.Warn("the file in which reading stopped is gone or was emptied; reading on in the oldest that is left", "path", r.path, "from", all[i].name)
	r.gap = true
	r.useFrom(all, i, agent.Position{Epoch: at.Epoch + epochGap})
	return true, nil
}

// openNew begins a log that nobody has seen. A container's log is read from its
// oldest file on: it may have been rotated before anybody could look.
func (r *reader) openNew(ctx context.Context, all []opened) (bool, error) {
	fromEnd := r.t.o.StartAtEnd && r.atStart
	i := 0
	if r.id != "" && !fromEnd {
		i = len(all) - 1
	}
	r.useFrom(all, i, agent.Position{Epoch: 1})
	if !fromEnd {
		return true, nil
	}
	if err := r.skip(ctx); err != nil {
		r.guard.reset(opened{})
		r.file.Close()
		r.file = opened{} // begin anew
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

// use reads the first of all from pos on, and then the others.
func (r *reader) use(all []opened, pos agent.Position) {
	r.guard.reset(all[len(all)-1])
	r.advance(all, pos)
}

// advance is use where the guard knows of all.
func (r *reader) advance(all []opened, pos agent.Position) {
	r.file, r.newer, r.pos = all[0], all[1:], pos
	r.stuck, r.block = 0, blockSize
	r.turned, r.unlinked, r.goneSince = time.Time{}, false, time.Time{}
}

// skip makes the lines that are there count as read.
func (r *reader) skip(ctx context.Context) error {
	offset, err := lastLineEnd(r.file)
	if err != nil || offset == 0 {
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
