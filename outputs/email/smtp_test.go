package email

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	password  = "pa55-w0rd"
	testMail  = "Subject: x\r\n\r\nbody\r\n.dot\r\n"
	otherHost = "192.0.2.1"
)

// A sendTest is one try to send, and how it ends.
type sendTest struct {
	name   string
	server *fakeServer                        // or
	script func(r *bufio.Reader, c net.Conn)  // a server that does this
	sender func(s *sender)                    // what is different from STARTTLS with a login
	mail   string                             // in place of testMail
	remote string                             // the server's address; this host where it is ""
	says   string                             // the error, "" where there is none
	final  bool                               // it is one of the mail
	failed []string                           // recipients, and what was said of them
	taken  int                                // mails that arrived
	within time.Duration                      // the most that it may take
	check  func(t *testing.T, got []received) // what arrived
}

func (tt *sendTest) run(t *testing.T, roots func(*sender)) {
	synctest.Test(t, func(t *testing.T) {
		serve := func() (*pipes, func()) { return script(tt.script) }
		if tt.server != nil {
			serve = tt.server.serve
		}
		p, stop := serve()
		defer stop()
		remote := net.IPv4(127, 0, 0, 1)
		if tt.remote != "" {
			remote = net.ParseIP(tt.remote)
		}
		s := &sender{
			host: "mx.test", port: "587", security: startTLS, auth: authAuto, username: "agent", password: password,
			helo: "agent.test", timeout: 30 * time.Second, dial: p.dial(remote),
		}
		roots(s)
		if tt.sender != nil {
			tt.sender(s)
		}
		mail := cmp.Or(tt.mail, testMail)
		start := time.Now()
		d, err := s.send(t.Context(), addresses("logkeel@shop.example")[0], addresses("a@shop.example", "b@shop.example"), []byte(mail))
		if took := time.Since(start); took > max(tt.within, 2*time.Second) {
			t.Errorf("it took %v", took)
		}
		tt.verdict(t, d, err)
	})
}

func (tt *sendTest) verdict(t *testing.T, d delivery, err error) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != tt.says {
		t.Errorf("the error is\n     %s\nwant %s", got, tt.says)
	}
	var refusal finalError
	if errors.As(err, &refusal) != tt.final {
		t.Errorf("final is %v", !tt.final)
	}
	var failed []string
	for _, f := range d.failed {
		kind := "later: "
		if f.final {
			kind = "never: "
		}
		failed = append(failed, kind+f.err.Error())
	}
	if !slices.Equal(failed, tt.failed) {
		t.Errorf("failed for\n%s\nwant\n%s", strings.Join(failed, "\n"), strings.Join(tt.failed, "\n"))
	}
	if all := got + strings.Join(failed, ""); strings.Contains(all, password) {
		t.Errorf("the password is in %s", all)
	}
	if tt.server == nil {
		return
	}
	mails := tt.server.received()
	if len(mails) != tt.taken {
		t.Fatalf("%d mails arrived; want %d", len(mails), tt.taken)
	}
	if tt.check != nil {
		tt.check(t, mails)
	}
	for _, m := range mails {
		if string(m.data) != testMail || m.from != "logkeel@shop.example" {
			t.Errorf("from %s arrived %q", m.from, m.data)
		}
	}
}

