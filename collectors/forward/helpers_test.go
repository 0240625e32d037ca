package forward

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	wire "github.com/webgrip/logkeel/agent/forward"
)

const patience = time.Minute

// A got is one record that came out.
type got struct {
	source, tag, body, key string
	labels                 map[string]string
	fields                 map[string]any
	time                   int64
	end                    int64
	stream                 agent.Stream
	cut                    bool
}

// A sink is a pipeline of one consumer. It keeps positions as one does, and may
// be held.
type sink struct {
	mu     sync.Mutex
	got    []got
	pos    map[string]agent.Position // taken
	safe   map[string]agent.Position
	lazy   bool // what is taken is not safe by itself
	hold   chan struct{}
	open   map[string]bool
	twice  []string
	behind map[string]int64
}

func newSink() *sink {
	return &sink{pos: map[string]agent.Position{}, safe: map[string]agent.Position{}, open: map[string]bool{}, behind: map[string]int64{}}
}

func (s *sink) Snapshot(string, []agent.Sample) {}
func (s *sink) Known(string) bool               { return false }
func (s *sink) Remember(string)                 {}
func (s *sink) Open(src *agent.Source) agent.Feed {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[src.ID] {
		s.twice = append(s.twice, src.ID)
	}
	s.open[src.ID] = true
	return &feed{s, src}
}

// restart is what a killed agent finds: what was safe.
func (s *sink) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pos = map[string]agent.Position{}
	for k, v := range s.safe {
		s.pos[k] = v
	}
	s.open = map[string]bool{}
}

type feed struct {
	s   *sink
	src *agent.Source
}

func (f *feed) Resume() []agent.Position {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if p, ok := f.s.pos[f.src.ID]; ok {
		return []agent.Position{p}
	}
	return nil
}

func (f *feed) Safe() agent.Position {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.s.safe[f.src.ID]
}

func (f *feed) Batch(context.Context) (*agent.Batch, error) {
	return &agent.Batch{Source: f.src}, nil
}
func (f *feed) Release(*agent.Batch) {}
func (f *feed) Gap()                 {}
func (f *feed) Behind(n int64) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.s.behind[f.src.ID] = n
}

func (f *feed) Close(gone bool) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	delete(f.s.open, f.src.ID)
	if gone {
		delete(f.s.pos, f.src.ID)
		delete(f.s.safe, f.src.ID)
	}
}

func (f *feed) Emit(ctx context.Context, b *agent.Batch) error {
	s := f.s
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.pos[f.src.ID]
	if !was.Before(b.Pos) {
		return nil
	}
	for i, r := range b.Records {
		if was.Epoch == b.Pos.Epoch && r.End <= was.Offset {
			continue
		}
		g := got{
			source: f.src.ID, tag: f.src.Tag, body: string(b.Body(i)), labels: map[string]string{}, time: r.Time, end: r.End,
			stream: r.Stream, cut: r.Flags&agent.Cut != 0,
		}
		for _, l := range f.src.Labels {
			g.labels[l.Name] = l.Value
		}
		fields := b.Fields[i]
		g.key = string(b.Buf[fields.Key.Start:fields.Key.End])
		m, rest, err := msgp.ReadMapStrIntfBytes(b.Buf[fields.Map.Start:fields.Map.End], nil)
		if err != nil || len(rest) > 0 {
			g.body = "BROKEN FIELDS"
		}
		g.fields = m
		s.got = append(s.got, g)
	}
	s.pos[f.src.ID] = b.Pos
	if !s.lazy {
		s.safe[f.src.ID] = b.Pos
	}
	return nil
}

func (s *sink) all() []got {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]got(nil), s.got...)
}

// await waits for n records.
func (s *sink) await(t *testing.T, n int) []got {
	t.Helper()
	eventually(t, func() bool { return len(s.all()) >= n })
	all := s.all()
	if len(all) != n {
		t.Fatalf("%d records, want %d", len(all), n)
	}
	return all
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not happen")
		}
	}
}

// A running collector.
type running struct {
	*Collector
	t    *testing.T
	log  *logged
	stop func()
}

type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func config(t *testing.T, change ...func(*Config)) Config {
	var c Config
	c.SetDefaults()
	c.Name, c.Listen = "in", "127.0.0.1:0"
	for _, f := range change {
		f(&c)
	}
	return c
}

// start runs a collector until the test ends, or stop is called.
func start(t *testing.T, c Config, dir string, s agent.Sink, change ...func(*Collector)) *running {
	t.Helper()
	r := &running{t: t, log: &logged{}}
	r.Collector = New(c, dir, slog.New(slog.NewTextHandler(r.log, nil)))
	r.timing.piece = time.Hour // a machine may be slow
	for _, f := range change {
		f(r.Collector)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx, s) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			case <-time.After(patience):
				t.Fatal("it does not stop")
			}
		})
	}
	t.Cleanup(r.stop)
	eventually(t, func() bool {
		if r.Addr() != "" {
			return true
		}
		select {
		case err := <-done:
			t.Fatalf("Run: %v", err)
		default:
		}
		return false
	})
	return r
}

// dial connects a client.
func (r *running) dial() net.Conn {
	r.t.Helper()
	network := "tcp"
	if filepath.IsAbs(r.Addr()) {
		network = "unix"
	}
	nc, err := net.Dial(network, r.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	return nc
}

func send(t *testing.T, nc net.Conn, messages ...[]byte) {
	t.Helper()
	for _, m := range messages {
		if _, err := nc.Write(m); err != nil {
			t.Fatal(err)
		}
	}
}

// ack reads one acknowledgement.
func readAck(t *testing.T, nc net.Conn) string {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(patience))
	id, err := wire.ReadAck(wire.NewReader(one{nc}))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// one reads byte by byte, so that nothing behind is taken.
type one struct{ r io.Reader }

func (o one) Read(b []byte) (int, error) { return o.r.Read(b[:min(1, len(b))]) }

func record(pairs ...string) []byte {
	b := msgp.AppendMapHeader(nil, uint32(len(pairs)/2))
	for _, s := range pairs {
		b = msgp.AppendString(b, s)
	}
	return b
}

func entry(ns int64, record []byte) []byte {
	return append(wire.AppendEventTime([]byte{0x92}, ns), record...)
}

func option(chunk string, more ...string) []byte {
	if chunk != "" {
		more = append(more, "chunk", chunk)
	}
	return record(more...)
}

// message is one of mode Message.
func message(tag string, ns int64, rec []byte, chunk string) []byte {
	b := []byte{0x93}
	if chunk != "" {
		b[0] = 0x94
	}
	b = msgp.AppendString(b, tag)
	b = append(wire.AppendEventTime(b, ns), rec...)
	if chunk != "" {
		b = append(b, option(chunk)...)
	}
	return b
}

func packed(tag string, entries []byte, opt []byte) []byte {
	b := msgp.AppendString([]byte{0x93}, tag)
	return append(msgp.AppendBytes(b, entries), opt...)
}

func bodies(all []got) string {
	var b strings.Builder
	for _, g := range all {
		b.WriteString(g.body + " ")
	}
	return strings.TrimSpace(b.String())
}
