package forward

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

// sequence makes messages of one record each, whose texts are numbers.
func sequence(tag string, from, to int, chunks bool) (all [][]byte) {
	for n := from; n < to; n++ {
		chunk := ""
		if chunks {
			chunk = fmt.Sprint("chunk-", n)
		}
		all = append(all, message(tag, int64(n+1)*1e9, record("log", fmt.Sprint(n)), chunk))
	}
	return all
}

// numbers wants the records to be those from 0 to n, in order.
func numbers(t *testing.T, all []got, n int) {
	t.Helper()
	if len(all) != n {
		t.Fatalf("%d records, want %d", len(all), n)
	}
	for i, g := range all {
		if g.body != fmt.Sprint(i) {
			t.Fatalf("record %d is %q", i, g.body)
		}
	}
}

// TestAcknowledgedIsOnTheDisk: a client is acknowledged while nobody takes the
// records; and another agent, which has nothing but the disk, emits them.
func TestAcknowledgedIsOnTheDisk(t *testing.T) {
	t.Parallel()
	dir, copied := t.TempDir(), t.TempDir()
	held := newSink()
	held.hold = make(chan struct{})
	r := start(t, config(t), dir, held)
	nc := r.dial()
	const n = 500
	send(t, nc, slices.Concat(sequence("a", 0, n, true)...))
	for i := range n {
		if id := readAck(t, nc); id != fmt.Sprint("chunk-", i) {
			t.Fatalf("acknowledgement %d is of %s", i, id)
		}
	}
	if err := os.CopyFS(filepath.Join(copied, "forward"), os.DirFS(filepath.Join(dir, "forward"))); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	s := newSink()
	start(t, config(t), copied, s)
	numbers(t, s.await(t, n), n)
	if got := len(held.all()); got > 0 {
		t.Errorf("%d records were taken by who takes nothing", got)
	}
}

// TestFramesStayUntilAllHaveThem: what is taken and not safe comes again after
// a kill; what is safe does not, and goes from the disk.
func TestFramesStayUntilAllHaveThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSink()
	s.lazy = true
	r := start(t, config(t), dir, s)
	send(t, r.dial(), sequence("a", 0, 50, false)...)
	s.await(t, 50)
	r.stop()
	s.restart() // nothing was safe
	s.got = nil
	s.lazy = false
	r = start(t, config(t), dir, s)
	numbers(t, s.await(t, 50), 50)
	eventually(t, func() bool { return frames(r.Collector) == 0 })
	send(t, r.dial(), sequence("a", 50, 60, false)...)
	numbers(t, s.await(t, 60), 60)
	r.stop()
	s.restart()
	r = start(t, config(t), dir, s)
	eventually(t, r.CaughtUp)
	numbers(t, s.all(), 60)
}

func frames(c *Collector) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spool.Frames()
}

