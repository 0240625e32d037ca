package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/textproto"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// maxReplies bounds what is read of a server, in bytes: TLS and replies of a
// mail are a few thousand.
const maxReplies = 1 << 20

// A sender brings a mail to the server, with a connection for each.
type sender struct {
	host, port string
	security   string
	tls        *tls.Config
	auth       string
	username   string
	password   string
	helo       string
	timeout    time.Duration
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
}

// A delivery is what the server said of a mail's recipients.
type delivery struct {
	taken  []*mail.Address // it has the mail, for these
	failed []rcptError     // it does not want it for these
}

type rcptError struct {
	to    *mail.Address
	err   error
	final bool // another try would end the same
	later bool // the server says itself that another try may not
}

// send gives the mail to the server. The error is nil when the server took it
// for someone; where it took it for nobody, all are in failed.
func (s *sender) send(ctx context.Context, from *mail.Address, to []*mail.Address, data []byte) (d delivery, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	at := stepConnect
	defer func() { err = s.explain(ctx, at, err) }()
	conn, err := s.dial(ctx, "tcp", net.JoinHostPort(s.host, s.port))
	if err != nil {
		return d, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, err := s.open(ctx, &boundedConn{Conn: conn, left: maxReplies}, &at)
	if err != nil {
		return d, err
	}
	if d, err = s.envelope(ctx, c, from, to, &at); err != nil {
		return delivery{}, err
	}
	if len(d.taken) == 0 {
		s.quit(conn, c)
		return d, nil
	}
	if err := s.data(c, data, &at); err != nil {
		return delivery{}, err
	}
	s.quit(conn, c)
	return d, nil
}

// envelope says who the mail is from, and asks for each recipient whether it is taken.
func (s *sender) envelope(ctx context.Context, c *smtp.Client, from *mail.Address, to []*mail.Address, at *step) (d delivery, err error) {
	*at = stepMail
	if err := c.Mail("<" + from.Address + ">"); err != nil {
		return d, err
	}
	*at = stepRcpt
	for _, a := range to {
		err := c.Rcpt("<" + a.Address + ">")
		var reply *textproto.Error
		switch {
		case err == nil:
			d.taken = append(d.taken, a)
		case errors.As(err, &reply) && reply.Code != 421:
			d.failed = append(d.failed, rcptError{to: a, err: s.explain(ctx, *at, err), final: final(reply), later: reply.Code/100 == 4})
		default:
			return delivery{}, err
		}
	}
	return d, nil
}

// open goes as far as a session in which mail can be sent.
func (s *sender) open(ctx context.Context, conn net.Conn, at *step) (*smtp.Client, error) {
	remote := conn.RemoteAddr()
	if s.security == fullTLS {
		*at = stepTLS
		secure := tls.Client(conn, s.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secure
	}
	*at = stepGreeting
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return nil, err
	}
	c.SkipSMTPUTF8(true) // addresses and headers are ASCII
	*at = stepHello
	if err := c.Hello(s.helo); err != nil {
		return nil, err
	}
	if s.security == startTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return nil, errNoStartTLS
		}
		*at = stepStartTLS
		if err := c.StartTLS(s.tls); err != nil {
			return nil, err
		}
	}
	if s.username == "" {
		return c, nil
	}
	*at = stepAuth
	return c, s.login(c, remote)
}

func (s *sender) login(c *smtp.Client, remote net.Addr) error {
	var state *tls.ConnectionState
	if st, ok := c.TLSConnectionState(); ok && st.HandshakeComplete {
		state = &st
	}
	// The configuration was checked by the server's name, which may mean
	// another machine.
	if ip, ok := remote.(*net.TCPAddr); state == nil && (!ok || !ip.IP.IsLoopback()) {
		return errOpenPassword
	}
	ok, offered := c.Extension("AUTH")
	if !ok {
		return errNoAuth
	}
	m := mechanism(s.auth, offered, state != nil)
	if m == "" {
		return fmt.Errorf("%w: it offers %s", errNoMechanism, offered)
	}
	return c.Auth(authFor(m, s.host, s.username, s.password, state))
}

func (s *sender) data(c *smtp.Client, data []byte, at *step) error {
	*at = stepData
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	*at = stepDot
	return w.Close()
}

// quit is polite. What it comes to does not matter any more.
func (s *sender) quit(conn net.Conn, c *smtp.Client) {
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_ = c.Quit()
}

// A boundedConn is read up to some length only: a server that talks without
// end would fill the memory.
type boundedConn struct {
	net.Conn
	left int
}

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTalkative
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	if err == io.EOF && n == 0 {
		err = errHungUp
	}
	return n, err
}
