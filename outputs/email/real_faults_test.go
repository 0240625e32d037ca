package email

import (
	"bytes"
	"context"
	"encoding/base64"
	"flag"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

var deferred = flag.Duration("deferred", 5*time.Second, "for how long the server of TestRealDeferred answers 451")

// running runs the output as the agent does. notify hands an alert on.
func running(t *testing.T, c Config, log io.Writer) (notify func(agent.Alert), measured func(name string) float64) {
	t.Helper()
	o, err := New(c, t.TempDir(), nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	notify = func(a agent.Alert) {
		t.Helper()
		if err := o.Notify(t.Context(), []agent.Alert{a}); err != nil {
			t.Error(err)
		}
	}
	return notify, func(name string) (sum float64) {
		o.Meter(func(s agent.Sample) {
			if name == s.Name || len(s.Labels) > 1 && name == s.Labels[1].Value {
				sum += s.Value
			}
		})
		return sum
	}
}

// soon waits until ok.
func soon(t *testing.T, what string, timeout time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(timeout); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, timeout)
		}
	}
}

// happening is an alert that goes on.
func happening(count uint64) agent.Alert {
	a := appError("a", "app", count)
	a.Revision, a.Starts, a.Last, a.Seen = count, time.Now(), time.Now(), time.Now()
	return a
}

// TestRealDeferred: the server puts everybody off for a while. Then there is one
// mail, with all that has happened since.
func TestRealDeferred(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	log := &logged{}
	notify, measured := running(t, realConfig(s, func(c *Config) { c.GroupWait = 0 }), log)
	s.Defer(true)
	count := uint64(0)
	for end := time.Now().Add(*deferred); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		count++
		notify(happening(count))
	}
	before := measured("failed")
	// After a try there is time until the next one, which then tells of all.
	soon(t, "a try fails", *deferred+7*time.Minute, func() bool { return measured("failed") > before })
	tries := measured("failed")
	s.Defer(false)
	mails := s.Await(1, *deferred+7*time.Minute) // it waits twice as long after each try, five minutes at most
	soon(t, "the agent knows", time.Minute, func() bool { return measured("logkeel_email_sent_total") == 1 })
	if n := len(s.Mails()); n != 1 {
		t.Errorf("%d mails, want 1", n)
	}
	if want := number(count, "time"); !strings.Contains(mails[0].Subject(), strings.TrimSuffix(strings.TrimSuffix(want, "s"), " time")) {
		t.Errorf("the mail does not say %s: %s", want, mails[0].Subject())
	}
	if tries < 1 || tries > 4+deferred.Minutes() {
		t.Errorf("%v tries in %v", tries, *deferred)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("the log warns %d times:\n%s", n, log)
	}
}

// A between passes on what goes to and from a server, and meddles with it.
type between struct {
	addr   string
	hang   atomic.Int64 // after so many bytes of a client nothing comes back; 0: never
	strip  bool         // the server offers no STARTTLS
	mu     sync.Mutex
	client bytes.Buffer // what clients have sent
}

func putBetween(t *testing.T, server string) *between {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &between{addr: ln.Addr().String()}
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			passing.Go(func() { b.pass(c, server) })
		}
	})
	t.Cleanup(func() { ln.Close(); passing.Wait() })
	return b
}

func (b *between) pass(client net.Conn, server string) {
	defer client.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	var sent atomic.Int64
	var back sync.WaitGroup
	back.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := to.Read(buf)
			if err != nil {
				return
			}
			answer := buf[:n]
			if b.strip {
				answer = bytes.ReplaceAll(answer, []byte("250-STARTTLS\r\n"), nil)
			}
			if most := b.hang.Load(); most > 0 && sent.Load() > most {
				continue // the server has it, and nobody is told
			}
			if _, err := client.Write(answer); err != nil {
				return
			}
		}
	})
	buf := make([]byte, 4096)
	for {
		n, err := client.Read(buf)
		if err != nil {
			break
		}
		sent.Add(int64(n))
		b.mu.Lock()
		b.client.Write(buf[:n])
		b.mu.Unlock()
		if _, err := to.Write(buf[:n]); err != nil {
			break
		}
	}
	to.Close()
	back.Wait()
}

// TestRealHang: the server takes a mail, and its answer does not come. The mail is
// sent again with the same Message-ID, for nobody can know.
func TestRealHang(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	b := putBetween(t, s.Addr)
	b.hang.Store(3000) // more than what goes before a mail, and less than a mail
	log := &logged{}
	notify, measured := running(t, realConfig(s, func(c *Config) {
		c.Server, c.GroupWait, c.Timeout = b.addr, 0, conf.Duration(3*time.Second)
	}), log)
	notify(happening(1))
	soon(t, "it gives up", time.Minute, func() bool { return measured("failed") == 1 })
	if !strings.Contains(log.String(), "no answer within 3s") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	b.hang.Store(0)
	soon(t, "it is sent again", time.Minute, func() bool { return measured("logkeel_email_sent_total") == 1 })
	ids := map[string]int{}
	for _, m := range s.Await(1, time.Minute) {
		ids[m.Header.Get("Message-Id")]++
	}
	if len(ids) != 1 {
		t.Errorf("one notice came with the Message-IDs %v", ids)
	}
}

// TestRealStripped: somebody between takes the STARTTLS away. Nothing is sent, and
// above all no password.
func TestRealStripped(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	b := putBetween(t, s.Addr)
	b.strip = true
	log := &logged{}
	notify, measured := running(t, realConfig(s, func(c *Config) { c.Server, c.GroupWait = b.addr, 0 }), log)
	notify(happening(1))
	soon(t, "it gives up", time.Minute, func() bool { return measured("failed") == 1 })
	if !strings.Contains(log.String(), errNoStartTLS.Error()) {
		t.Errorf("the log does not say why:\n%s", log)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, secret := range []string{
		s.Password, base64.StdEncoding.EncodeToString([]byte(s.Password)), "AUTH", "MAIL FROM", "shop-app-1",
	} {
		if bytes.Contains(b.client.Bytes(), []byte(secret)) {
			t.Errorf("%q was sent in the clear", secret)
		}
	}
	if len(s.Mails()) != 0 {
		t.Error("a mail came")
	}
}
