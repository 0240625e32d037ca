package email

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/notify"
)

// logged is a log that many may write to.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func config(change func(c *Config)) Config {
	var c Config
	c.SetDefaults()
	c.Name, c.Server, c.Security = "ops", "127.0.0.1:587", noTLS
	c.From, c.To = "logkeel@shop.example", conf.Strings{"a@shop.example", "b@shop.example"}
	if change != nil {
		change(&c)
	}
	return c
}

// withOutput runs run in a bubble with an output that sends to f.
func withOutput(t *testing.T, f *fakeServer, run func(t *testing.T, o *Output, log *logged)) {
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		o := &Output{name: "ops"}
		c := config(func(c *Config) {
			if f.password != "" {
				c.Username, c.Password = "agent", conf.NewSecret(password)
			}
		})
		if err := o.configure(&c, slog.New(slog.NewTextHandler(log, nil))); err != nil {
			t.Fatal(err)
		}
		p, stop := f.serve()
		defer stop()
		o.sender.dial = p.dial(net.IPv4(127, 0, 0, 1))
		run(t, o, log)
		if strings.Contains(log.String(), password) {
			t.Errorf("the password is in the log:\n%s", log)
		}
	})
}

// isRefused reports whether notify will take the error for a refusal.
func isRefused(err error) bool { return reflect.TypeOf(err) == reflect.TypeOf(notify.Refused(io.EOF)) }

// TestTell: each recipient gets each mail once, whoever else is put off.
func TestTell(t *testing.T) {
	later := reply(451, 4, 7, 1, "greylisted")
	never := reply(550, 5, 1, 1, "no such user")
	answers := map[string]error{}
	f := &fakeServer{rcpt: func(to string) error { return answers[to] }}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		n := notice("1", appError("a", "app", 5))
		tell := func() string {
			t.Helper()
			f.mu.Lock()
			f.asked = nil
			f.mu.Unlock()
			err := o.tell(t.Context(), n)
			switch {
			case err == nil:
				return "told"
			case isRefused(err):
				return "refused: " + err.Error()
			}
			return err.Error()
		}
		const a, b = "a@shop.example", "b@shop.example"
		want := func(got, want string, asked ...string) {
			t.Helper()
			if got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
			if !slices.Equal(f.asked, asked) {
				t.Errorf("asked for %v; want %v", f.asked, asked)
			}
		}
		answers[b] = later
		const notYet = "some have the mail, others not yet: b@shop.example: recipient at 127.0.0.1:587: 451 4.7.1 greylisted"
		want(tell(), notYet, a, b)
		want(tell(), notYet, b)
		answers[b] = nil
		want(tell(), "told", b)
		if got := f.received(); len(got) != 2 || !slices.Equal(got[0].to, []string{a}) || !slices.Equal(got[1].to, []string{b}) ||
			parse(t, got[0].data).header.Get("Message-Id") != parse(t, got[1].data).header.Get("Message-Id") {
			t.Errorf("arrived: %+v", got)
		}

		// What joins while one is put off reaches both.
		answers[b] = later
		want(tell(), notYet, a, b)
		n.Alerts = append(n.Alerts, appError("b", "worker", 1))
		want(tell(), notYet, a, b)
		for range maxWaits - 1 {
			want(tell(), notYet, b)
		}
		want(tell(), "told", b)
		said := log.String()
		if !strings.Contains(said, "recipient does not get mail that others get") || !strings.Contains(said, "recipient=b@shop.example") {
			t.Errorf("the log says %s", said)
		}
		// The next mail does not wait for who was waited for in vain.
		want(tell(), "told", a, b)
		answers[b] = nil
		want(tell(), "told", a, b)
		if !strings.Contains(log.String(), "recipient gets mail again") {
			t.Errorf("the log says %s", log)
		}

		answers[a] = never
		want(tell(), "told", a, b)
		answers[b] = never
		want(tell(), "refused: a@shop.example: recipient at 127.0.0.1:587: 550 5.1.1 no such user; is the address right, and may mail be sent to it from here?; "+
			"b@shop.example: recipient at 127.0.0.1:587: 550 5.1.1 no such user; is the address right, and may mail be sent to it from here?", a, b)
		answers[a] = later
		want(tell(), "a@shop.example: recipient at 127.0.0.1:587: 451 4.7.1 greylisted; "+
			"b@shop.example: recipient at 127.0.0.1:587: 550 5.1.1 no such user; is the address right, and may mail be sent to it from here?", a, b)
		answers[a] = nil
		want(tell(), "told", a)
	})
}

// TestTellTwice: of what was not answered for, the receiver can tell that it is
// the same.
func TestTellTwice(t *testing.T) {
	first := true
	f := &fakeServer{password: password}
	f.data = func(b []byte) error {
		if first {
			first = false
			f.mu.Lock()
			f.mails = append(f.mails, received{data: b})
			f.mu.Unlock()
			time.Sleep(time.Minute)
		}
		return nil
	}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		n := notice("1", appError("a", "app", 5))
		if err := o.tell(t.Context(), n); err == nil || isRefused(err) {
			t.Errorf("the first try gives %v", err)
		}
		if err := o.tell(t.Context(), n); err != nil {
			t.Error(err)
		}
		got := f.received()
		if len(got) < 2 || parse(t, got[0].data).header.Get("Message-Id") != parse(t, got[1].data).header.Get("Message-Id") {
			t.Errorf("arrived: %+v", got)
		}
	})
}

// TestTellRefused: a mail that is refused once somebody has it is told.
func TestTellRefused(t *testing.T) {
	var rcpt, data error
	f := &fakeServer{data: func([]byte) error { return data }}
	f.rcpt = func(to string) error {
		if to[0] == 'b' {
			return rcpt
		}
		return nil
	}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		n := notice("1", appError("a", "app", 5))
		data = reply(554, 5, 7, 1, "spam")
		if err := o.tell(t.Context(), n); !isRefused(err) || err.Error() != "mail at 127.0.0.1:587, sent whole: 554 5.7.1 spam; the server's log says why" {
			t.Errorf("refused mail gives %v", err)
		}
		data, rcpt = nil, reply(451, 4, 7, 1, "later")
		if err := o.tell(t.Context(), n); err == nil || isRefused(err) {
			t.Errorf("mail for one of two gives %v", err)
		}
		data, rcpt = reply(554, 5, 7, 1, "spam"), nil
		if err := o.tell(t.Context(), n); err != nil {
			t.Errorf("mail that one has gives %v", err)
		}
		if !strings.Contains(log.String(), "554 5.7.1 spam") {
			t.Errorf("the log says %s", log)
		}
	})
}
