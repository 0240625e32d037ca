package mysql

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// A faulty passes on what a server answers, up to some bytes a connection.
type faulty struct {
	addr  string
	bytes atomic.Int64 // of each connection
	hang  atomic.Bool  // or else it ends
}

func faultyServer(t *testing.T, to string) *faulty {
	f := &faulty{}
	f.bytes.Store(1 << 40)
	f.addr = testenv.Serve(t, func(c net.Conn) {
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(server, c)
			server.Close()
		}()
		buf := make([]byte, 1024)
		for sent := int64(0); ; {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			n = min(n, max(0, int(f.bytes.Load()-sent)))
			if _, err := c.Write(buf[:n]); err != nil {
				return
			}
			if sent += int64(n); sent < f.bytes.Load() {
				continue
			}
			if f.hang.Load() {
				<-gone
			}
			return
		}
	})
	return f
}

// A server that is restarted in the middle of an answer, wherever that is: it is
// said, no half of a snapshot is taken for a whole one, and the next one is whole.
func TestRestartInMidQuery(t *testing.T) {
	t.Parallel()
	srv := start(t, "--log-bin=bin", "--server-id=1")
	grantParts(srv, "logkeel")
	f := faultyServer(t, srv.Addr)
	s := newSampler(t, as(f.addr, "logkeel"))
	whole, err := take(t, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{0, 3, 50, 100, 120, 160, 200, 400, 3000, 10_000, 20_000, 40_000, 50_000} {
		s.Close() // each time anew, for it keeps its connection
		f.bytes.Store(n)
		got, err := take(t, s)
		if err == nil && len(got) < len(whole)-100 {
			t.Errorf("cut after %d bytes: %d series, and no error", n, len(got))
		}
		if err == nil && n < 10_000 {
			t.Errorf("cut after %d bytes: no error", n)
		}
		f.bytes.Store(1 << 40)
		if got, err = take(t, s); err != nil || len(got) < len(whole)-100 {
			t.Errorf("after it was cut after %d bytes: %d series of %d, %v", n, len(got), len(whole), err)
		}
	}
}

// A server that does not go on: the snapshot ends in time.
func TestHangsInMidQuery(t *testing.T) {
	t.Parallel()
	srv := start(t)
	f := faultyServer(t, srv.Addr)
	f.hang.Store(true)
	s := newSampler(t, as(f.addr, "logkeel"))
	for _, n := range []int64{0, 50, 400, 10_000} {
		f.bytes.Store(n)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errors.New("no answer within 500ms"))
		start := time.Now()
		err := s.Sample(ctx, func(agent.Sample) {})
		cancel()
		testenv.WantError(t, err, "no answer within 500ms")
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("hung after %d bytes, it took %v", n, took)
		}
		s.Close()
	}
	f.bytes.Store(1 << 40)
	if _, err := take(t, s); err != nil {
		t.Error(err)
	}
}

func TestTLSMismatch(t *testing.T) {
	t.Parallel()
	srv := start(t, "--skip-ssl")
	c := as(srv.Addr, "logkeel")
	c.TLS = &tlsconf.Config{CAFile: srv.CAFile}
	got, err := take(t, newSampler(t, c))
	wantDown(t, got, err, "TLS", "remove tls from the configuration, or give the server a certificate")

	other := start(t)
	c = as(other.Addr, "logkeel")
	c.TLS = &tlsconf.Config{CAFile: other.CAFile, ServerName: "db.example.com"}
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "certificate is valid for", "db.example.com")
	c.TLS = &tlsconf.Config{CAFile: srv.CAFile}
	got, err = take(t, newSampler(t, c))
	wantDown(t, got, err, "certificate signed by unknown authority")
}
