package forward

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	wire "github.com/webgrip/logkeel/agent/forward"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// TestGoLogger: Fluentd's own client library for Go, by each network, with
// acknowledgements and without.
func TestGoLogger(t *testing.T) {
	t.Parallel()
	for _, acks := range []bool{false, true} {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(fmt.Sprint(network, acks), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				s := newSink()
				r := start(t, config(t, func(c *Config) {
					if network == "unix" {
						c.Listen = "unix://" + filepath.Join(dir, "f.sock")
					}
				}), dir, s)
				o := fluent.Config{FluentNetwork: network, FluentSocketPath: r.Addr(), RequestAck: acks, SubSecondPrecision: true, Timeout: patience, ReadTimeout: patience, WriteTimeout: patience}
				if a, err := net.ResolveTCPAddr("tcp", r.Addr()); network == "tcp" && err == nil {
					o.FluentHost, o.FluentPort = a.IP.String(), a.Port
				}
				l, err := fluent.New(o)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				const n = 100
				for i := range n {
					if err := l.PostWithTime("app.web", time.Unix(int64(i), 7), map[string]any{"log": fmt.Sprint(i), "n": i}); err != nil {
						t.Fatal(err)
					}
				}
				all := s.await(t, n)
				numbers(t, all, n)
				for i, g := range all {
					if g.tag != "app.web" || g.time != int64(i)*1e9+7 || fmt.Sprint(g.fields["n"]) != fmt.Sprint(i) {
						t.Fatalf("%d is %+v", i, g)
					}
				}
			})
		}
	}
}

// TestSecurity: who may send, and that nobody else can.
func TestSecurity(t *testing.T) {
	t.Parallel()
	dir := testenv.Certificates(t)
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	pool := x509.NewCertPool()
	pem, _ := os.ReadFile(ca)
	pool.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{RootCAs: pool, ServerName: "localhost"}
	known := &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: []tls.Certificate{pair}}
	s := newSink()
	r := start(t, config(t, func(c *Config) {
		c.TLS = &tlsconf.Server{CertFile: cert, KeyFile: key, CAFile: ca}
		c.SharedKey = conf.NewSecret("s3cret-key")
		c.Users = []User{{"anna", conf.NewSecret("s3cret-pass")}}
	}), t.TempDir(), s)
	right := wire.Credentials{Hostname: "client", SharedKey: "s3cret-key", Username: "anna", Password: "s3cret-pass"}
	for i, c := range []struct {
		name string
		tls  *tls.Config
		cred wire.Credentials
		ok   bool
	}{
		{"all right", known, right, true},
		{"no certificate", secure, right, false},
		{"no TLS", nil, right, false},
		{"wrong key", known, wire.Credentials{Hostname: "client", SharedKey: "s3cret-kex", Username: "anna", Password: "s3cret-pass"}, false},
		{"wrong password", known, wire.Credentials{Hostname: "client", SharedKey: "s3cret-key", Username: "anna", Password: "s3cret-pasx"}, false},
		{"all right again", known, right, true},
	} {
		nc := r.dial()
		if c.tls != nil {
			nc = tls.Client(nc, c.tls)
		}
		nc.SetDeadline(time.Now().Add(patience))
		err := wire.Handshake(nc, wire.NewReader(nc), c.cred)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		nc.Write(message("t", 1e9, record("log", c.name), fmt.Sprint(i)))
		if c.ok {
			readAck(t, nc)
		} else if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", c.name)
		}
		nc.Close()
	}
	if got := bodies(s.await(t, 2)); got != "all right all right again" {
		t.Errorf("got %q", got)
	}
	eventually(t, func() bool { return errorsOf(r.Collector, "handshake") == 4 })
	log := r.log.String()
	if strings.Contains(log, "s3cret") || strings.Count(log, "WARN") != 1 || !strings.Contains(log, "peer=127.0.0.1") {
		t.Error(log)
	}
}

