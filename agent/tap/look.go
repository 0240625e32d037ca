package tap

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
	"time"
)

// maxMessage bounds a message: a line of maxLine of which each byte is escaped,
// beside findings and labels.
const maxMessage = 16 << 20

var (
	// ErrNobody says that no agent listens.
	ErrNobody = errors.New("no agent runs with this state_dir")
	// ErrLost says that the agent went without a word.
	ErrLost = errors.New("the agent went away: it was killed, or nothing was read for " + idleAtMost.String())
)

// A RefusedError is why the agent does not show what was asked for.
type RefusedError struct{ Msg string }

func (e *RefusedError) Error() string { return "the agent refuses: " + e.Msg }

// Look shows what the agent of state_dir dir sends: each message, and the line of
// JSON that it was, which is valid until show returns. It returns nil when the
// agent has stopped, ErrNobody, ErrLost, a RefusedError, the error of show, or of ctx.
func Look(ctx context.Context, dir string, f Filter, show func(m *Message, line []byte) error) error {
	conn, err := dial(ctx, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %w", ErrNobody, err)
	case err != nil:
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = read(conn, f, show)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func read(conn net.Conn, f Filter, show func(m *Message, line []byte) error) error {
	asked, err := json.Marshal(f)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(askWithin))
	if _, err := conn.Write(append(asked, '\n')); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	r := bufio.NewScanner(conn)
	r.Buffer(make([]byte, 0, 64<<10), maxMessage)
	for r.Scan() {
		var m Message
		if err := json.Unmarshal(r.Bytes(), &m); err != nil {
			return fmt.Errorf("the agent sent what is no message: %w", err)
		}
		switch {
		case m.Error != "":
			return &RefusedError{m.Error}
		case m.End != "":
			return nil
		case m.Hello != nil:
			conn.SetDeadline(time.Time{})
		}
		if err := show(&m, r.Bytes()); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return ErrLost
}
