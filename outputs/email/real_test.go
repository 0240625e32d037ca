package email

import (
	"context"
	"io"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// realConfig is for s, with STARTTLS and a login.
func realConfig(s *testenv.SMTPServer, change func(c *Config)) Config {
	return config(func(c *Config) {
		c.Server, c.Security, c.TLS = s.Addr, "", &tlsconf.Config{CAFile: s.CAFile}
		c.Username, c.Password = s.Username, conf.NewSecret(s.Password)
		if change != nil {
			change(c)
		}
	})
}

func configured(t *testing.T, c Config, log io.Writer) *Output {
	t.Helper()
	if err := c.Check(&conf.Doc{}, "email[0]"); err != nil {
		t.Fatal(err)
	}
	o := &Output{name: c.Name}
	if err := o.configure(&c, slog.New(slog.NewTextHandler(log, nil))); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestRealMail: what a real server delivers is what was composed, whatever the
// log has.
func TestRealMail(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	o := configured(t, realConfig(s, func(c *Config) { c.To = conf.Strings{"Ops <ops@shop.example>", "oncall@shop.example"} }), io.Discard)
	came := 0
	for name, n := range notices() {
		if err := o.tell(t.Context(), n); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		came++
		m := s.Await(came, time.Minute)[came-1]
		v := o.compose.view(n, shrinking[0])
		page, err := v.html(o.compose.page)
		if err != nil {
			t.Fatal(err)
		}
		if m.Text != v.text() || m.HTML != page || m.Subject() != o.compose.subject(n) {
			t.Errorf("%s: came as %s\n%s\n%s", name, m.Subject(), m.Text, m.HTML)
		}
		slices.Sort(m.To)
		if want := []string{"oncall@shop.example", "ops@shop.example"}; !slices.Equal(m.To, want) {
			t.Errorf("%s: for %v", name, m.To)
		}
		for h, want := range map[string]string{
			"Return-Path": "<logkeel@shop.example>", "Auto-Submitted": "auto-generated", "List-Id": "logkeel <ops.logkeel.shop.example>",
			"Message-Id": "<" + o.compose.messageID(n) + ">", "References": "<" + o.compose.threadID(n) + ">", "Bcc": "", "To": `"Ops" <ops@shop.example>, <oncall@shop.example>`,
		} {
			if got := m.Header.Get(h); got != want {
				t.Errorf("%s: %s: %s; want %s", name, h, got, want)
			}
		}
		if at, err := mail.ParseDate(m.Header.Get("Date")); err != nil || time.Since(at) > time.Hour {
			t.Errorf("%s: of %v, %v", name, at, err)
		}
	}
}

// TestRealLogin: with each login and kind of TLS, and what is said of wrong ones.
func TestRealLogin(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	log := &logged{}
	came := 0
	for name, tt := range map[string]struct {
		change func(c *Config)
		says   string
	}{
		"plain":    {change: func(c *Config) { c.Auth = "plain" }},
		"login":    {change: func(c *Config) { c.Auth = "login" }},
		"cram-md5": {change: func(c *Config) { c.Auth = "cram-md5" }},
		"tls":      {change: func(c *Config) { c.Server, c.Security = s.TLSAddr, fullTLS }},
		"localhost": {change: func(c *Config) {
			c.Server = strings.Replace(s.Addr, "127.0.0.1", "localhost", 1)
		}},
		"wrong password": {
			change: func(c *Config) { c.Password = conf.NewSecret("wrong-s3cret") },
			says:   "535 Incorrect authentication data; compare username and password with the account's at the server",
		},
		"wrong password, by LOGIN": {
			change: func(c *Config) { c.Auth, c.Password = "login", conf.NewSecret("wrong-s3cret") },
			says:   "535 Incorrect authentication data; compare username and password with the account's at the server",
		},
		"no login": {
			change: func(c *Config) { c.Username, c.Password = "", conf.Secret{} },
			says:   "550 5.7.0 authentication required; the server wants a login: set username and password",
		},
		"a login that is not there": {
			change: func(c *Config) { c.Auth = "scram-sha-256" },
			says:   "the server offers no login that auth allows: it offers PLAIN LOGIN CRAM-MD5; write one of these as auth, or auto",
		},
		"an authority that is not known": {
			change: func(c *Config) { c.TLS = nil },
			says:   "who signed the certificate of 127.0.0.1 is not known here: name the authority's certificate in tls.ca_file",
		},
		"another name": {
			change: func(c *Config) { c.TLS.ServerName = "mx.example" },
			says:   "x509: certificate is valid for localhost, not mx.example; the certificate is not for mx.example: write the name that it is for as server, or as tls.server_name",
		},
		"without TLS": {
			change: func(c *Config) { c.Security, c.TLS = noTLS, nil },
			says:   "the server offers no login; name its port for submission, mostly 587, or leave username and password out",
		},
		"starttls on the port for TLS": {
			change: func(c *Config) { c.Server, c.Timeout = s.TLSAddr, conf.Duration(2*time.Second) },
			says:   "is this the port of a mail server, and security what that port is for (starttls for 587, tls for 465)?",
		},
		"tls on the port for STARTTLS": {
			change: func(c *Config) { c.Security = fullTLS },
			says:   "this port does not begin with TLS: write security: starttls",
		},
	} {
		o := configured(t, realConfig(s, tt.change), log)
		err := o.tell(t.Context(), notice(name, appError("a", "app", 1)))
		switch {
		case tt.says == "" && err == nil:
			came++
		case tt.says == "" || err == nil || !strings.Contains(err.Error(), tt.says):
			t.Errorf("%s: %v; want %s", name, err, tt.says)
		case strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: a secret in %v", name, err)
		}
	}
	if got := s.Await(came, time.Minute); len(got) != came {
		t.Errorf("%d mails came; want %d", len(got), came)
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}

// TestRealRecipients: some are refused or put off, and the others have it.
func TestRealRecipients(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	log := &logged{}
	o := configured(t, realConfig(s, func(c *Config) {
		c.To = conf.Strings{"reject@shop.example", "ops@shop.example", "full@shop.example", "tempfail@shop.example"}
	}), log)
	n := notice("1", appError("a", "app", 1))
	for i := range maxWaits {
		if err := o.tell(t.Context(), n); err == nil || isRefused(err) || !strings.Contains(err.Error(), "some have the mail, others not yet") {
			t.Errorf("try %d: %v", i, err)
		}
	}
	if err := o.tell(t.Context(), n); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"550 5.1.1 no such user", "552 5.2.2 mailbox full", "451 4.7.1 try again later"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, log)
		}
	}
	if got := s.Await(1, time.Minute); len(got) != 1 || !slices.Equal(got[0].To, []string{"ops@shop.example"}) {
		t.Errorf("came: %+v", got)
	}

	o = configured(t, realConfig(s, func(c *Config) { c.To = conf.Strings{"reject@shop.example"} }), log)
	if err := o.tell(t.Context(), n); !isRefused(err) {
		t.Errorf("a recipient that is not there: %v", err)
	}
	o = configured(t, realConfig(s, func(c *Config) { c.To = conf.Strings{"full@shop.example"} }), log)
	if err := o.tell(t.Context(), n); err == nil || isRefused(err) {
		t.Errorf("a mailbox that is full: %v", err)
	}

	s.Stop()
	if err := o.tell(t.Context(), n); err == nil || isRefused(err) || !strings.Contains(err.Error(), "connection refused; compare server with") {
		t.Errorf("a server that is not there: %v", err)
	}
}

// TestRealOutput runs the output as the agent does.
func TestRealOutput(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	log := &logged{}
	c := realConfig(s, func(c *Config) { c.GroupWait = 0 })
	o, err := New(c, t.TempDir(), nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	a := appError("a", "app", 37)
	a.Starts, a.Last, a.Seen = time.Now(), time.Now(), time.Now()
	if err := o.Notify(ctx, []agent.Alert{a}); err != nil {
		t.Error(err)
	}
	if got := s.Await(1, time.Minute)[0]; got.Subject() != "[critical 37x] ApplicationError [shop-app-1]" {
		t.Errorf("came: %s", got.Subject())
	}
	sent := map[string]float64{}
	for range 6000 { // the server delivers before it says so
		o.Meter(func(s agent.Sample) {
			if s.Labels[0] != (agent.Label{Name: "output", Value: "ops"}) {
				t.Errorf("%s has %v", s.Name, s.Labels)
			}
			sent[s.Name] = s.Value
		})
		if sent["logkeel_email_sent_total"] == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if sent["logkeel_email_sent_total"] != 1 {
		t.Errorf("it measures %v", sent)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), s.Password) {
		t.Errorf("a secret is in the log:\n%s", log)
	}
}