// TestSpoolRemoved: the frames of a new spool are not taken for those of the one
// before, also where a clock that went back would make its epoch smaller.
func TestSpoolRemoved(t *testing.T) {
	t.Parallel()
	for _, epoch := range []string{"", "1\n"} {
		dir := t.TempDir()
		s := newSink()
		r := start(t, config(t), dir, s)
		for i := range 20 { // a frame each
			nc := r.dial()
			send(t, nc, sequence("a", i, i+1, true)...)
			readAck(t, nc)
		}
		s.await(t, 20)
		r.stop()
		in := filepath.Join(dir, "forward", "in")
		if err := os.RemoveAll(in); err != nil {
			t.Fatal(err)
		}
		if epoch != "" {
			os.MkdirAll(in, 0o700)
			if err := os.WriteFile(filepath.Join(in, "epoch"), []byte(epoch), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r = start(t, config(t), dir, s)
		send(t, r.dial(), sequence("a", 20, 25, false)...)
		numbers(t, s.await(t, 25), 25)
		r.stop()
	}
}

// TestSentAgain: a chunk whose acknowledgement was lost is acknowledged once
// more, and stored once.
func TestSentAgain(t *testing.T) {
	t.Parallel()
	s := newSink()
	r := start(t, config(t), t.TempDir(), s)
	for range 3 {
		nc := r.dial()
		send(t, nc, message("a", 1e9, record("log", "0"), "same"))
		if id := readAck(t, nc); id != "same" {
			t.Errorf("acknowledged %q", id)
		}
		nc.Close()
	}
	nc := r.dial()
	send(t, nc, message("a", 1e9, record("log", "1"), "another"))
	readAck(t, nc)
	// A client that counts its chunks from 1 on at each connection.
	send(t, nc, message("a", 1e9, record("log", "2"), "same"))
	readAck(t, nc)
	numbers(t, s.await(t, 3), 3)
}

// TestRecent keeps no more ids than it may.
func TestRecent(t *testing.T) {
	r := recent{known: map[chunk]struct{}{}}
	for n := range 3 * idsKept {
		if !r.add(chunk{id: uint64(n)}) {
			t.Fatalf("%d is not new", n)
		}
	}
	if len(r.known) != idsKept || len(r.order) != idsKept {
		t.Errorf("%d ids are kept", len(r.known))
	}
	if r.add(chunk{id: 3*idsKept - 1}) || r.add(chunk{id: 2 * idsKept}) || !r.add(chunk{}) {
		t.Error("not the latest ones are kept")
	}
}

// TestNeverBlocks: clients send far more than memory holds while nobody takes
// anything; what the spool has no room for is dropped from its front, and said.
func TestNeverBlocks(t *testing.T) {
	t.Parallel()
	s := newSink()
	s.hold = make(chan struct{})
	r := start(t, config(t, func(c *Config) { c.Spool.MaxSize, c.MaxMessage = 32<<20, 16<<20 }), t.TempDir(), s)
	nc := r.dial()
	text := strings.Repeat("x", 64<<10)
	const n = 1000 // 64 MB
	for i := range n {
		nc.SetWriteDeadline(time.Now().Add(patience))
		send(t, nc, message("a", int64(i+1)*1e9, record("log", fmt.Sprint(i, " ", text)), ""))
	}
	send(t, nc, message("a", n*1e9, record("log", "last"), "end"))
	readAck(t, nc)
	close(s.hold)
	eventually(t, func() bool {
		all := s.all()
		return len(all) > 0 && all[len(all)-1].body == "last"
	})
	dropped := 0.0
	r.Meter(func(m agent.Sample) {
		if m.Name == "logkeel_spool_dropped_records_total" && m.Labels[1].Value == string(spool.Full) {
			dropped = m.Value
		}
	})
	if all := s.all(); dropped < n/4 || len(all)+int(dropped) < n+1 || len(all) < n/4 {
		t.Errorf("%d came, %v dropped, of %d", len(all), dropped, n+1)
	}
	if log := r.log.String(); !strings.Contains(log, "oldest records are dropped") || !strings.Contains(log, "forward/in:a") {
		t.Error(log)
	}
}

// A brittle is a disk that may not take anything.
type brittle struct {
	fail atomic.Bool
	lazy bool // it syncs nothing
}

type brittleFile struct {
	*os.File
	of *brittle
}

func (f brittleFile) Sync() error {
	if f.of.fail.Load() {
		return syscall.ENOSPC
	}
	if f.of.lazy {
		return nil
	}
	return f.File.Sync()
}

func (b *brittle) OpenFile(name string, flag int, perm fs.FileMode) (spool.File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return brittleFile{f, b}, nil
}
func (b *brittle) MkdirAll(dir string) error                 { return os.MkdirAll(dir, 0o700) }
func (b *brittle) Remove(name string) error                  { return os.Remove(name) }
func (b *brittle) Rename(from, to string) error              { return os.Rename(from, to) }
func (b *brittle) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
func (b *brittle) SyncDir(string) error                      { return nil }

// TestDiskFull: while the spool cannot be written nothing is acknowledged, and
// nothing of what was taken is lost.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk := &brittle{}
	sp, err := spool.Open(dir, spool.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	log := &logged{}
	c := New(config(t), dir, slog.New(slog.NewTextHandler(log, nil)))
	c.stopping = make(chan struct{})
	c.store = newStore("in", sp, c.log)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() { c.store.run(ctx); close(done) }()
	ours, theirs := net.Pipe()
	cn := newConn(c, ours)
	go cn.write()
	disk.fail.Store(true)
	go func() { cn.read(); cn.end() }()
	send(t, theirs, message("a", 1e9, record("log", "0"), "x"))
	eventually(t, func() bool { return strings.Contains(log.String(), "nothing is acknowledged") })
	theirs.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := theirs.Read(make([]byte, 10)); n > 0 || err == nil {
		t.Error("it is acknowledged")
	}
	disk.fail.Store(false)
	if id := readAck(t, theirs); id != "x" {
		t.Errorf("acknowledged %q", id)
	}
	if f, ok, err := sp.Next(nil); !ok || err != nil || f.Records != 1 {
		t.Errorf("%v %v %v", f, ok, err)
	}
	theirs.Close()
	c.store.finish()
	<-done
}
