package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	bulkBatch   = 256 << 10 // bytes of a batch while the log is caught up with
	followBatch = 64 << 10  // and while it is followed
)

// A logStream is one answer of the engine: messages.
type logStream struct {
	r      *logReader
	parser parser
	res    *resumption
	follow bool
	final  bool // when it has ended, the container writes no more
	skip   bool // its messages count as read
	waited bool // nothing came for a while, and what that means was seen to
}

func (r *logReader) newStream(follow bool) *logStream {
	r.join.reset()
	r.join.format = r.format
	r.in = r.in[:0]
	return &logStream{r: r, parser: newParser(r.tty), res: resume(r.feed.Resume(), r.l.now()), follow: follow}
}

// read reads the answer to its end.
func (s *logStream) read(ctx context.Context, q logQuery) error {
	r := s.r
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	body, err := s.open(ctx, stop, q)
	if err != nil {
		return err
	}
	p := newPump()
	var wg sync.WaitGroup
	wg.Go(func() { p.run(body) })
	defer wg.Wait()
	defer body.Close()
	defer stop()
	defer p.stop()
	if !s.follow {
		r.feed.Behind(1) // nobody knows how much it is
	}
	quiet := time.NewTimer(time.Hour)
	defer quiet.Stop()
	for {
		alarm := quiet.C
		if wait := s.wait(); wait > 0 {
			quiet.Reset(wait)
		} else {
			alarm = nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ready:
		case <-alarm:
			select {
			case <-p.ready: // an output had to be waited for, and much came meanwhile
			default:
				if err := s.quiet(ctx); err != nil {
					return err
				}
				continue
			}
		}
		var ended error
		r.in, ended = p.take(r.in)
		s.waited = false
		if err := s.parse(ctx, ended == io.EOF); err != nil {
			return err
		}
		switch {
		case ended == io.EOF:
			return s.end(ctx)
		case ended != nil:
			return fmt.Errorf("logs of a container: %w", ended)
		}
	}
}

// open asks for the answer. One that is followed may be long in coming: some
// engines send nothing before the first message.
func (s *logStream) open(ctx context.Context, stop func(), q logQuery) (io.ReadCloser, error) {
	if s.follow {
		return s.r.eng.Logs(ctx, s.r.id, q)
	}
	late := time.AfterFunc(s.r.patience, stop)
	body, err := s.r.eng.Logs(ctx, s.r.id, q)
	if !late.Stop() {
		if err == nil {
			body.Close()
		}
		return nil, s.silent()
	}
	return body, err
}

// silent says that the engine should have sent something. It may have much to
// look through, so it is given more time then.
func (s *logStream) silent() error {
	r := s.r
	err := fmt.Errorf("logs of a container: the engine has sent nothing for %v", r.patience)
	r.patience = min(2*r.patience, r.l.timing.most)
	return err
}

// wait is how long nothing may come; 0: for ever.
func (s *logStream) wait() time.Duration {
	switch {
	case !s.follow:
		return s.r.patience
	case s.res.how != found && s.res.skipped:
		return s.r.l.timing.look
	}
	if wait, ok := s.r.join.waits(); ok {
		return max(wait, 1) // whatever else comes meanwhile
	}
	switch {
	case !s.waited && (s.r.join.open > 0 || len(s.r.in) > 0):
		return partPause
	}
	return 0
}

// quiet is called when nothing has come for that long.
func (s *logStream) quiet(ctx context.Context) error {
	if !s.follow {
		return s.silent()
	}
	if err := s.res.end(); err != nil {
		return err
	}
	if _, ok := s.r.join.waits(); ok {
		s.r.join.endWaiting()
		return s.flush(ctx)
	}
	s.waited = true
	if s.r.tty { // a line without an end is the end of an output
		if err := s.parse(ctx, true); err != nil {
			return err
		}
	}
	s.r.join.endAll(0)
	return s.flush(ctx)
}

// end is called when the answer has ended as it should.
func (s *logStream) end(ctx context.Context) error {
	if len(s.r.in) > 0 {
		return fmt.Errorf("logs of a container: %w", io.ErrUnexpectedEOF)
	}
	if err := s.res.end(); err != nil {
		return err
	}
	if s.final {
		s.r.join.endAll(0)
	}
	return s.flush(ctx)
}

// parse takes the messages that have come, and emits what is complete. With final
// set nothing follows.
func (s *logStream) parse(ctx context.Context, final bool) error {
	r := s.r
	limit := followBatch
	if !s.follow {
		limit = bulkBatch
	}
	at := 0
	defer func() {
		if r.in = r.in[:copy(r.in, r.in[at:])]; len(r.in) == 0 && cap(r.in) > maxKept {
			r.in = nil
		}
	}()
	for {
		m, n, err := s.parser.next(r.in[at:], final)
		at += n
		if err != nil {
			return errors.Join(s.flush(ctx), err)
		}
		if n == 0 {
			return s.flush(ctx)
		}
		if err := s.take(m); err != nil {
			return err
		}
		if r.join.readyText >= limit {
			if err := s.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// take takes one message.
func (s *logStream) take(m message) error {
	fresh, err := s.res.take(m.time, hashOf(m.stream, m.text))
	if !fresh || err != nil || s.skip {
		return err
	}
	if s.res.lost {
		s.res.lost = false
		s.gap(m.time)
	}
	if s.res.jumped {
		s.r.join.endAll(0)
	}
	s.r.join.add(m, s.res.at)
	if s.res.stands {
		s.r.join.endAll(0)
	}
	return nil
}

// gap says that lines may be missing before the one of that time.
func (s *logStream) gap(to int64) {
	r := s.r
	r.l.gaps.Add(1)
	r.feed.Gap()
	stamp := func(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
	r.l.o.Log.Warn("lines may be missing: the engine no longer has the place in the log at which reading stopped; give it more or larger files (max-file, max-size)",
		"source", r.src.Name, "from", stamp(s.res.goal.time), "to", stamp(to))
}

// flush emits what is ready.
func (s *logStream) flush(ctx context.Context) error {
	r := s.r
	if r.join.ready == 0 {
		return nil
	}
	if err := r.describe(); err != nil {
		return err
	}
	b, err := r.feed.Batch(ctx)
	if err != nil {
		return err
	}
	r.join.take(b)
	return r.feed.Emit(ctx, b)
}
