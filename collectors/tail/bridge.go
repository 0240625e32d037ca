package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// rests says that what is open has waited long enough for another line. Where the
// log goes on in another file, that is for bridge to find out.
func (r *reader) rests() bool {
	return r.heard != 0 && len(r.newer) == 0 && time.Since(r.quiet) >= r.t.timing.join
}

// hear notes when the last line came that an open record has. What others write
// meanwhile, to the other stream, does not count.
func (r *reader) hear(j *joining) {
	switch {
	case !j.open:
		r.heard = 0
	case j.end > r.heard:
		r.heard, r.quiet = j.end, time.Now()
	}
}

// alarm fires when what is open has waited long enough. Nothing else wakes a
// reader in time: polls are rare.
func (r *reader) alarm() <-chan time.Time {
	if r.due.IsZero() {
		return nil
	}
	if r.timer == nil {
		r.timer = time.NewTimer(0)
	}
	r.timer.Reset(time.Until(r.due))
	return r.timer.C
}

// wait has the reader woken when time has passed.
func (r *reader) wait() {
	r.pending.Store(true)
	if due := r.quiet.Add(r.t.timing.join); r.heard != 0 && time.Now().Before(due) {
		r.due = due
	}
}

// A bound is a position at which some consumer stands, or to which one may have
// got: nothing was open there. Records are never joined across it, so that a
// consumer gets no line of a record again that it had a part of, whatever has
// come since, and how long it took.

// bound is the first one after the offset in the file of that number; 0: none.
func (r *reader) bound(epoch uint64, offset int64) (first int64) {
	if r.split.joining().format == nil {
		return 0
	}
	for _, p := range r.bounds {
		if p.Epoch == epoch && p.Offset > offset && (first == 0 || p.Offset < first) {
			first = p.Offset
		}
	}
	return first
}

// unbound forgets one that is none: the file is not what it was.
func (r *reader) unbound(epoch uint64, offset int64) {
	r.bounds = slices.DeleteFunc(r.bounds, func(p agent.Position) bool { return p.Epoch == epoch && p.Offset == offset })
}

// refused notes that a batch was not taken in full. Those that took it have it up
// to its position.
func (r *reader) refused(p agent.Position) {
	r.bounds = slices.DeleteFunc(r.bounds, func(b agent.Position) bool {
		return b.Before(r.pos) || b.Epoch == p.Epoch && b.Offset == p.Offset
	})
	r.bounds = append(r.bounds, p)
}

// bridges says that a record may be open at the end of the file which goes on in
// the next one.
func (r *reader) bridges() bool {
	if len(r.newer) == 0 || r.newer[0].gap || r.split.joining().format == nil {
		return false
	}
	next := r.newer[0].number(r.pos.Epoch)
	return !slices.ContainsFunc(r.bounds, func(p agent.Position) bool { return p.Epoch == next && p.Offset == 0 })
}

// A crossing says how the end of a file was passed.
type crossing int

const (
	passed  crossing = iota // nothing of the file is left
	waiting                 // for more of the next file
	begun                   // the next file was begun
)

// cross reads what is left of a file which was rotated away: what has no end gets
// none any more, but for a record that goes on in the next file.
func (r *reader) cross(ctx context.Context) (crossing, error) {
	if !r.bridges() {
		return passed, r.finish(ctx, false)
	}
	if err := r.finish(ctx, true); err != nil {
		return waiting, err
	}
	if r.crossing.IsZero() {
		r.crossing = time.Now()
	}
	for {
		how, again, err := r.bridge(ctx)
		if err != nil {
			return waiting, err
		}
		switch {
		case again:
		case how != waiting:
			return how, nil
		case time.Since(r.crossing) >= r.t.timing.pause || len(r.newer) > 1 || r.newer[0].zip != nil:
			// One that goes on for longer, or through a whole file, is not followed.
			return passed, r.finish(ctx, false)
		default:
			r.wait()
			return waiting, nil
		}
	}
}

