package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A sink takes the place of the aggregator that agents ship to. It counts what
// comes. Its port is its own from the beginning, but refuses connections until
// listen.
type sink struct {
	serve func(s *sink, c net.Conn) error
	port  int
	watch bool // whether to look for marks

	fd    int // until listen
	ln    net.Listener
	wg    sync.WaitGroup
	mu    sync.Mutex
	done  bool
	conns map[net.Conn]bool
	got   tally
	bytes int64
	last  time.Time // when the last record came
	marks []arrival // in the order in which they came, each once
	seen  map[int]bool
	wrong error // the first thing that it could not read
}

// receivers are the protocols that a sink can speak.
var receivers = map[string]func(*sink, net.Conn) error{"forward": serveForward, "lines": serveLines, "otlp": serveOTLP}

func newSink(protocol string, watch bool) (*sink, error) {
	serve, ok := receivers[protocol]
	if !ok {
		return nil, fmt.Errorf("no receiver for the protocol %q", protocol)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	s := &sink{serve: serve, watch: watch, fd: fd, conns: map[net.Conn]bool{}, seen: map[int]bool{}}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err == nil {
		var at unix.Sockaddr
		if at, err = unix.Getsockname(fd); err == nil {
			s.port = at.(*unix.SockaddrInet4).Port
			return s, nil
		}
	}
	unix.Close(fd)
	return nil, fmt.Errorf("sink: %w", err)
}

// listen begins to take connections.
func (s *sink) listen() error {
	if err := unix.Listen(s.fd, 128); err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	f := os.NewFile(uintptr(s.fd), "sink")
	s.fd = -1
	defer f.Close() // the listener has a descriptor of its own
	ln, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	s.ln = ln
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.take(c)
		}
	})
	return nil
}

func (s *sink) take(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		c.Close()
		return
	}
	s.conns[c] = true
	s.wg.Go(func() {
		err := s.serve(s, c)
		c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		var broken net.Error
		if s.wrong == nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.As(err, &broken) {
			s.wrong = err
		}
	})
}

func (s *sink) close() {
	s.mu.Lock()
	s.done = true
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	if s.ln != nil {
		s.ln.Close()
	}
	if s.fd >= 0 {
		unix.Close(s.fd)
	}
	s.wg.Wait()
}

// count notes records that have come, and how many bytes they took.
func (s *sink) count(t tally, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got.n += t.n
	s.got.sum += t.sum
	s.bytes += int64(size)
	if t.n > 0 {
		s.last = time.Now()
	}
}

// state is what has come until now, and what was wrong with it.
func (s *sink) state() (got tally, last time.Time, wrong error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got, s.last, s.wrong
}

// An arrival is that of a mark.
type arrival struct {
	at   time.Time
	took time.Duration // since it was made
}

// A mark is in a line whose way is timed: its number, and when it was made.
const markPrefix = "bench-mark:"

func mark(seq int, now time.Time) string {
	return fmt.Sprintf("%s%d:%d:", markPrefix, seq, now.UnixNano())
}

// look finds marks in what has come.
func (s *sink) look(b []byte) {
	if !s.watch {
		return
	}
	now := time.Now()
	for {
		_, rest, ok := bytes.Cut(b, []byte(markPrefix))
		if !ok {
			return
		}
		b = rest
		f := bytes.SplitN(rest, []byte(":"), 3)
		if len(f) < 3 {
			return
		}
		seq, err := strconv.Atoi(string(f[0]))
		made, err2 := strconv.ParseInt(string(f[1]), 10, 64)
		if err != nil || err2 != nil {
			continue
		}
		s.mu.Lock()
		if !s.seen[seq] {
			s.seen[seq] = true
			s.marks = append(s.marks, arrival{now, now.Sub(time.Unix(0, made))})
		}
		s.mu.Unlock()
	}
}

// arrived are the marks that have come.
func (s *sink) arrived() []arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]arrival(nil), s.marks...)
}
