package testenv

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/smtp"
	"os"
	"strings"
	"testing"
)

func TestSMTP(t *testing.T) {
	t.Parallel()
	s := SMTP(t)
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	secure := &tls.Config{ServerName: "127.0.0.1", RootCAs: roots}
	connect := func(direct bool, a smtp.Auth) *smtp.Client {
		t.Helper()
		var conn net.Conn
		var err error
		if direct {
			conn, err = tls.Dial("tcp", s.TLSAddr, secure)
		} else {
			conn, err = net.Dial("tcp", s.Addr)
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := smtp.NewClient(conn, "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := c.Extension("AUTH"); ok != direct {
			t.Errorf("a login is offered: %v; with TLS: %v", ok, direct)
		}
		if !direct {
			if err := c.StartTLS(secure); err != nil {
				t.Fatalf("%v\n%s", err, s.Log())
			}
		}
		if a != nil {
			if err := c.Auth(a); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Mail("from@shop.example"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := connect(false, nil)
	if err := c.Rcpt("a@shop.example"); err == nil || !strings.HasPrefix(err.Error(), "550") {
		t.Errorf("without a login: %v", err)
	}
	_ = c.Quit()

	send := func(direct bool, a smtp.Auth, body string) {
		t.Helper()
		c := connect(direct, a)
		defer c.Quit()
		for to, want := range map[string]string{"reject@x.example": "550", "full@x.example": "552", "tempfail@x.example": "451"} {
			if err := c.Rcpt(to); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %v", to, err)
			}
		}
		if err := c.Rcpt("a@shop.example"); err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain\r\n\r\n" + body + "\r\n")); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	send(false, smtp.PlainAuth("", s.Username, s.Password, "127.0.0.1"), "one")
	s.Await(1, patience)
	s.Stop()
	if answers(s.Addr) == nil {
		t.Error("it answers while it is stopped")
	}
	s.Start()
	send(true, smtp.CRAMMD5Auth(s.Username, s.Password), "two")
	got := s.Await(2, patience)
	texts := got[0].Text + got[1].Text
	if texts != "one\ntwo\n" && texts != "two\none\n" || got[0].Subject() != "grüße" || got[0].To[0] != "a@shop.example" {
		t.Errorf("it has %+v, %+v", got[0], got[1])
	}
}
