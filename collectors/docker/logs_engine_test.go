package docker

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A wrote is what a container wrote at once.
type wrote struct {
	at     int64
	stream agent.Stream
	text   string // with its line end
}

// A fakeLog is a container of a logEngine.
type fakeLog struct {
	described
	all  []wrote
	rest int // messages that were rotated away
}

// A logEngine is an engine in memory whose logs can be read, and fail.
type logEngine struct {
	mu     sync.Mutex
	more   chan struct{} // closed at each change
	boxes  map[string]*fakeLog
	skew   time.Duration // of its clock
	strict bool          // since leaves out what is older wherever it stands, as of 20.10
	down   bool          // it is not there
	hung   bool          // it accepts, and never answers
	fail   error         // what Logs says
	cuts   []int         // after so many bytes the next streams break
	asked  []logQuery
	life   uint64 // ends with the engine
	events []event
}

func newLogEngine() *logEngine {
	return &logEngine{more: make(chan struct{}), boxes: map[string]*fakeLog{}}
}

// change does something to the engine, and wakes whoever waits for it.
func (e *logEngine) change(what func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	what()
	close(e.more)
	e.more = make(chan struct{})
}

// set changes something that nobody is told of.
func (e *logEngine) set(what func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	what()
}

// times is how often it was asked for logs.
func (e *logEngine) times() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.asked)
}

func (e *logEngine) now() time.Time { return time.Now().Add(e.skew) }

// run starts a container, which it makes if need be.
func (e *logEngine) run(id string) {
	e.change(func() {
		b := e.boxes[id]
		if b == nil {
			b = &fakeLog{described: described{container: &agent.Container{ID: id, Name: "box-" + id[:1], Image: "box:1"}, driver: "local"}}
			e.boxes[id] = b
		}
		b.state.running, b.state.started = true, e.now()
		e.events = append(e.events, event{kind: changed, id: id})
	})
}

func (e *logEngine) stop(id string) { e.change(func() { e.boxes[id].state.running = false }) }

func (e *logEngine) remove(id string) {
	e.change(func() {
		delete(e.boxes, id)
		e.events = append(e.events, event{kind: removed, id: id})
	})
}

func (e *logEngine) write(id string, stream agent.Stream, texts ...string) {
	e.change(func() {
		b := e.boxes[id]
		for _, text := range texts {
			at := e.now().UnixNano()
			for len(text) > partSize {
				b.all = append(b.all, wrote{at, stream, text[:partSize]})
				text = text[partSize:]
			}
			b.all = append(b.all, wrote{at, stream, text})
		}
	})
}

// restart ends all that is asked for, and the engine is back at once.
func (e *logEngine) restart() { e.change(func() { e.life++ }) }

var errDown = errors.New("connection refused")

// wait waits for a change; false when ctx is done or the engine has ended.
func (e *logEngine) wait(ctx context.Context, more chan struct{}, life uint64) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-more:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life != life || e.down {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// enter says whether the engine answers.
func (e *logEngine) enter(ctx context.Context) error {
	for {
		e.mu.Lock()
		down, hung, more := e.down, e.hung, e.more
		e.mu.Unlock()
		switch {
		case down:
			return errDown
		case !hung:
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		select {
		case <-ctx.Done():
			cancel()
			return ctx.Err()
		case <-more:
			cancel()
		}
	}
}

func (e *logEngine) List(ctx context.Context) (all []listed, err error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, b := range e.boxes {
		all = append(all, listed{id: id, name: b.container.Name, running: b.state.running})
	}
	return all, nil
}

func (e *logEngine) Inspect(ctx context.Context, id string) (described, error) {
	if err := e.enter(ctx); err != nil {
		return described{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.boxes[id]
	if b == nil {
		return described{}, errGone
	}
	d := b.described
	c := *b.container
	d.container = &c
	return d, nil
}

func (e *logEngine) Usage(context.Context, string) (usage, error) { return usage{}, errGone }

func (e *logEngine) Size(context.Context, string) (uint64, error) { return 0, errGone }
func (e *logEngine) Image(context.Context, string) (image, error) { return image{}, errGone }
func (e *logEngine) Close() error                                 { return nil }

func (e *logEngine) Events(ctx context.Context, _ time.Time, out chan<- event) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	life, next := e.life, len(e.events)
	e.mu.Unlock()
	todo := []event{{kind: subscribed}}
	for {
		for _, ev := range todo {
			select {
			case out <- ev:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		e.mu.Lock()
		todo = append([]event(nil), e.events[next:]...)
		next = len(e.events)
		more := e.more
		e.mu.Unlock()
		if len(todo) > 0 {
			continue
		}
		if err := e.wait(ctx, more, life); err != nil {
			return err
		}
	}
}

func (e *logEngine) Logs(ctx context.Context, id string, q logQuery) (io.ReadCloser, error) {
	for {
		e.mu.Lock()
		hung, more := e.hung, e.more
		e.mu.Unlock()
		if !hung {
			break
		}
		select { // nobody says for how long
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-more:
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, q)
	switch {
	case e.down:
		return nil, errDown
	case e.boxes[id] == nil:
		return nil, errGone
	case e.fail != nil:
		return nil, e.fail
	}
	r, w := io.Pipe()
	cut := -1
	if len(e.cuts) > 0 {
		cut, e.cuts = e.cuts[0], e.cuts[1:]
	}
	life := e.life
	go func() { w.CloseWithError(e.send(ctx, w, id, q, life, cut)) }()
	go func() {
		<-ctx.Done()
		r.CloseWithError(ctx.Err())
	}()
	return r, nil
}

// send writes the log as the engine does. cut is how many bytes it gets through.
func (e *logEngine) send(ctx context.Context, w io.Writer, id string, q logQuery, life uint64, cut int) error {
	next, past := -1, false
	for {
		e.mu.Lock()
		b, more, hung := e.boxes[id], e.more, e.hung
		if b == nil {
			e.mu.Unlock()
			return nil
		}
		if next < 0 {
			if next = b.rest; q.last {
				next = max(next, len(b.all)-1)
			}
		}
		todo, running := b.all[max(next, b.rest):], b.state.running
		next = len(b.all)
		strict, tty := e.strict, b.tty
		e.mu.Unlock()
		var out []byte
		for _, m := range todo {
			if m.at < q.since && (strict || !past) {
				continue
			}
			past = true
			out = appendMessage(out, m, tty)
		}
		if hung {
			<-ctx.Done()
			return ctx.Err()
		}
		if cut >= 0 && len(out) > cut {
			w.Write(out[:cut])
			return io.ErrUnexpectedEOF
		} else if cut >= 0 {
			cut -= len(out)
		}
		if _, err := w.Write(out); err != nil {
			return err
		}
		if !q.follow || !running {
			return nil
		}
		if err := e.wait(ctx, more, life); err != nil {
			return err
		}
	}
}

func appendMessage(out []byte, m wrote, tty bool) []byte {
	text := time.Unix(0, m.at).UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " " + m.text
	if tty {
		return append(out, strings.ReplaceAll(text, "\n", "\r\n")...)
	}
	kind := byte(1)
	if m.stream == agent.Stderr {
		kind = 2
	}
	out = append(out, kind, 0, 0, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(len(text)))
	return append(out, text...)
}