// bridge reads the rest of the file and the start of the next one as if they were
// one. No position lies between: until the record is whole, that before it stays.
func (r *reader) bridge(ctx context.Context) (how crossing, again bool, err error) {
	if err := r.room(ctx); err != nil {
		return waiting, false, err
	}
	left, err := r.file.left(r.pos.Offset, r.split.limit())
	if err != nil || left <= 0 {
		return passed, false, err
	}
	if err := r.plant(ctx); err != nil {
		return waiting, false, err
	}
	next := &r.newer[0]
	epoch := next.number(r.pos.Epoch)
	ahead, err := next.left(0, r.block)
	if err != nil {
		return waiting, false, err
	}
	n := min(ahead, int64(r.block))
	bound := r.bound(epoch, 0)
	if bound == 0 || bound > n {
		bound = 0
	} else {
		n = bound
	}
	b, err := r.feed.Batch(ctx)
	if err != nil {
		return waiting, false, err
	}
	seam, err := r.readBoth(b, left, n)
	if err != nil {
		r.feed.Release(b)
		return waiting, false, err
	}
	j := r.split.joining()
	j.seam, j.over, j.rest, j.keep = seam, 0, 0, true
	switch {
	case bound != 0:
		j.over = r.pos.Offset + int64(seam) + bound
	case n == ahead && r.heard != 0 && time.Since(r.quiet) >= r.t.timing.join:
		if j.rest = r.heard; j.rest == r.pos.Offset+left { // no line of the next file
			j.rest = r.pos.Offset + int64(seam)
		}
	}
	covered := r.split.split(b, r.pos.Offset, growing)
	if j.seam = 0; j.end == r.pos.Offset+int64(seam) {
		j.end = r.pos.Offset + left
	}
	r.hear(j)
	switch {
	case covered == 0:
		r.feed.Release(b)
		switch limit := r.split.limit() + blockSize; {
		case bound != 0:
			r.unbound(epoch, bound)
			return waiting, true, nil
		case n < ahead && r.block < limit:
			r.block = min(2*r.block, limit)
			return waiting, true, nil
		}
		return waiting, false, nil
	case covered <= seam:
		for i := range b.Records {
			b.Records[i].End = min(b.Records[i].End, r.pos.Offset+left)
		}
		return waiting, true, r.emit(ctx, b, min(int64(covered), left), r.pos.Offset+left)
	}
	return begun, false, r.turnWithin(ctx, b, seam, covered, epoch)
}

// readBoth reads the last bytes of the file and the first n of the next one. The
// next one begins at seam, after a line end.
func (r *reader) readBoth(b *agent.Batch, left, n int64) (seam int, err error) {
	if need := int(left + 1 + n); cap(b.Buf) < need {
		b.Buf = make([]byte, bufSize(need))
	}
	buf := b.Buf[:left+1+n]
	if got, err := r.file.ReadAt(buf[:left], r.pos.Offset); int64(got) < left {
		return 0, fmt.Errorf("read %s: %w", r.file.name, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if seam = int(left); buf[seam-1] != '\n' {
		buf[seam] = '\n'
		seam++
	}
	got, err := r.newer[0].ReadAt(buf[seam:seam+int(n)], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read %s: %w", r.newer[0].name, err)
	}
	b.Buf = buf[:seam+got]
	return seam, nil
}

// turnWithin emits a batch that ends in the next file, and begins that there.
func (r *reader) turnWithin(ctx context.Context, b *agent.Batch, seam, covered int, epoch uint64) error {
	next, base := r.newer[0], r.pos.Offset+int64(seam)
	for i := range b.Records {
		b.Records[i].End = max(0, b.Records[i].End-base)
	}
	pos := agent.Position{Epoch: epoch, Offset: int64(covered - seam), Time: r.pos.Time}
	var err error
	if pos.File, err = r.t.host.identify(next, pos.Offset); err == nil {
		pos.Near, err = near(next, pos.Offset, &r.before)
	}
	if err != nil {
		r.feed.Release(b)
		return err
	}
	if n := len(b.Records); n > 0 {
		pos.Time = b.Records[n-1].Time
	}
	if err := r.send(ctx, b, pos); err != nil {
		return err
	}
	r.turnTo(pos)
	return nil
}

// plant gives a log of which nothing was emitted a position: that of a batch which
// ends in the next file would say nothing of what lies before.
func (r *reader) plant(ctx context.Context) error {
	if r.pos.Offset > 0 || len(r.feed.Resume()) > 0 {
		return nil
	}
	id, err := r.t.host.identify(r.file, headLen)
	if err != nil {
		return err
	}
	b, err := r.feed.Batch(ctx)
	if err != nil {
		return err
	}
	pos := r.pos
	pos.File = id
	return r.send(ctx, b, pos)
}
