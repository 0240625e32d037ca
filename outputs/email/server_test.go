package email

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/mail"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A fakeServer is a mail server that a test decides for. Hooks that are nil
// say yes.
type fakeServer struct {
	cert     *tls.Certificate // nil: it has no TLS
	fullTLS  bool
	noAuth   bool
	password string

	mail func(from string) error
	rcpt func(to string) error
	data func(mail []byte) error

	mu    sync.Mutex
	mails []received
	asked []string // recipients, also those refused
}

type received struct {
	from string
	to   []string
	data []byte
}

func (f *fakeServer) received() []received {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mails
}

// A fakeSession is one connection to a fakeServer.
type fakeSession struct {
	f *fakeServer
	m received
}

func (s *fakeSession) Reset()        { s.m = received{} }
func (s *fakeSession) Logout() error { return nil }

func (s *fakeSession) Mail(from string, _ *smtp.MailOptions) error {
	s.m.from = from
	if s.f.mail != nil {
		return s.f.mail(from)
	}
	return nil
}

func (s *fakeSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.f.mu.Lock()
	s.f.asked = append(s.f.asked, to)
	s.f.mu.Unlock()
	if s.f.rcpt != nil {
		if err := s.f.rcpt(to); err != nil {
			return err
		}
	}
	s.m.to = append(s.m.to, to)
	return nil
}

func (s *fakeSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.f.data != nil {
		if err := s.f.data(b); err != nil {
			return err
		}
	}
	s.m.data = b
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	s.f.mails = append(s.f.mails, s.m)
	return nil
}

func (s *fakeSession) AuthMechanisms() []string {
	if s.f.noAuth {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *fakeSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "agent" || password != s.f.password {
			return reply(535, 5, 7, 8, "no such login: "+user+" "+password) // as if it were a friend
		}
		return nil
	}), nil
}

func reply(code, a, b, c int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{a, b, c}, Message: text}
}

// pipes is a listener in memory, so that time can be a bubble's.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 587} }

// dial connects as from this machine, or as from another one.
func (p *pipes) dial(remote net.IP) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := newConn()
		select {
		case p.conns <- far:
			return pipeEnd{near, remote}, nil
		case <-p.done:
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: net.UnknownNetworkError("nobody listens")}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// newConn is net.Pipe with what a socket has: room for some writes that nobody
// has read yet.
func newConn() (near, far net.Conn) {
	near, a := net.Pipe()
	b, far := net.Pipe()
	carry := func(to, from net.Conn) {
		room := make(chan []byte, 8)
		go func() {
			defer to.Close()
			for p := range room {
				_, _ = to.Write(p)
			}
		}()
		defer close(room)
		for {
			p := make([]byte, 16<<10)
			n, err := from.Read(p)
			if n > 0 {
				room <- p[:n]
			}
			if err != nil {
				return
			}
		}
	}
	go carry(a, b)
	go carry(b, a)
	return near, far
}

type pipeEnd struct {
	net.Conn
	remote net.IP
}

func (p pipeEnd) RemoteAddr() net.Addr { return &net.TCPAddr{IP: p.remote, Port: 587} }

// serve runs the server until the function that it returns is called.
func (f *fakeServer) serve() (*pipes, func()) {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &fakeSession{f: f}, nil }))
	s.Domain, s.AllowInsecureAuth = "mx.test", true
	s.ErrorLog = log.New(io.Discard, "", 0)
	p := newPipes()
	var l net.Listener = p
	if f.cert != nil {
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*f.cert}}
		if f.fullTLS {
			l = tls.NewListener(p, s.TLSConfig)
			s.TLSConfig = nil
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	return p, func() {
		_ = s.Close()
		p.Close()
		wg.Wait()
		time.Sleep(5 * time.Minute) // of a bubble: until sessions that hang have ended
	}
}

// A script is a server that is nothing of the kind: it does what it likes with
// each connection, and hangs up.
func script(serve func(r *bufio.Reader, c net.Conn)) (*pipes, func()) {
	p := newPipes()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := p.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(bufio.NewReader(c), c)
			})
		}
	})
	return p, func() {
		p.Close()
		wg.Wait()
	}
}

// say answers line by line.
func say(replies ...string) func(r *bufio.Reader, c net.Conn) {
	return func(r *bufio.Reader, c net.Conn) {
		for i, text := range replies {
			if i > 0 {
				if _, err := r.ReadString('\n'); err != nil {
					return
				}
			}
			if _, err := io.WriteString(c, text+"\r\n"); err != nil {
				return
			}
		}
		_, _ = r.ReadString('\n')
	}
}

// certify makes an authority's certificate for the name, that signs itself.
func certify(t testing.TB, name string, notAfter time.Time) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: notAfter, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

var forever = time.Unix(1<<33, 0)

func addresses(list ...string) []*mail.Address {
	var all []*mail.Address
	for _, a := range list {
		all = append(all, &mail.Address{Address: a})
	}
	return all
}