func TestSend(t *testing.T) {
	cert, pool := certify(t, "mx.test", forever)
	other, otherPool := certify(t, "other.test", forever)
	expired, expiredPool := certify(t, "mx.test", time.Unix(1, 0))
	plain := func(s *sender) { s.security, s.username = noTLS, "" }
	plainLogin := func(s *sender) { s.security = noTLS }
	hang := func(r *bufio.Reader, c net.Conn) { _, _ = io.Copy(io.Discard, r) }
	refuse := func(whom string, err error) func(string) error {
		return func(to string) error {
			if whom == "" || to == whom {
				return err
			}
			return nil
		}
	}
	const b = "b@shop.example"
	tests := []sendTest{
		{name: "starttls", server: &fakeServer{cert: cert, password: password}, taken: 1},
		{name: "tls", server: &fakeServer{cert: cert, password: password, fullTLS: true}, sender: func(s *sender) { s.security = fullTLS }, taken: 1},
		{name: "none", server: &fakeServer{}, sender: plain, taken: 1},
		{name: "none, with a login", server: &fakeServer{password: password}, sender: plainLogin, taken: 1},
		{name: "none, from elsewhere", server: &fakeServer{}, remote: otherHost, sender: plain, taken: 1},
		{
			name: "a password to another machine, for all to read", server: &fakeServer{password: password}, sender: plainLogin, remote: otherHost,
			says: "log in to mx.test:587 as \"agent\": the connection is not encrypted and leaves this machine: the password is not sent; write security: starttls or tls",
		},
		{
			name: "no starttls", server: &fakeServer{password: password},
			says: "greet mx.test:587: the server offers no STARTTLS; name its port that does, mostly 587, or write security: tls where it is the port for TLS from the start; without TLS nothing is sent unless security: none says so",
		},
		{
			name: "starttls that is closed", script: say("220 mx.test", "250-mx.test\r\n250 STARTTLS", "220 go on"),
			says: "secure the connection to mx.test:587: the server closed the connection; is TLS on at the server, and is its certificate in order?",
		},
		{
			name: "starttls that breaks", script: say("220 mx.test", "250-mx.test\r\n250 STARTTLS", "220 go on", "ooops"),
			says: "secure the connection to mx.test:587: tls: first record does not look like a TLS handshake; this port does not begin with TLS: write security: starttls",
		},
		{
			name: "starttls refused", script: say("220 mx.test", "250-mx.test\r\n250 STARTTLS", "454 4.7.0 TLS not available"),
			says: "secure the connection to mx.test:587: 454 4.7.0 TLS not available; its TLS is out of order; look into the server's log",
		},
		{
			name: "tls on a port without", script: say("220 mx.test"), sender: func(s *sender) { s.security = fullTLS },
			says: "secure the connection to mx.test:587: tls: first record does not look like a TLS handshake; this port does not begin with TLS: write security: starttls",
		},
		{
			name: "another's certificate", server: &fakeServer{cert: other}, sender: func(s *sender) { s.tls = &tls.Config{ServerName: "mx.test", RootCAs: otherPool} },
			says: "secure the connection to mx.test:587: tls: failed to verify certificate: x509: certificate is valid for other.test, not mx.test; the certificate is not for mx.test: write the name that it is for as server, or as tls.server_name",
		},
		{
			name: "a certificate by nobody known", server: &fakeServer{cert: other}, sender: func(s *sender) { s.tls = &tls.Config{ServerName: "other.test", RootCAs: pool} },
			says: "secure the connection to mx.test:587: tls: failed to verify certificate: x509: certificate signed by unknown authority; who signed the certificate of other.test is not known here: name the authority's certificate in tls.ca_file",
		},
		{
			name: "an old certificate", server: &fakeServer{cert: expired}, sender: func(s *sender) { s.tls = &tls.Config{ServerName: "mx.test", RootCAs: expiredPool} },
			says: "secure the connection to mx.test:587: tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2000-01-01T00:00:00Z is after 1970-01-01T00:00:01Z; renew the certificate of mx.test, or put this host's clock right",
		},
		{
			name: "wrong password", server: &fakeServer{cert: cert, password: "other"},
			says: `log in to mx.test:587 as "agent": 535 5.7.8 no such login: agent <secret>; compare username and password with the account's at the server`,
		},
		{
			name: "no login", server: &fakeServer{cert: cert, noAuth: true},
			says: `log in to mx.test:587 as "agent": the server offers no login; name its port for submission, mostly 587, or leave username and password out`,
		},
		{
			name: "another login", server: &fakeServer{cert: cert, password: password}, sender: func(s *sender) { s.auth = "cram-md5" },
			says: `log in to mx.test:587 as "agent": the server offers no login that auth allows: it offers PLAIN; write one of these as auth, or auto`,
		},
		{
			name: "a server that repeats the login", script: say("220 mx.test", "250-mx.test\r\n250 AUTH PLAIN", "500 unknown command AUTH PLAIN AGFnZW50AHBhNTUtdzByZA=="), sender: plainLogin,
			says: `log in to mx.test:587 as "agent": 500 unknown command AUTH PLAIN <secret>; compare username and password with the account's at the server`,
		},
		{
			name: "a login that was missing", server: &fakeServer{mail: refuse("", reply(530, 5, 7, 0, "Authentication required"))}, sender: plain,
			says: "sender at mx.test:587: 530 5.7.0 Authentication required; the server wants a login: set username and password",
		},
		{
			name: "no such sender", server: &fakeServer{mail: refuse("", reply(553, 5, 7, 1, "not yours"))}, sender: plain, final: true,
			says: "sender at mx.test:587: 553 5.7.1 not yours; does the server let this login send as from?",
		},
		{
			name: "later", server: &fakeServer{rcpt: refuse("", reply(451, 4, 7, 1, "try again"))}, sender: plain,
			failed: []string{"later: recipient at mx.test:587: 451 4.7.1 try again", "later: recipient at mx.test:587: 451 4.7.1 try again"},
		},
		{
			name: "one unknown", server: &fakeServer{rcpt: refuse(b, reply(550, 5, 1, 1, "no such user"))}, sender: plain, taken: 1,
			failed: []string{"never: recipient at mx.test:587: 550 5.1.1 no such user; is the address right, and may mail be sent to it from here?"},
			check: func(t *testing.T, got []received) {
				if want := []string{"a@shop.example"}; !slices.Equal(got[0].to, want) {
					t.Errorf("it is for %v", got[0].to)
				}
			},
		},
		{
			name: "one full", server: &fakeServer{rcpt: refuse(b, reply(552, 5, 2, 2, "mailbox full"))}, sender: plain, taken: 1,
			failed: []string{"later: recipient at mx.test:587: 552 5.2.2 mailbox full; the mailbox is full: make room in it"},
		},
		{
			name: "one full, as 550", server: &fakeServer{rcpt: refuse(b, reply(550, 5, 2, 2, "over quota"))}, sender: plain, taken: 1,
			failed: []string{"later: recipient at mx.test:587: 550 5.2.2 over quota; the mailbox is full: make room in it"},
		},
		{
			name: "data later", server: &fakeServer{data: func([]byte) error { return reply(451, 4, 3, 0, "disk full") }}, sender: plain,
			says: "mail at mx.test:587, sent whole: 451 4.3.0 disk full",
		},
		{
			name: "data refused", server: &fakeServer{data: func([]byte) error { return reply(554, 5, 7, 1, "spam\x1b[31m") }}, sender: plain, final: true,
			says: `mail at mx.test:587, sent whole: 554 5.7.1 spam\x1b[31m; the server's log says why`,
		},
		{
			name: "data too large", server: &fakeServer{data: func([]byte) error { return reply(552, 5, 3, 4, "too large") }}, sender: plain, final: true,
			says: "mail at mx.test:587, sent whole: 552 5.3.4 too large; the server's log says why",
		},
		{
			name: "data full", server: &fakeServer{data: func([]byte) error { return reply(552, 5, 2, 2, "quota") }}, sender: plain,
			says: "mail at mx.test:587, sent whole: 552 5.2.2 quota; the mailbox is full: make room in it",
		},
		{
			name: "silence", script: hang, within: 30 * time.Second,
			says: "greet mx.test:587: no answer within 30s; is this the port of a mail server, and security what that port is for (starttls for 587, tls for 465)?",
		},
		{
			name: "silence for tls", script: hang, sender: func(s *sender) { s.security = fullTLS }, within: 30 * time.Second,
			says: "secure the connection to mx.test:587: no answer within 30s; is TLS on at the server, and is its certificate in order?",
		},
		{
			name: "silence after the mail", server: &fakeServer{data: func([]byte) error { time.Sleep(time.Minute); return nil }}, sender: plain, within: 30 * time.Second,
			says: "mail at mx.test:587, sent whole: no answer within 30s; whether the server has it is not known; it is sent again with the same Message-ID",
		},
		{
			name: "gone in the middle", script: say("220 mx.test", "250 mx.test", "250 ok", "250 ok", "250 ok", "354 go on"),
			sender: plain,
			says:   "mail at mx.test:587, sent whole: the server closed the connection; whether the server has it is not known; it is sent again with the same Message-ID",
		},
		{
			name: "silence in the middle of the mail", script: func(r *bufio.Reader, c net.Conn) {
				say("220 mx.test", "250 mx.test", "250 ok", "250 ok", "250 ok", "354 go on")(r, c)
				time.Sleep(time.Minute)
			},
			sender: plain, mail: strings.Repeat("x\r\n", 1<<18), within: 30 * time.Second,
			says: "mail at mx.test:587: no answer within 30s",
		},
		{
			name: "silence at the end", script: func(r *bufio.Reader, c net.Conn) {
				say("220 mx.test", "250 mx.test", "250 ok", "250 ok", "250 ok", "354 go on")(r, c)
				for line := ""; line != ".\r\n"; line, _ = r.ReadString('\n') {
				}
				_, _ = io.WriteString(c, "250 ok\r\n")
				time.Sleep(time.Minute)
			},
			sender: plain,
		},
		{
			name: "not a mail server", script: say("HTTP/1.1 400 Bad Request"),
			says: `greet mx.test:587: short response: "HTTP/1.1 400 Bad Request"; is this the port of a mail server, and security what that port is for (starttls for 587, tls for 465)?`,
		},
		{
			name: "hangs up", script: func(*bufio.Reader, net.Conn) {},
			says: "greet mx.test:587: the server closed the connection; is this the port of a mail server, and security what that port is for (starttls for 587, tls for 465)?",
		},
		{
			name: "goes away", script: say("421 4.3.2 shutting down"),
			says: "greet mx.test:587: 421 4.3.2 shutting down",
		},
		{
			name: "wants none of us", script: say("554 5.7.1 you are on a list"),
			says: "greet mx.test:587: 554 5.7.1 you are on a list; the server's log says why",
		},
		{
			name: "goes away at a recipient", script: say("220 mx.test", "250 mx.test", "250 ok", "421 4.4.2 too long"), sender: plain,
			says: "recipient at mx.test:587: 421 4.4.2 too long",
		},
		{
			name: "talks without end", script: func(_ *bufio.Reader, c net.Conn) {
				for line := []byte("220-" + strings.Repeat("x", 1000)); ; {
					if _, err := c.Write(line); err != nil {
						return
					}
				}
			},
			says: "greet mx.test:587: the server talks without end; that is no mail server; is this the port of a mail server, and security what that port is for (starttls for 587, tls for 465)?",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(t, func(s *sender) { s.tls = &tls.Config{ServerName: "mx.test", RootCAs: pool} })
		})
	}
}

