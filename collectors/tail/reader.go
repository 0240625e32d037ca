package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	blockSize   = 256 << 10
	pauseAfter  = time.Second      // for a long line that does not go on
	settleAfter = time.Second      // for writers that still hold a rotated file
	newIsEmpty  = 5 * time.Second  // how long they have where the new file is empty
	missingFor  = 60 * time.Second // until a file that is gone is closed
)

// errEnded ends a reader: there is nothing to read any more.
var errEnded = errors.New("source ended")

// A reader reads one log through its rotations. It has a goroutine of its own,
// which is woken when the log may have changed.
type reader struct {
	t       *Tail
	path    string
	chain   chain
	atStart bool // the log was there when the collector started
	wake    chan struct{}
	pending atomic.Bool // it waits for time to pass; wake it at each poll
	log     *slog.Logger
	trouble *agent.Trouble

	src   *agent.Source
	feed  agent.Feed
	split splitter

	file    opened // where pos lies; File is nil before the first open
	newer   []opened
	pos     agent.Position
	block   int       // bytes to read next
	stuck   int64     // the file's size when nothing could be made of its end
	since   time.Time // of stuck, of the rotation, or of the file's absence
	waited  bool      // it slept since it last looked at the file's head
	rotated bool
	missing bool
}

func (r *reader) run(ctx context.Context, sink agent.Sink) {
	defer r.close()
	for ctx.Err() == nil {
		again, err := r.step(ctx, sink)
		switch {
		case errors.Is(err, errEnded):
			return
		case err != nil && ctx.Err() == nil:
			r.pending.Store(true)
			r.trouble.Fail(err, "log cannot be read and is tried again", "path", r.path)
		case err == nil:
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
	if r.file.File != nil {
		r.file.Close()
	}
	closeAll(r.newer)
	if r.feed != nil {
		r.feed.Close(false)
	}
}

// step does one thing: open, read a block, or move on to the next file. again
// says that there may be more to do at once.
func (r *reader) step(ctx context.Context, sink agent.Sink) (again bool, err error) {
	r.pending.Store(false)
	if ok, err := r.identifySource(sink); !ok {
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

// identifySource finds out whose log it is, and sees when that changes.
func (r *reader) identifySource(sink agent.Sink) (ok bool, err error) {
	src, state := r.t.describe(r.path, r.src)
	switch state {
	case unwanted:
		return false, errEnded
	case unknown:
		if r.since.IsZero() {
			r.since = time.Now()
		}
		if time.Since(r.since) < r.t.o.LabelWait {
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
	r.src, r.feed, r.since = src, sink.Open(src), time.Time{}
	return true, nil
}

// open finds the file to read on in.
func (r *reader) open(ctx context.Context) (bool, error) {
	at, seen := r.feed.Resume()
	if !seen {
		return r.openNew(ctx)
	}
	f, newer, ok, err := r.chain.find(at)
	if err != nil {
		return false, err
	}
	if ok {
		r.file, r.newer, r.pos = f, newer, at
		return true, nil
	}
	all, _, err := r.chain.after(nil)
	if err != nil || len(all) == 0 {
		return false, r.absent(err)
	}
	// A file that was emptied in place is the same file; those that it was
	// copied to before have been read.
	if last := all[len(all)-1]; inode(last.info) == at.File.Inode {
		closeAll(all[:len(all)-1])
		all = all[len(all)-1:]
	}
	r.log.Info("the file in which reading stopped is gone; reading on in the oldest that is left", "path", r.path, "from", all[0].name)
	r.use(all, at.Epoch+1)
	return true, nil
}

// openNew begins a log that nobody has seen. A container's log is read from its
// oldest file on: it may have been rotated before anybody could look.
func (r *reader) openNew(ctx context.Context) (bool, error) {
	all, _, err := r.chain.after(nil)
	if err != nil || len(all) == 0 {
		return false, r.absent(err)
	}
	fromEnd := r.t.o.StartAtEnd && r.atStart
	if fromEnd || r.src.Container == nil {
		closeAll(all[:len(all)-1])
		all = all[len(all)-1:]
	}
	r.use(all, 1)
	if size := r.file.info.Size(); fromEnd && size > 0 {
		return true, r.skipTo(ctx, size)
	}
	return true, nil
}

func (r *reader) use(all []opened, epoch uint64) {
	r.file, r.newer = all[0], all[1:]
	r.pos = agent.Position{Epoch: epoch}
	r.stuck, r.rotated, r.missing, r.block = 0, false, false, blockSize
}

// skipTo makes everything before offset count as read.
func (r *reader) skipTo(ctx context.Context, offset int64) error {
	b, err := r.feed.Batch(ctx)
	if err != nil {
		return err
	}
	r.pos.Offset = offset
	if r.pos.File, err = identify(r.file, offset); err != nil {
		r.feed.Release(b)
		return err
	}
	b.Pos = r.pos
	return r.feed.Emit(ctx, b)
}

// absent is called where there is no file to open.
func (r *reader) absent(err error) error {
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Dir(r.path)); errors.Is(err, fs.ErrNotExist) {
		return r.end()
	}
	if !r.missing {
		r.missing, r.since = true, time.Now()
	}
	r.pending.Store(true)
	if time.Since(r.since) < missingFor {
		return nil
	}
	return r.end()
}

// end ends the source. A container's never comes back, for ids are not reused.
func (r *reader) end() error {
	gone := r.src.Container != nil
	r.feed.Close(gone)
	r.feed = nil
	return errEnded
}

// verify sees whether the file is still the one that was read: it may have been
// emptied, and filled again, in place.
func (r *reader) verify() error {
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() >= r.pos.Offset && is(r.file, r.pos.File) {
		return nil
	}
	f, newer, ok, err := r.chain.find(r.pos)
	if err != nil {
		return err
	}
	r.file.Close()
	closeAll(r.newer)
	r.stuck = 0
	if ok { // a copy was made first
		r.log.Info("log was copied and truncated; the copy has the rest", "path", r.path, "copy", f.name)
		r.file, r.newer = f, newer
		return nil
	}
	r.log.Info("log was truncated; reading from its start", "path", r.path, "offset", r.pos.Offset, "size", info.Size())
	r.file = opened{}
	f, err = openFile(r.path)
	if err != nil {
		return err
	}
	r.use([]opened{f}, r.pos.Epoch+1)
	return nil
}

// read reads a block and emits its records. more says that something came of it.
func (r *reader) read(ctx context.Context, m mode) (more bool, err error) {
	info, err := r.file.Stat()
	if err != nil {
		return false, err
	}
	size := info.Size()
	left := size - r.pos.Offset
	if left <= 0 {
		r.feed.Behind(0)
		return false, nil
	}
	if m == growing && size == r.stuck {
		r.pending.Store(true)
		if time.Since(r.since) < pauseAfter {
			return false, nil
		}
		m = paused
	}
	b, err := r.feed.Batch(ctx)
	if err != nil {
		return false, err
	}
	n := int(min(left, int64(r.block)))
	if cap(b.Buf) < n {
		b.Buf = make([]byte, max(n, blockSize))
	}
	n, err = r.file.ReadAt(b.Buf[:n], r.pos.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		r.feed.Release(b)
		return false, fmt.Errorf("read %s: %w", r.file.name, err)
	}
	b.Buf = b.Buf[:n]
	if int64(n) < left && m != growing { // not the last block
		m = growing
	}
	covered := r.split.split(b, r.pos.Offset, m)
	if covered == 0 {
		r.feed.Release(b)
		return r.nothingYet(size, int64(n) < left), nil
	}
	r.block = blockSize
	return true, r.emit(ctx, b, int64(covered), size)
}

// nothingYet is called where a block does not hold one whole record.
func (r *reader) nothingYet(size int64, blockFull bool) (again bool) {
	if blockFull && r.block <= r.split.limit() {
		r.block *= 2
		return true
	}
	if r.stuck != size {
		r.stuck, r.since = size, time.Now()
	}
	r.pending.Store(true)
	r.feed.Behind(size - r.pos.Offset)
	return false
}

func (r *reader) emit(ctx context.Context, b *agent.Batch, covered, size int64) error {
	next := r.pos
	next.Offset += covered
	if next.File.Len < headLen {
		id, err := identify(r.file, next.Offset)
		if err != nil {
			r.feed.Release(b)
			return err
		}
		next.File = id
	}
	b.Pos = next
	if err := r.feed.Emit(ctx, b); err != nil {
		return err
	}
	r.pos, r.stuck = next, 0
	r.feed.Behind(size - next.Offset)
	return nil
}

// turn looks at the end of a file whether the log goes on in another one.
func (r *reader) turn(ctx context.Context) (again bool, err error) {
	if len(r.newer) == 0 {
		if info, err := os.Stat(r.path); err == nil && os.SameFile(info, r.file.info) {
			r.missing = false
			return false, nil
		}
		newer, found, err := r.chain.after(r.file.info)
		if err != nil {
			return false, err
		}
		if len(newer) == 0 {
			if found {
				r.pending.Store(true) // renamed, and no new one yet
				return false, nil
			}
			return false, r.absent(nil)
		}
		r.newer = newer
	}
	if !r.rotated { // what was written until the rename is there now: read again
		r.rotated, r.missing, r.since = true, false, time.Now()
		return true, nil
	}
	if !r.settled() {
		r.pending.Store(true)
		return false, nil
	}
	for { // what has no end gets none any more
		if more, err := r.read(ctx, final); err != nil {
			return false, err
		} else if !more {
			break
		}
	}
	r.file.Close()
	r.use(r.newer, r.pos.Epoch+1)
	r.t.rotations.Add(1)
	return true, nil
}

// settled says that nobody writes to the rotated file any more. Docker closes a
// log before it rotates it; others may go on for a while.
func (r *reader) settled() bool {
	if r.src.Container != nil {
		return true
	}
	info, err := r.file.Stat()
	if err != nil || time.Since(info.ModTime()) < settleAfter {
		return false
	}
	next, err := r.newer[0].Stat()
	return err != nil || next.Size() > 0 || time.Since(r.since) >= newIsEmpty
}
