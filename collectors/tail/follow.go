package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// verify sees whether the file is still the one that was read: it may have been
// emptied, and filled again, in place.
func (r *reader) verify() error {
	if r.pos.Offset == 0 && r.heard == 0 || r.file.zip != nil {
		return nil
	}
	size, err := r.file.size()
	if err != nil {
		return err
	}
	if r.pos.Offset == 0 { // what was seen of it is an open record
		if size < r.heard && len(r.newer) == 0 {
			r.heard = 0
			r.markGap()
		}
		return nil
	}
	same, err := r.unchanged(size)
	if err != nil || same {
		return err
	}
	live := r.file.info
	w, err := r.guard.chain.walk(func(_ int, f opened) (bool, error) {
		if os.SameFile(f.info, live) {
			return false, nil
		}
		m, err := r.t.host.holds(f, r.pos)
		return m >= equal, err
	})
	if err != nil {
		return err
	}
	if w.stopped { // a copy was made first
		i := len(w.files) - 1
		r.log.Info("log was copied and truncated; the copy has the rest", "path", r.path, "copy", w.files[i].name)
		closeAll(r.newer)
		r.useFrom(w.files, i, r.pos)
		return nil
	}
	closeAll(w.files)
	r.log.Info("log was truncated; reading from its start", "path", r.path, "offset", r.pos.Offset, "size", size)
	if r.size > r.pos.Offset {
		r.markGap()
	}
	r.pos, r.stuck, r.block, r.size = agent.Position{Epoch: r.pos.Epoch + 1, Time: r.pos.Time}, 0, blockSize, 0
	r.heard = 0
	return nil
}

// unchanged reports whether the file has what it had up to the position.
func (r *reader) unchanged(size int64) (bool, error) {
	if size < r.pos.Offset {
		return false, nil
	}
	same, err := r.t.host.is(r.file, r.pos.File)
	if err != nil || !same || r.pos.Near == 0 {
		return same, err
	}
	got, err := near(r.file, r.pos.Offset, &r.before)
	return got == r.pos.Near, err
}

// read reads a block and emits its records. more says that something came of it.
// keep leaves a record open at the end of the file.
func (r *reader) read(ctx context.Context, m mode, keep bool) (more bool, err error) {
	if err := r.room(ctx); err != nil {
		return false, err
	}
	left, err := r.file.left(r.pos.Offset, r.block)
	if err != nil {
		r.unroom()
		return false, err
	}
	size := r.pos.Offset + left
	r.size = size
	if left <= 0 {
		r.behind(0)
		return false, nil
	}
	over := r.rests()
	if m == growing && size == r.stuck {
		switch {
		case time.Since(r.since) >= r.t.timing.pause:
			m = paused
		case !over:
			r.wait()
			return false, nil
		}
	}
	b, err := r.feed.Batch(ctx)
	if err != nil {
		return false, err
	}
	n := int(min(left, int64(r.block)))
	bound := r.bound(r.pos.Epoch, r.pos.Offset)
	if bound != 0 && bound-r.pos.Offset <= int64(n) {
		n = int(bound - r.pos.Offset)
	} else {
		bound = 0
	}
	if cap(b.Buf) < n {
		b.Buf = make([]byte, bufSize(n))
	}
	got, err := r.file.ReadAt(b.Buf[:n], r.pos.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		r.feed.Release(b)
		return false, fmt.Errorf("read %s: %w", r.file.name, err)
	}
	b.Buf = b.Buf[:got]
	if int64(got) < left { // not the last block
		m = growing
	}
	j := r.split.joining()
	j.over, j.rest, j.keep = bound, 0, keep
	if over && bound == 0 && int64(got) == left {
		j.rest = r.heard
	}
	r.sift(got)
	covered := r.split.split(b, r.pos.Offset, m)
	r.hear(j)
	if covered == 0 {
		r.feed.Release(b)
		if bound != 0 {
			r.unbound(r.pos.Epoch, bound)
			return true, nil
		}
		return r.nothingYet(size, got == r.block), nil
	}
	r.block = blockSize
	if err = r.emit(ctx, b, int64(covered), size); errors.Is(err, agent.ErrOutdated) {
		err = nil // it is read again
	}
	return true, err
}

