package fluentd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/spool"
)

// A diskFS is the operating system's, without syncs; it fails where told to.
type diskFS struct {
	fail atomic.Pointer[error] // of all writes
}

func (d *diskFS) err() error {
	if e := d.fail.Load(); e != nil {
		return *e
	}
	return nil
}

func (*diskFS) MkdirAll(dir string) error                 { return os.MkdirAll(dir, 0o700) }
func (*diskFS) Remove(name string) error                  { return os.Remove(name) }
func (*diskFS) Rename(from, to string) error              { return os.Rename(from, to) }
func (*diskFS) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
func (*diskFS) SyncDir(string) error                      { return nil }

func (d *diskFS) OpenFile(name string, flag int, perm fs.FileMode) (spool.File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return diskFile{f, d}, nil
}

type diskFile struct {
	*os.File
	fs *diskFS
}

func (f diskFile) Sync() error { return nil }

func (f diskFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.fs.err(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, off)
}

// A logBuffer collects what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) count(part string) int { return strings.Count(l.String(), part) }

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// config is a section with its defaults and short times.
func config(change func(*Config)) Config {
	var c Config
	c.SetDefaults()
	c.Name, c.Address = "main", "127.0.0.1:1"
	c.AckTimeout, c.ConnectTimeout = conf.Duration(5*time.Second), conf.Duration(5*time.Second)
	c.Spool.After = conf.Duration(100 * time.Millisecond)
	if change != nil {
		change(&c)
	}
	return c
}

// A state is the folder of an agent that may be killed.
type state struct {
	t   testing.TB
	dir string
	log *logBuffer
}

func newState(t testing.TB) *state { return &state{t: t, dir: t.TempDir(), log: &logBuffer{}} }

// open opens ledger and output as a new process does.
func (s *state) open(c Config) (*Output, *agent.Ledger) {
	s.t.Helper()
	ledger, err := agent.OpenLedger(s.dir, s.log.logger())
	if err != nil {
		s.t.Fatal(err)
	}
	o, err := New(c, ledger, s.dir, s.log.logger())
	if err != nil {
		s.t.Fatal(err)
	}
	return o, ledger
}

// openFS is open with a file system of the test's for the spool.
func (s *state) openFS(c Config, disk spool.FS, l limits) *Output {
	s.t.Helper()
	o, ledger := s.open(c)
	if err := o.lanes[0].spool.Close(); err != nil {
		s.t.Fatal(err)
	}
	var err error
	o.lanes[0].spool, err = spool.Open(filepath.Join(s.dir, "spool", c.Name), spool.Options{MaxBytes: int64(c.Spool.MaxSize), FS: disk})
	if err != nil {
		s.t.Fatal(err)
	}
	consumer := ledger.Consumer("fluentd/" + c.Name)
	o.lanes[0].spool.Positions(consumer.Safe)
	o.lanes[0].q = newQueue(consumer, o.lanes[0].spool, l)
	return o
}

func container(id string) *agent.Source {
	return &agent.Source{
		ID: "docker/" + id, Collector: "docker", Name: "app-" + id + "-1",
		Labels: []agent.Label{{Name: "container", Value: id}},
		Container: &agent.Container{
			ID: strings.Repeat(id[:1], 64), Name: "app-" + id + "-1", Image: "app:1", Project: "app", Service: id,
			Labels: map[string]string{"team": "blue", "log": "x"},
		},
	}
}

// newBatch has the records from..to of the source, each with its number as text
// and padding, and a finding where flagged says so.
func newBatch(src *agent.Source, from, to, padding int, flagged func(int) bool) *agent.Batch {
	b := &agent.Batch{Source: src}
	for n := from; n < to; n++ {
		start := int32(len(b.Buf))
		b.Buf = strconv.AppendInt(b.Buf, int64(n), 10)
		b.Buf = append(b.Buf, ' ')
		for range padding {
			b.Buf = append(b.Buf, 'x')
		}
		if flagged != nil && flagged(n) {
			b.Findings = append(b.Findings, agent.Finding{Rule: testRule, Record: int32(len(b.Records))})
		}
		b.Records = append(b.Records, agent.Record{
			Time: (1_700_000_000 + int64(n)) * 1e9, End: int64(n + 1), Body: agent.Span{Start: start, End: int32(len(b.Buf))}, Stream: agent.Stdout,
		})
	}
	b.Pos = agent.Position{Epoch: 1, Offset: int64(to), File: agent.FileID{Head: 1, Len: 2, Inode: 3}}
	return b
}

var testRule = &agent.Rule{Name: "Boom", Class: "error", Severity: "critical", File: "rules/boom.yaml", Line: 12}

// poison overwrites all that Write must not keep.
func poison(b *agent.Batch) {
	for i := range b.Buf {
		b.Buf[i] = '!'
	}
	clear(b.Records)
	clear(b.Findings)
}

// An event is one entry of a message as it was received.
type event struct {
	tag    string
	time   time.Time
	record map[string]any
}

// source and number are those of newBatch.
func (e event) source() string { return fmt.Sprint(e.record["compose_service"]) }

func (e event) number() int {
	n, _, _ := strings.Cut(fmt.Sprint(e.record["log"]), " ")
	i, err := strconv.Atoi(n)
	if err != nil {
		return -1
	}
	return i
}

// A message is a PackedForward message as it was received.
type message struct {
	tag    string
	events []event
	size   int
	chunk  string
	gzip   bool
}

// readMessage reads what a client sends, and wants it to be as it should.
func readMessage(r *msgp.Reader) (m message, err error) {
	if n, err := r.ReadArrayHeader(); err != nil || n != 3 {
		return m, fmt.Errorf("array of %d: %w", n, err)
	}
	if m.tag, err = r.ReadString(); err != nil {
		return m, err
	}
	packed, err := r.ReadBytes(nil)
	if err != nil {
		return m, err
	}
	option := map[string]any{}
	if err := r.ReadMapStrIntf(option); err != nil {
		return m, err
	}
	if m.gzip = option["compressed"] == "gzip"; m.gzip {
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return m, err
		}
		if packed, err = io.ReadAll(z); err != nil {
			return m, err
		}
	}
	if m.events, err = readEntries(m.tag, packed); err != nil {
		return m, err
	}
	m.chunk, _ = option["chunk"].(string)
	switch n := option["size"].(type) {
	case int64:
		m.size = int(n)
	case uint64:
		m.size = int(n)
	}
	if m.size != len(m.events) {
		return m, fmt.Errorf("size is %v and there are %d entries", option["size"], len(m.events))
	}
	return m, nil
}

func readEntries(tag string, b []byte) (events []event, err error) {
	for len(b) > 0 {
		var n uint32
		if n, b, err = msgp.ReadArrayHeaderBytes(b); err != nil || n != 2 {
			return nil, fmt.Errorf("entry of %d: %w", n, err)
		}
		var at fluent.EventTime
		if b, err = msgp.ReadExtensionBytes(b, &at); err != nil {
			return nil, err
		}
		e := event{tag: tag, time: time.Time(at)}
		members, _, err := msgp.ReadMapHeaderBytes(b)
		if err != nil {
			return nil, err
		}
		if e.record, b, err = msgp.ReadMapStrIntfBytes(b, nil); err != nil {
			return nil, err
		}
		if len(e.record) != int(members) {
			return nil, fmt.Errorf("%d of %d keys of %v are there twice", int(members)-len(e.record), members, e.record)
		}
		events = append(events, e)
	}
	return events, nil
}
