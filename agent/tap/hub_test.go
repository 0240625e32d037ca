package tap

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A target is what is looked at.
type target struct {
	mu  sync.Mutex
	tap agent.Tap
}

func (g *target) SetTap(t agent.Tap) { g.mu.Lock(); defer g.mu.Unlock(); g.tap = t }

func (g *target) tapped() agent.Tap { g.mu.Lock(); defer g.mu.Unlock(); return g.tap }

func (g *target) emit(b *agent.Batch) {
	if t := g.tapped(); t != nil {
		t.Records(b, 0)
	}
}

// running is a hub that listens in dir until stop.
func running(t *testing.T, dir string) (g *target, stop func()) {
	t.Helper()
	h, g := NewHub(Options{Dir: dir, Version: "v1", Log: slog.New(slog.DiscardHandler), Rules: func() []*agent.Rule { return []*agent.Rule{slow, broken} }}), &target{}
	h.endWithin = time.Minute // a busy machine may need more than half a second
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx, g) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	until(t, "it listens", func() bool { _, err := os.Stat(filepath.Join(dir, Socket)); return err == nil })
	return g, stop
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestLook(t *testing.T) {
	dir := t.TempDir()
	g, stop := running(t, dir)
	if info, err := os.Stat(filepath.Join(dir, Socket)); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Fatalf("%v, %v; want a socket of the mode 0600", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%v is left beside the socket", entries)
	}
	got := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- Look(t.Context(), dir, Filter{Rules: []string{"Slow*", "Gone"}}, func(m *Message, _ []byte) error {
			if m.Hello != nil {
				got <- fmt.Sprint("hello ", m.Hello.Version, m.Hello.Notes)
			} else {
				got <- fmt.Sprintf("%s %s %s %s %+v", m.Time, m.Source, m.Stream, m.Line, m.Findings)
			}
			return nil
		})
	}()
	next := func(want string) {
		t.Helper()
		select {
		case s := <-got:
			if s != want {
				t.Errorf("got %s, want %s", s, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s did not come", want)
		}
	}
	next(`hello v1[no rule is named "Gone" now]`)
	until(t, "it is shown what comes", func() bool { return g.tapped() != nil })
	b := batchOf(app, line{"one", agent.Stdout, nil}, line{"two\x1b", agent.Stderr, []*agent.Rule{slow}})
	g.emit(b)
	clear(b.Buf) // it is used for something else now
	next("2025-01-09T13:40:00Z shop-app-1 stderr two\x1b [{Rule:SlowRequest Class:slow Severity:warning Match:two}]")
	g.emit(batchOf(app, line{"three", agent.Stderr, []*agent.Rule{slow}}))
	stop() // and what came before that is shown
	next("2025-01-09T13:40:00Z shop-app-1 stderr three [{Rule:SlowRequest Class:slow Severity:warning Match:thr}]")
	if err := <-done; err != nil {
		t.Errorf("when the agent stops: %v", err)
	}
	if g.tapped() != nil {
		t.Error("nobody looks, and it is shown what comes")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%v is left", entries)
	}
	if err := Look(t.Context(), dir, Filter{}, nil); !errors.Is(err, ErrNobody) {
		t.Errorf("%v, want ErrNobody", err)
	}
}

func TestLookEnds(t *testing.T) {
	dir := t.TempDir()
	g, _ := running(t, dir)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancel(t.Context())
	for _, tt := range []struct {
		show func(*Message, []byte) error
		want error
	}{
		{func(*Message, []byte) error { return enough }, enough},
		{func(*Message, []byte) error { cancel(); return nil }, context.Canceled},
	} {
		if err := Look(ctx, dir, Filter{}, tt.show); !errors.Is(err, tt.want) {
			t.Errorf("%v, want %v", err, tt.want)
		}
		until(t, "the agent takes note", func() bool { return g.tapped() == nil })
	}
}

// What a killed agent leaves is replaced, where nobody listens is said, and the
// path may be as long as it likes.
func TestSocketAfterAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.MkdirAll(filepath.Join(dir, Socket+".tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{Socket, filepath.Join(Socket+".tmp", "s")} {
		err := within(filepath.Dir(filepath.Join(dir, name)), filepath.Base(name), func(path string) error {
			ln, err := net.Listen("unix", path)
			if err == nil {
				ln.(*net.UnixListener).SetUnlinkOnClose(false)
				ln.Close()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := Look(t.Context(), dir, Filter{}, nil); !errors.Is(err, ErrNobody) {
		t.Fatalf("%v, want ErrNobody", err)
	}
	running(t, dir)
	ok := errors.New("ok")
	until(t, "it answers", func() bool {
		return errors.Is(Look(t.Context(), dir, Filter{}, func(*Message, []byte) error { return ok }), ok)
	})
}

func TestAskedWrong(t *testing.T) {
	dir := t.TempDir()
	g, _ := running(t, dir)
	for _, tt := range []struct{ ask, want string }{
		{"{\"grep\":\"(\"}\n", `--grep: not an expression`},
		{"{\"severity\":[\"x\"]}\n", `--severity: nothing is \"x\"`},
		{"{\"since\":\"1h\"}\n", `is it of another version?`},
		{"GET / HTTP/1.1\r\n\r\n", `does not know what is asked for`},
		{strings.Repeat("x", maxRequest+10), `is longer than 65536 bytes`},
	} {
		conn, err := dial(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, tt.ask)
		answer, _ := bufio.NewReader(conn).ReadString('\n')
		if !strings.HasPrefix(answer, `{"error":"`) || !strings.Contains(answer, tt.want) {
			t.Errorf("%.40q is answered %q, want %s", tt.ask, answer, tt.want)
		}
		conn.Close()
	}
	if g.tapped() != nil {
		t.Error("somebody looks who was refused")
	}
	for i := range MaxClients + 1 {
		first := make(chan error, 1)
		go Look(t.Context(), dir, Filter{}, func(m *Message, _ []byte) error { first <- nil; return nil })
		if i < MaxClients {
			<-first
			continue
		}
		err := Look(t.Context(), dir, Filter{}, nil)
		if refused := (*RefusedError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "8 others look already") {
			t.Errorf("the ninth gets %v", err)
		}
	}
}

// One that reads nothing gets what there was room for, and then how much it missed;
// meanwhile nothing waits for it, and nothing is decoded for it.
func TestWhoReadsNothing(t *testing.T) {
	dir := t.TempDir()
	g, stop := running(t, dir)
	conn, err := dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "{}\n")
	until(t, "it looks", func() bool { return g.tapped() != nil })
	const batches, lines = 2000, 100
	b := &agent.Batch{Source: app}
	for range lines {
		start := int32(len(b.Buf))
		b.Buf = append(b.Buf, strings.Repeat("x", 100)...)
		b.Records = append(b.Records, agent.Record{Body: agent.Span{Start: start, End: int32(len(b.Buf))}})
	}
	want := 0
	emit := func(passed int) {
		b.Passed.Lines = passed
		g.emit(b)
		want += lines + passed
	}
	for i := range batches {
		if i > batches/2 && !g.tapped().Wants(app) {
			emit(7)
		} else {
			emit(0)
		}
	}
	// On a slow machine some of it may still be on its way into the connection.
	until(t, "it wants to be shown no more than it reads", func() bool {
		if g.tapped().Wants(app) {
			emit(0)
			return false
		}
		return true
	})
	c := (*g.tapped().(*Hub).filled.Load())[0]
	c.mu.Lock()
	if n := cap(c.chunk.text); n > 2*maxText || cap(c.chunk.items) > 2*maxItems {
		t.Errorf("what waits for it takes %d bytes, and %d lines", n, cap(c.chunk.items))
	}
	c.mu.Unlock()
	r := bufio.NewReader(conn)
	var got strings.Builder
	for !strings.Contains(got.String(), `{"dropped":`) {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(line)
	}
	go stop() // and what it is owed still comes
	io.Copy(&got, r)
	shown, missed, last := 0, 0, ""
	for line := range strings.Lines(got.String()) {
		var m Message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m.Source != "" {
			shown++
		}
		missed += m.Dropped
		last = strings.TrimSpace(line)
	}
	if shown+missed != want || shown == 0 || missed < want/2 {
		t.Errorf("%d lines are shown and %d are not, of %d", shown, missed, want)
	}
	if last != `{"end":"the agent stops"}` {
		t.Errorf("it ends with %s", last)
	}
}