// sift has the splitter pass over what nobody wants of a block of so many bytes.
func (r *reader) sift(size int) {
	s := r.split.sieve()
	if s == nil {
		return
	}
	s.filter = nil
	// A gap is said with the time of what comes next.
	if f, ok := r.feed.(agent.Sifter); ok && size >= siftLeast && r.split.joining().format == nil && !r.gap && s.due() {
		s.filter = f.Filter(r.pos)
	}
}

// nothingYet is called where a block does not hold one whole record.
func (r *reader) nothingYet(size int64, full bool) (again bool) {
	if limit := r.split.limit(); full && r.block < limit {
		r.block = min(2*r.block, limit)
		return true
	}
	if r.stuck != size {
		r.stuck, r.since = size, time.Now()
	}
	r.wait()
	r.behind(0) // what has no end yet cannot be read
	return false
}

// emit hands over the batch, whose records cover so many bytes.
func (r *reader) emit(ctx context.Context, b *agent.Batch, covered, size int64) error {
	next, err := r.after(covered)
	if err != nil {
		r.feed.Release(b)
		return err
	}
	if t := b.LastTime(); t != 0 {
		next.Time = t
	}
	r.behind(size - r.pos.Offset) // Emit may have to wait
	if err := r.send(ctx, b, next); err != nil {
		return err
	}
	r.behind(size - next.Offset)
	return nil
}

// send hands over the batch; the reader stands at next then.
func (r *reader) send(ctx context.Context, b *agent.Batch, next agent.Position) error {
	first := int64(0)
	if len(b.Records) > 0 {
		first = b.Records[0].Time
	}
	b.Pos = next
	began := time.Now()
	if err := r.feed.Emit(ctx, b); err != nil {
		if r.split.joining().format != nil {
			r.refused(next)
		}
		return err
	}
	if time.Since(began) > r.t.timing.held { // much may have happened to the file
		r.waited = true
	}
	if r.gap && first != 0 {
		r.sayGap(first)
	}
	r.pos, r.stuck = next, 0
	return nil
}

// after is the position after so many bytes more.
func (r *reader) after(covered int64) (next agent.Position, err error) {
	next = r.pos
	next.Offset += covered
	if next.File.Len < headLen {
		if next.File, err = r.t.host.identify(r.file, next.Offset); err != nil {
			return next, err
		}
	}
	next.Near, err = near(r.file, next.Offset, &r.before)
	return next, err
}

// markGap notes that lines may be missing before what is read next.
func (r *reader) markGap() {
	if r.gap {
		return
	}
	r.gap = true
	r.t.gaps.Add(1)
	r.feed.Gap()
}

// sayGap says between which times lines may be missing.
func (r *reader) sayGap(to int64) {
	r.gap = false
	from := "before the last stop"
	if r.pos.Time != 0 {
		from = time.Unix(0, r.pos.Time).UTC().Format(time.RFC3339Nano)
	}
	r.log.Warn("lines may be missing: the log was rotated away before it was read; give it more or larger files (max-file, max-size)",
		"source", r.src.Name, "path", r.path, "from", from, "to", time.Unix(0, to).UTC().Format(time.RFC3339Nano))
}

// behind reports what is left: so much of the file, and the newer ones.
func (r *reader) behind(left int64) {
	r.feed.Behind(left + r.ahead + r.guard.size())
}

