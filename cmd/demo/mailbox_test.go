package demo

import (
	"crypto/tls"
	"crypto/x509"
	"net/smtp"
	"strings"
	"testing"
)

const letterText = "From: a@b.example\r\nTo: c@d.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n" +
	"--y\r\nContent-Type: text/html\r\n\r\n<p>no</p>\r\n" +
	"--y\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"caf=C3=A9 and a long =\r\nline\r\nend\r\n--y--\r\n--x--\r\n"

// A mail comes in only after STARTTLS, with the certificate that was written
// down, and with the password.
func TestMailbox(t *testing.T) {
	var letters []letter
	m, err := newMailbox(func(l letter) { letters = append(letters, l) })
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(m.certificate)
	send := func(secure bool, password string) error {
		c, err := smtp.Dial(m.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if secure {
			if err := c.StartTLS(&tls.Config{ServerName: "127.0.0.1", RootCAs: roots}); err != nil {
				t.Fatal(err)
			}
		}
		if password != "" {
			if err := c.Auth(smtp.PlainAuth("", mailUser, password, "127.0.0.1")); err != nil {
				return err
			}
		}
		if err := c.Mail("a@b.example"); err != nil {
			return err
		}
		if err := c.Rcpt("c@d.example"); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		w.Write([]byte(letterText))
		return w.Close()
	}
	for _, c := range []struct {
		secure   bool
		password string
	}{{false, ""}, {true, ""}, {true, "wrong"}, {false, m.password}} {
		if err := send(c.secure, c.password); err == nil {
			t.Errorf("it takes a mail with %+v", c)
		}
	}
	if err := send(true, m.password); err != nil {
		t.Error(err)
	}
	want := letter{from: "a@b.example", to: "c@d.example", subject: "Grüße", text: "café and a long line\nend"}
	if len(letters) != 1 || letters[0] != want {
		t.Errorf("got %q", letters)
	}
}

func TestReadLetter(t *testing.T) {
	for _, c := range []struct{ in, subject, text string }{
		{"Subject: x\r\n\r\nplain\r\n", "x", "plain\n"},
		{"Subject: x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n", "x", "hello"},
		{"Subject: x\r\nContent-Type: text/html\r\n\r\n<p>\r\n", "x", ""},
		{"Subject: =?nonsense?=\r\n\r\n", "=?nonsense?=", ""},
	} {
		l, err := readLetter([]byte(c.in))
		if err != nil || l.subject != c.subject || l.text != c.text {
			t.Errorf("%q: %q, %v", c.in, l, err)
		}
	}
	nested := "Subject: x\r\n" + strings.Repeat("Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n", 50)
	if _, err := readLetter([]byte(nested)); err == nil {
		t.Error("parts in parts without end are taken")
	}
}

func FuzzLetter(f *testing.F) {
	f.Add([]byte(letterText))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := readLetter(b); err == nil && len(l.text) > len(b) {
			t.Errorf("%d bytes of %d", len(l.text), len(b))
		}
	})
}
