package demo

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	mailUser = "logkeel"
	maxMail  = 1 << 20 // bytes
	maxParts = 8       // of a mail, parts in parts included
)

// A letter is a mail as its reader sees it.
type letter struct {
	from, to, subject string
	text              string // the text/plain part, decoded
}

// A mailbox stands in for a mail server: STARTTLS with a certificate of its
// own, then a password, then it hands each mail over.
type mailbox struct {
	addr        string
	password    string
	certificate []byte // PEM: who trusts it trusts the server
	took        func(letter)

	srv  *smtp.Server
	done chan struct{}
}

func newMailbox(took func(letter)) (*mailbox, error) {
	pair, pemCert, err := throwAwayCertificate()
	if err != nil {
		return nil, fmt.Errorf("the stand-in for the mail server: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the stand-in for the mail server: %w", err)
	}
	secret := make([]byte, 12)
	rand.Read(secret)
	m := &mailbox{
		addr: ln.Addr().String(), password: hex.EncodeToString(secret), certificate: pemCert,
		took: took, done: make(chan struct{}),
	}
	m.srv = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{m: m}, nil }))
	m.srv.Domain = "localhost"
	m.srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	m.srv.MaxMessageBytes, m.srv.MaxRecipients = maxMail, 10
	m.srv.ReadTimeout, m.srv.WriteTimeout = time.Minute, 10*time.Second
	m.srv.ErrorLog = log.New(io.Discard, "", 0)
	go func() {
		defer close(m.done)
		m.srv.Serve(ln)
	}()
	return m, nil
}

func (m *mailbox) close() {
	m.srv.Close()
	<-m.done
}

// throwAwayCertificate is good for this machine only.
func throwAwayCertificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "logkeel demo"},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

// A session is one connection of a sender.
type session struct {
	m        *mailbox
	known    bool
	from, to string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != mailUser || subtle.ConstantTimeCompare([]byte(password), []byte(s.m.password)) != 1 {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l, err := readLetter(b)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "This is no mail: " + err.Error()}
	}
	l.from, l.to = s.from, s.to
	s.m.took(l)
	return nil
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }

// readLetter takes a mail apart.
func readLetter(b []byte) (l letter, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		return l, err
	}
	words := mime.WordDecoder{}
	if l.subject, err = words.DecodeHeader(m.Header.Get("Subject")); err != nil {
		l.subject = m.Header.Get("Subject")
	}
	parts := maxParts
	l.text, err = plainText(m.Header.Get, m.Body, &parts)
	return l, err
}

// plainText finds and decodes the text/plain part; "" where there is none.
func plainText(header func(string) string, body io.Reader, left *int) (string, error) {
	if *left--; *left < 0 {
		return "", errors.New("it has too many parts")
	}
	kind, param, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") {
		all := multipart.NewReader(body, param["boundary"])
		for {
			// The raw one, for NextPart decodes quoted-printable by itself.
			p, err := all.NextRawPart()
			if err == io.EOF {
				return "", nil
			}
			if err != nil {
				return "", err
			}
			if text, err := plainText(p.Header.Get, p, left); text != "" || err != nil {
				return text, err
			}
		}
	}
	if kind != "text/plain" {
		return "", nil
	}
	switch strings.ToLower(header("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	b, err := io.ReadAll(body)
	return strings.ReplaceAll(string(b), "\r\n", "\n"), err
}