// turn looks at the end of a file whether the log goes on in another one.
func (r *reader) turn(ctx context.Context) (again bool, err error) {
	if len(r.newer) == 0 {
		if info, err := os.Stat(r.path); err == nil && os.SameFile(info, r.file.info) {
			r.goneSince = time.Time{}
			return false, nil
		}
		newer, found, err := r.guard.take()
		switch {
		case err != nil:
			return false, err
		case len(newer) == 0 && found: // renamed, and no new one yet
			r.pending.Store(true)
			return false, nil
		case len(newer) == 0:
			return false, r.absent(ctx)
		}
		r.plan = apply(r.plan, newer)
		_, unlinked := unlinked(r.file)
		r.newer, r.turned, r.unlinked, r.goneSince = newer, time.Now(), !found || unlinked, time.Time{}
		r.ahead = sizes(newer)
	}
	if ok, err := r.settled(); !ok {
		r.pending.Store(true)
		return false, err
	}
	how, err := r.cross(ctx) // something came until the rename
	if how == waiting || err != nil {
		return false, err
	}
	if how == passed {
		r.turnTo(agent.Position{Epoch: r.newer[0].number(r.pos.Epoch), Time: r.pos.Time})
	}
	return true, nil
}

// turnTo begins the next file at pos.
func (r *reader) turnTo(pos agent.Position) {
	if r.newer[0].gap {
		r.markGap()
	}
	r.guard.begun()
	r.begin(r.newer, pos)
	r.t.rotations.Add(1)
}

// settled says that nobody writes to the rotated file any more. Docker closes a
// log before it rotates it; others may go on for a while, and longer where
// nothing is in the new file yet.
func (r *reader) settled() (bool, error) {
	if r.id != "" || r.file.zip != nil {
		return true, nil
	}
	info, err := r.file.Stat()
	if err != nil {
		return false, err
	}
	for _, last := range []time.Time{info.ModTime(), r.turned} {
		if age := time.Since(last); age >= 0 && age < r.t.timing.settle {
			return false, nil
		}
	}
	empty := func(f opened) bool { size, err := f.size(); return err == nil && size == 0 }
	for _, f := range r.newer {
		if !empty(f) {
			return true, nil
		}
	}
	if r.unlinked { // holding it would hold its space on the disk
		return true, nil
	}
	r.guard.reset(r.file, nil)
	closeAll(r.newer) // one that stays empty may not be the newest any more
	r.newer, r.ahead, r.heard = nil, 0, 0
	return false, nil
}

// finish reads what is left: what has no end gets none any more. keep is as for
// read.
func (r *reader) finish(ctx context.Context, keep bool) error {
	for {
		if more, err := r.read(ctx, final, keep); err != nil {
			return err
		} else if more {
			continue
		}
		if z := r.file.zip; z != nil && z.damage() != nil {
			if keep { // nothing is known to follow
				keep = false
				continue
			}
			r.log.Warn("a compressed log is damaged; what follows in it is lost", "path", r.file.name, "offset", r.pos.Offset, "error", z.damage())
			z.err = nil
			r.markGap()
		}
		return nil
	}
}

// unroom lets others decompress: the file has to be tried again later.
func (r *reader) unroom() {
	if r.reading {
		r.file.zip.rest()
		r.reading = false
		<-r.t.host.reading
	}
}

// room waits until the file may be decompressed, where it is compressed.
func (r *reader) room(ctx context.Context) error {
	if r.file.zip == nil || r.reading {
		return nil
	}
	select {
	case r.t.host.reading <- struct{}{}:
		r.reading = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// absent is called where there is no file to open. It ends the reader when that
// stays so.
func (r *reader) absent(ctx context.Context) error {
	_, err := os.Stat(filepath.Dir(r.path))
	folder := !errors.Is(err, fs.ErrNotExist)
	if r.goneSince.IsZero() {
		r.goneSince = time.Now()
	}
	if folder && time.Since(r.goneSince) < r.t.timing.missing {
		r.pending.Store(true)
		return nil
	}
	if r.file.File != nil {
		if err := r.finish(ctx, false); err != nil {
			return err
		}
	}
	// A container's log never comes back, for ids are not reused.
	r.feed.Close(r.id != "")
	r.feed = nil
	return errEnded
}
