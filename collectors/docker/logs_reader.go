package docker

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

// steady is how long a session lasts that was a good one.
const steady = 2 * time.Second

// What ends a session, beside what is wrong.
var (
	errOver     = errors.New("the container has stopped, and its log was read")
	errUnwanted = errors.New("the container's log is not wanted any more")
	errCrowded  = errors.New("too many logs are followed")
)

// A logReader reads one container's log from the API. It asks for what the log
// has, then for what comes; and again whenever a stream ends.
type logReader struct {
	l       *Logs
	id      string
	tty     bool
	atStart bool

	eng       engine // of the session
	container *agent.Container
	src       *agent.Source
	feed      agent.Feed
	format    *multiline.Format // for the next stream; nil: each line is a record
	join      joiner
	in        []byte // of the stream, what was not parsed yet
	patience  time.Duration
	caughtUp  bool
	begun     bool         // it was read from somewhere
	failing   bool         // guarded by l.mu
	since     atomic.Int64 // what the stream that is followed was asked for

	cutMu sync.Mutex
	cut   context.CancelFunc // ends the session
}

// kick makes the reader ask anew, from where it stands.
func (r *logReader) kick() {
	r.cutMu.Lock()
	defer r.cutMu.Unlock()
	if r.cut != nil {
		r.cut()
	}
}

func (r *logReader) setCut(cut context.CancelFunc) {
	r.cutMu.Lock()
	defer r.cutMu.Unlock()
	r.cut = cut
}

// run reads until there is nothing more to read. ok is false when the log is to be
// read again as soon as somebody wants it.
func (r *logReader) run(ctx context.Context) (e ended, ok bool) {
	r.open()
	gone := false
	defer func() {
		r.l.well(r)
		r.feed.Close(gone)
	}()
	wait := r.l.timing.first
	for {
		session, cut := context.WithCancel(ctx)
		r.setCut(cut)
		began := time.Now()
		d, err := r.session(session)
		kicked := session.Err() != nil
		cut()
		switch {
		case ctx.Err() != nil:
			return e, false
		case errors.Is(err, errGone):
			gone = true
			return e, false
		case errors.Is(err, errUnwanted):
			return e, false
		case errors.Is(err, errUnreadable):
			r.l.unreadable(d.driver, r.src.Name)
			return ended{r.src, d.state.started, true}, true
		case errors.Is(err, errOver):
			return ended{src: r.src, started: d.state.started}, true
		}
		if kicked || time.Since(began) > steady {
			wait = r.l.timing.first
		}
		pause := wait/2 + rand.N(wait/2+1)
		if errors.Is(err, errCrowded) {
			pause = r.l.timing.poll
		} else {
			r.l.renewed.Add(1)
		}
		select {
		case <-ctx.Done():
			return e, false
		case <-time.After(pause):
		}
		wait = min(2*wait, r.l.timing.last)
	}
}

// session reads what the log has and what comes, until the stream ends.
func (r *logReader) session(ctx context.Context) (described, error) {
	d, err := r.catchUp(ctx)
	if r.reached(); err != nil { // or it cannot be read
		if ctx.Err() == nil && !errors.Is(err, errGone) && !errors.Is(err, errUnreadable) && !errors.Is(err, errUnwanted) {
			r.l.fail(r, err)
		}
		return d, err
	}
	r.l.well(r)
	if !d.state.running {
		return d, errOver
	}
	select {
	case r.l.follow <- struct{}{}:
		defer func() { <-r.l.follow }()
	default:
		return d, errCrowded
	}
	r.l.following.Add(1)
	defer r.l.following.Add(-1)
	return d, r.follow(ctx)
}

// catchUp reads what the log has.
func (r *logReader) catchUp(ctx context.Context) (d described, err error) {
	if err := r.describe(); err != nil {
		return d, err
	}
	if r.eng, err = r.l.client(); err != nil {
		return d, err
	}
	// Before it is read: what comes after that is for the next session.
	if d, err = r.eng.Inspect(ctx, r.id); err != nil {
		return d, err
	}
	r.l.c.note(r.id, &d)
	r.tty = d.tty
	return d, r.history(ctx, d.state.running)
}

// describe sees whether the container has other labels now, or is not wanted.
func (r *logReader) describe() error {
	c, ok := r.l.c.Container(r.id)
	if !ok || c == r.container {
		return nil
	}
	if !r.l.c.Wanted(c) {
		return errUnwanted
	}
	same := sameSource(r.container, c)
	if r.container = c; !same {
		r.feed.Close(false)
		r.open()
	}
	return nil
}

// open announces the source.
func (r *logReader) open() {
	r.src = logSource(r.container)
	r.feed = r.l.sink.Open(r.src)
	if f := r.l.o.Format; f != nil {
		r.format = f(r.src)
	}
}

// reached says that what was there at the start has been read, where it could be.
func (r *logReader) reached() {
	if !r.atStart || r.caughtUp {
		return
	}
	r.caughtUp = true
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	r.l.behind--
	r.l.remember()
}

// history reads what the log has. more says that the container may write on.
func (r *logReader) history(ctx context.Context, more bool) error {
	select {
	case r.l.histories <- struct{}{}:
		defer func() { <-r.l.histories }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !r.begun {
		if err := r.begin(ctx); err != nil {
			return err
		}
		r.begun = true
	}
	for how := byCount; ; {
		s := r.newStream(false)
		if s.res.how != found {
			s.res.how = how
		}
		s.final = !more
		err := s.read(ctx, logQuery{since: s.res.since})
		var again errAgain
		if errors.As(err, &again) {
			how = again.how
			continue
		}
		if err == nil || r.caughtUp {
			r.feed.Behind(0)
		}
		return err
	}
}

// begin makes what is there count as read, where that was asked for.
func (r *logReader) begin(ctx context.Context) error {
	if !r.l.o.StartAtEnd || !r.atStart || r.l.known || len(r.feed.Resume()) > 0 {
		return nil
	}
	last := r.newStream(false)
	last.skip = true
	if err := last.read(ctx, logQuery{last: true}); err != nil {
		return err
	}
	all := r.newStream(false) // of that time there may be others
	if all.skip = true; last.res.at.time > 0 {
		if err := all.read(ctx, logQuery{since: last.res.at.time}); err != nil {
			return err
		}
	}
	b, err := r.feed.Batch(ctx)
	if err != nil {
		return err
	}
	b.Pos = all.res.at.position()
	return r.feed.Emit(ctx, b)
}

// follow reads what comes.
func (r *logReader) follow(ctx context.Context) error {
	s := r.newStream(true)
	defer r.since.Store(0)
	r.since.Store(s.res.since)
	return s.read(ctx, logQuery{since: s.res.since, follow: true})
}