// TestSendCanceled: a stop of the agent does not wait for the server.
func TestSendCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := script(func(r *bufio.Reader, _ net.Conn) { _, _ = io.Copy(io.Discard, r) })
		defer stop()
		s := &sender{host: "mx.test", port: "25", security: noTLS, helo: "a", timeout: time.Hour, dial: p.dial(net.IPv4(127, 0, 0, 1))}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stopped, stopNow := context.WithCancel(t.Context())
		defer context.AfterFunc(ctx, stopNow)()
		start := time.Now()
		_, err := s.send(stopped, addresses("a@b")[0], addresses("a@b"), nil)
		if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestMechanism(t *testing.T) {
	for _, tt := range []struct {
		auth, offered string
		secure        bool
		want          string
	}{
		{authAuto, "LOGIN PLAIN", true, "PLAIN"},
		{authAuto, "cram-md5 login", true, "LOGIN"},
		{authAuto, "PLAIN SCRAM-SHA-1 SCRAM-SHA-256-PLUS", true, "SCRAM-SHA-256-PLUS"},
		{authAuto, "PLAIN SCRAM-SHA-1 SCRAM-SHA-256-PLUS", false, "SCRAM-SHA-1"},
		{authAuto, "GSSAPI NTLM XOAUTH2", true, ""},
		{authAuto, "", true, ""},
		{"login", "PLAIN LOGIN", true, "LOGIN"},
		{"login", "PLAIN", true, ""},
		{"plain", "XPLAIN", true, ""},
	} {
		if got := mechanism(tt.auth, tt.offered, tt.secure); got != tt.want {
			t.Errorf("%s of %q is %q; want %q", tt.auth, tt.offered, got, tt.want)
		}
	}
}

// TestIterations: a server cannot make us compute for hours.
func TestIterations(t *testing.T) {
	for i, ok := range map[string]bool{"4096": true, "2000000000": false, "-1": false, "x": false} {
		a := authFor("SCRAM-SHA-256", "mx.test", "agent", password, nil)
		first, err := a.Next(nil, true)
		if err != nil {
			t.Fatal(err)
		}
		_, nonce, _ := bytes.Cut(first, []byte(",r="))
		_, err = a.Next([]byte("r="+string(nonce)+"x,s=c2FsdA==,i="+i), true)
		if (err == nil) != ok {
			t.Errorf("%s iterations: %v", i, err)
		}
	}
}