func errorsOf(c *Collector, reason string) (n float64) {
	c.Meter(func(m agent.Sample) {
		if m.Name == "logkeel_forward_errors_total" && m.Labels[1].Value == reason {
			n = m.Value
		}
	})
	return n
}

// TestBadClients: what one client does wrong ends its connection, and is nobody
// else's trouble.
func TestBadClients(t *testing.T) {
	t.Parallel()
	s := newSink()
	quick := timing{handshake: patience, idle: 1500 * time.Millisecond, message: patience, write: patience}
	r := start(t, config(t, func(c *Config) { c.MaxMessage = 64 << 10 }), t.TempDir(), s, func(c *Collector) { c.timing = quick })
	good := r.dial()
	whole := message("t", 1e9, record("log", "0"), "")
	for i, c := range []struct{ reason, sent string }{
		{"malformed", "GET / HTTP/1.1\r\n\r\n"},
		{"malformed", string(packed("t", entry(1e9, []byte("\x01")), option("x")))},
		{"malformed", string(packed("t", append(entry(1e9, record("log", "never")), 0xc1), option("x")))},
		{"too_large", string(message("t", 1e9, record("log", strings.Repeat("x", 70_000)), "x"))},
		{"too_large", string(packed("t", zipped(make([]byte, 70_000)), option("x", "compressed", "gzip")))},
		{"timeout", string(whole[:len(whole)-1])},
		{"timeout", "\x93"},
	} {
		before := errorsOf(r.Collector, c.reason)
		nc := r.dial()
		nc.SetDeadline(time.Now().Add(patience))
		io.WriteString(nc, c.sent)
		b, err := io.ReadAll(nc)
		if len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d: the client got %q, %v", i, b, err)
		}
		eventually(t, func() bool { return errorsOf(r.Collector, c.reason) == before+1 })
	}
	torn := r.dial()
	torn.Write(append(append([]byte{}, whole...), whole[:5]...)) // what came before is kept
	torn.Close()
	eventually(t, func() bool { return errorsOf(r.Collector, "connection") == 1 })
	idle := r.dial()
	time.Sleep(2 * quick.idle)
	send(t, idle, message("t", 1e9, record("log", "1"), "i"))
	readAck(t, idle)
	send(t, good, message("t", 1e9, record("log", "2"), "g"))
	readAck(t, good)
	numbers(t, s.await(t, 3), 3)
	if log := r.log.String(); strings.Count(log, "WARN") != 3 || !strings.Contains(log, "reason=too_large") {
		t.Error(log)
	}
}

// TestHalfClosed: a client that ends its sending gets what it is owed.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	s := newSink()
	r := start(t, config(t), t.TempDir(), s)
	nc := r.dial()
	send(t, nc, sequence("t", 0, 20, true)...)
	nc.(*net.TCPConn).CloseWrite()
	for i := range 20 {
		if id := readAck(t, nc); id != fmt.Sprint("chunk-", i) {
			t.Errorf("%d: %s", i, id)
		}
	}
	if b, err := io.ReadAll(nc); len(b) > 0 || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// TestStop: what was received when the collector stops is on the disk, and
// acknowledged.
func TestStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSink()
	s.hold = make(chan struct{})
	r := start(t, config(t), dir, s)
	var conns []net.Conn
	for i := range 10 {
		nc := r.dial()
		send(t, nc, message("t", 1e9, record("log", "x"), fmt.Sprint(i)))
		conns = append(conns, nc)
	}
	readAck(t, conns[0])
	r.stop()
	acked := 1
	for _, nc := range conns[1:] {
		b, _ := io.ReadAll(nc)
		if len(b) > 0 {
			acked++
		}
	}
	s = newSink()
	r = start(t, config(t), dir, s)
	eventually(t, r.CaughtUp)
	eventually(t, func() bool { return len(s.all()) >= acked })
}

