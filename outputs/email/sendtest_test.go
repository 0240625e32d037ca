package email

import (
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
)

// reports gathers what a test mail came to, a line for each recipient.
func reports(send func(report func(string, error)) error) string {
	var b strings.Builder
	err := send(func(to string, err error) {
		b.WriteString(to)
		if err != nil {
			b.WriteString(": " + err.Error())
		}
		b.WriteByte('\n')
	})
	if err != nil {
		b.WriteString("error: " + err.Error() + "\n")
	}
	return b.String()
}

func TestSendTest(t *testing.T) {
	var rcpt, data, sender error
	f := &fakeServer{password: password, mail: func(string) error { return sender }, data: func([]byte) error { return data }}
	f.rcpt = func(to string) error {
		if to[0] == 'b' {
			return rcpt
		}
		return nil
	}
	withOutput(t, f, func(t *testing.T, o *Output, log *logged) {
		send := func() string {
			return reports(func(report func(string, error)) error { return o.sendTest(t.Context(), report) })
		}
		for _, tt := range []struct {
			rcpt, data, sender error
			want               string
		}{
			{want: "a@shop.example\nb@shop.example\n"},
			{
				rcpt: reply(550, 5, 1, 1, "no such user"),
				want: "a@shop.example\nb@shop.example: recipient at 127.0.0.1:587: 550 5.1.1 no such user; is the address right, and may mail be sent to it from here?\n",
			},
			{rcpt: reply(451, 4, 7, 1, "greylisted"), want: "a@shop.example\nb@shop.example: recipient at 127.0.0.1:587: 451 4.7.1 greylisted\n"},
			{data: reply(554, 5, 7, 1, "spam"), want: "error: mail at 127.0.0.1:587, sent whole: 554 5.7.1 spam; the server's log says why\n"},
			{sender: reply(553, 5, 7, 1, "not yours"), want: "error: sender at 127.0.0.1:587: 553 5.7.1 not yours; does the server let this login send as from?\n"},
		} {
			rcpt, data, sender = tt.rcpt, tt.data, tt.sender
			if got := send(); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		}
		got := f.received()
		if len(got) != 3 || len(got[0].to) != 2 || len(got[1].to) != 1 {
			t.Fatalf("arrived: %+v", got)
		}
		p := parse(t, got[0].data)
		inert(t, "test", p)
		if p.subject != "[test] this is a test of output ops" || !strings.Contains(p.text, "This is a test. Nothing is wrong") || !strings.Contains(p.html, "This is a test. Nothing is wrong") {
			t.Errorf("it says %s\n%s\n%s", p.subject, p.text, p.html)
		}
		if p.header.Get("References")+p.header.Get("In-Reply-To") != "" || p.header.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("its headers are %v", p.header)
		}
		if strings.Contains(string(got[0].data), password) {
			t.Error("the password is in it")
		}
		if a, b := p.header.Get("Message-Id"), parse(t, got[1].data).header.Get("Message-Id"); a == b {
			t.Errorf("two tests have the same Message-ID %s", a)
		}
		o.sender.password = "wrong"
		if got := send(); !strings.Contains(got, "error: log in to 127.0.0.1:587") || strings.Contains(got, "@shop.example") {
			t.Error(got)
		}
	})
}

// TestRealSendTest: with a real server, and without any file of the output's.
func TestRealSendTest(t *testing.T) {
	t.Parallel()
	s := testenv.SMTP(t)
	c := realConfig(s, func(c *Config) {
		c.To = conf.Strings{"ops@shop.example", "reject@shop.example", "full@shop.example", "tempfail@shop.example"}
	})
	send := func() string {
		return reports(func(report func(string, error)) error { return c.SendTest(t.Context(), report) })
	}
	got := send()
	for i, want := range []string{"ops@shop.example", "reject@shop.example: recipient at ", "full@shop.example: recipient at ", "tempfail@shop.example: recipient at "} {
		if line := strings.Split(got, "\n")[i]; !strings.HasPrefix(line, want) || i == 0 && line != want {
			t.Errorf("it reports %s; want %s", line, want)
		}
	}
	for _, want := range []string{"550 5.1.1 no such user", "552 5.2.2 mailbox full", "451 4.7.1 try again later"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
	if m := s.Await(1, time.Minute); len(m) != 1 || m[0].Subject() != "[test] this is a test of output ops" {
		t.Errorf("came: %+v", m)
	}
	c.Password = conf.NewSecret("wrong-s3cret")
	if got := send(); !strings.HasPrefix(got, "error: log in to ") || !strings.Contains(got, "compare username and password") || strings.Contains(got, "s3cret") {
		t.Error(got)
	}
	c.TLS.CAFile = "/nowhere.pem"
	if got := send(); !strings.HasPrefix(got, "error: tls: ") {
		t.Error(got)
	}
}
