package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// A step is how far a try came.
type step int

const (
	stepConnect step = iota
	stepTLS
	stepGreeting
	stepHello
	stepStartTLS
	stepAuth
	stepMail
	stepRcpt
	stepData
	stepDot
)

var (
	errNoStartTLS   = errors.New("the server offers no STARTTLS")
	errNoAuth       = errors.New("the server offers no login")
	errNoMechanism  = errors.New("the server offers no login that auth allows")
	errOpenPassword = errors.New("the connection is not encrypted and leaves this machine: the password is not sent")
	errTalkative    = errors.New("the server talks without end; that is no mail server")
	errHungUp       = errors.New("the server closed the connection")
)

// A finalError is of a server that will not take this mail, however often it is
// tried.
type finalError struct{ error }

// explain makes of an error one that says where it happened and what to do, a
// finalError where the mail itself was refused.
func (s *sender) explain(ctx context.Context, at step, err error) error {
	if err == nil {
		return nil
	}
	var reply *textproto.Error
	isReply := errors.As(err, &reply)
	if !isReply && ctx.Err() != nil {
		if ctx.Err() == context.Canceled {
			return context.Cause(ctx)
		}
		err = fmt.Errorf("no answer within %s", s.timeout)
	}
	text := err.Error()
	if isReply {
		text = fmt.Sprintf("%d %s", reply.Code, reply.Msg)
	}
	says := s.where(at) + ": " + s.clean(text)
	if hint := s.hint(at, err, reply); hint != "" {
		says += "; " + hint
	}
	e := errors.New(says)
	if isReply && final(reply) && (at == stepMail || at == stepData || at == stepDot) {
		return finalError{e}
	}
	return e
}

// where is what was tried.
func (s *sender) where(at step) string {
	server := net.JoinHostPort(s.host, s.port)
	switch at {
	case stepConnect:
		return "connect to " + server
	case stepTLS, stepStartTLS:
		return "secure the connection to " + server
	case stepGreeting, stepHello:
		return "greet " + server
	case stepAuth:
		return fmt.Sprintf("log in to %s as %q", server, s.username)
	case stepMail:
		return "sender at " + server
	case stepRcpt:
		return "recipient at " + server
	case stepDot:
		return "mail at " + server + ", sent whole"
	}
	return "mail at " + server
}

// hint is what to do about it.
func (s *sender) hint(at step, err error, reply *textproto.Error) string {
	if reply != nil {
		return s.hintForReply(at, reply)
	}
	if at == stepTLS || at == stepStartTLS {
		return s.hintForTLS(err)
	}
	switch {
	case errors.Is(err, errNoStartTLS):
		return "name its port that does, mostly 587, or write security: tls where it is the port for TLS from the start; without TLS nothing is sent unless security: none says so"
	case errors.Is(err, errNoAuth):
		return "name its port for submission, mostly 587, or leave username and password out"
	case errors.Is(err, errNoMechanism):
		return "write one of these as auth, or auto"
	case errors.Is(err, errOpenPassword):
		return "write security: starttls or tls"
	case at == stepConnect:
		return "compare server with the mail server's own settings: can this host reach it, and is the port right?"
	case at == stepGreeting || at == stepHello:
		return "is this the port of a mail server, and security what that port is for (starttls for 587, tls for 465)?"
	case at == stepDot:
		return "whether the server has it is not known; it is sent again with the same Message-ID"
	}
	return ""
}

func (s *sender) hintForReply(at step, reply *textproto.Error) string {
	switch {
	case at == stepAuth && reply.Code == 534:
		return "the server wants another login: a password for applications, or another auth"
	case at == stepAuth && reply.Code/100 == 5:
		return "compare username and password with the account's at the server"
	case reply.Code == 530 || s.username == "" && reply.Code/100 == 5 && (at == stepMail || at == stepRcpt) && authWanted.MatchString(reply.Msg):
		return "the server wants a login: set username and password"
	case at == stepStartTLS:
		return "its TLS is out of order; look into the server's log"
	case at == stepMail && reply.Code/100 == 5:
		return "does the server let this login send as from?"
	case reply.Code/100 == 5 && full(reply):
		return "the mailbox is full: make room in it"
	case at == stepRcpt && reply.Code/100 == 5:
		return "is the address right, and may mail be sent to it from here?"
	case reply.Code/100 == 5:
		return "the server's log says why"
	}
	return ""
}

func (s *sender) hintForTLS(err error) string {
	name := s.tls.ServerName
	var (
		other    x509.HostnameError
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		noRecord tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &other):
		return fmt.Sprintf("the certificate is not for %s: write the name that it is for as server, or as tls.server_name", name)
	case errors.As(err, &unknown):
		return fmt.Sprintf("who signed the certificate of %s is not known here: name the authority's certificate in tls.ca_file", name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("renew the certificate of %s, or put this host's clock right", name)
	case errors.As(err, &noRecord):
		return "this port does not begin with TLS: write security: starttls"
	}
	return "is TLS on at the server, and is its certificate in order?"
}

var (
	authWanted  = conf.NewForm(`(?i)authenticat|\b5\.7\.0\b|relay`)
	fullMailbox = conf.NewForm(`\b5\.2\.2\b`)
	tooLarge    = conf.NewForm(`\b5\.(2\.3|3\.4)\b`)
)

// full reports whether there is no room now, whatever the code's first digit.
func full(reply *textproto.Error) bool {
	return fullMailbox.MatchString(reply.Msg) || (reply.Code == 552 || reply.Code == 452) && !tooLarge.MatchString(reply.Msg)
}

// final reports whether the server would say the same of this mail again,
// unless somebody changed something there.
func final(reply *textproto.Error) bool {
	switch reply.Code {
	case 530, 534, 535, 538: // a login is missing: that is for the configuration
		return false
	}
	return reply.Code/100 == 5 && !full(reply)
}

// clean is text on one line, without what a server may have repeated of the
// password.
func (s *sender) clean(text string) string {
	if s.password != "" {
		b64 := base64.StdEncoding.EncodeToString
		quoted := strconv.Quote(s.password)
		for _, secret := range []string{
			b64([]byte("\x00" + s.username + "\x00" + s.password)), b64([]byte(s.password)), s.password, quoted[1 : len(quoted)-1],
		} {
			text = strings.ReplaceAll(text, secret, "<secret>")
		}
	}
	return oneLine(text, 300)
}