// TestSocket: it has its mode, a stale one is replaced, and what is none is left.
func TestSocket(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f.sock")
	c := config(t, func(c *Config) { c.Listen, c.Mode = "unix://"+path, "0622" })
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	s := newSink()
	r := start(t, c, dir, s)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o622 {
		t.Errorf("%v %v", info, err)
	}
	nc := r.dial()
	send(t, nc, message("t", 1e9, record("log", "0"), "x"))
	readAck(t, nc)
	if err := removeStale(path); err == nil || !strings.Contains(err.Error(), "somebody else listens there") {
		t.Errorf("%v", err)
	}
	r.stop()
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left behind")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeStale(path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("%v", err)
	}
}

// TestManyTags: no more sources are open than may be; those of which all is safe
// make room, and without any the rest is (other).
func TestManyTags(t *testing.T) {
	t.Parallel()
	for _, lazy := range []bool{false, true} {
		s := newSink()
		s.lazy = lazy
		r := start(t, config(t), t.TempDir(), s)
		nc := r.dial()
		const n = maxSources + 500
		for i := range n {
			send(t, nc, message(fmt.Sprint("tag", i), 1e9, record("log", "x"), ""))
			if i%100 == 99 {
				send(t, nc, message("tag0", 1e9, record("log", "x"), fmt.Sprint(i)))
				readAck(t, nc)
				eventually(t, func() bool { return len(s.all()) == i+1+(i+1)/100 })
				if !lazy {
					eventually(t, func() bool { return frames(r.Collector) == 0 })
				}
			}
		}
		others := 0
		for _, g := range s.all() {
			if g.labels["tag"] == other {
				others++
			}
		}
		s.mu.Lock()
		open, twice := len(s.open), s.twice
		s.mu.Unlock()
		if open > maxSources+1 || len(twice) > 0 || (others > 0) != lazy {
			t.Errorf("%d are open, %d are others; twice: %v", open, others, twice)
		}
		r.stop()
	}
}

// TestEntryRoundTrip: what is in a message may be of any kind.
func TestEntryRoundTrip(t *testing.T) {
	t.Parallel()
	s := newSink()
	r := start(t, config(t), t.TempDir(), s)
	in := map[string]any{"a": int64(-1), "b": uint64(1 << 63), "c": 2.5, "d": true, "e": nil, "f": []any{"x", int64(1)}, "g": map[string]any{"h": "i"}, "j": []byte{0xff}}
	rec, err := msgp.AppendIntf(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	send(t, r.dial(), message("t", 1e9, rec, ""))
	if got := s.await(t, 1)[0]; !reflect.DeepEqual(got.fields, in) || got.key != "" || got.body[0] != '{' {
		t.Errorf("%+v", got)
	}
}

// TestManyAcks: a client may send far more chunks than it may be owed
// acknowledgements of; and one that never reads them is not read any more, takes
// no memory, and does not keep the collector from stopping.
func TestManyAcks(t *testing.T) {
	t.Parallel()
	s := newSink()
	r := start(t, config(t), t.TempDir(), s)
	const n = 3 * maxAcks
	good, bad := r.dial(), r.dial()
	go func() {
		for i := range n {
			good.Write(packed("t", nil, option(fmt.Sprint(i))))
		}
	}()
	go func() {
		for {
			if _, err := bad.Write(packed("t", nil, option(strings.Repeat("x", 200)))); err != nil {
				return
			}
		}
	}()
	acks := wire.NewReader(good)
	good.SetReadDeadline(time.Now().Add(patience))
	for i := range n {
		if id, err := wire.ReadAck(acks); err != nil || id != fmt.Sprint(i) {
			t.Fatalf("acknowledgement %d: %s %v", i, id, err)
		}
	}
	r.Collector.mu.Lock()
	for c := range r.conns {
		if owed := c.owed.Load(); owed > maxAcks {
			t.Errorf("%d are owed", owed)
		}
	}
	r.Collector.mu.Unlock()
	r.stop()
}
