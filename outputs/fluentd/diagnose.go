package fluentd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
)

// doctorTag is that of the message without records that a diagnosis sends.
const doctorTag = "logkeel.doctor"

// Diagnose connects to each server as the output would, and lets it acknowledge a
// message without records.
func Diagnose(ctx context.Context, c Config, report func(agent.Diagnosis)) {
	for _, sc := range c.servers() {
		s, err := newServer(&c, sc, slog.New(slog.DiscardHandler))
		if err != nil {
			report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
			continue
		}
		report(s.diagnose(ctx, &c))
	}
	if !c.Ack {
		report(agent.Diagnosis{Health: agent.Known, Cause: "fluentd_ack_off", What: "ack is false: nobody knows what arrives", Do: "write ack: true where the server acknowledges; Fluentd and Fluent Bit do"})
	}
}

func (s *server) diagnose(ctx context.Context, c *Config) agent.Diagnosis {
	begun := time.Now()
	dial := new(net.Dialer).DialContext
	conn, r, err := s.connect(ctx, time.Duration(c.ConnectTimeout), dial)
	if err != nil {
		return s.unconnected(ctx, c, err)
	}
	defer conn.Close()
	d := agent.Diagnosis{What: s.Address + " takes the connection"}
	if c.Ack {
		if err := s.acknowledges(ctx, conn, r, time.Duration(c.AckTimeout)); err != nil {
			return s.unacknowledged(ctx, c, err)
		}
		d.What = s.Address + " acknowledges, in " + time.Since(begun).Round(100*time.Microsecond).String()
	}
	return d
}

// acknowledges sends a message of no records, and waits for its acknowledgement.
func (s *server) acknowledges(ctx context.Context, conn net.Conn, r *msgp.Reader, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	if end, ok := ctx.Deadline(); ok && end.Add(-time.Second).Before(deadline) {
		deadline = end.Add(-time.Second) // there has to be time to say it
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	id := forward.NewChunkID()
	b := forward.AppendPacked(nil, doctorTag)
	if _, err := conn.Write(forward.FinishPacked(b, len(b), 0, id[:])); err != nil {
		return err
	}
	for {
		got, err := forward.ReadAck(r)
		if err != nil || got == string(id[:]) {
			return err
		}
	}
}

const (
	tlsAsThere = "set tls as the server has it: ca_file with the authority of its certificate (for a server without TLS leave the section out)"
	keyAsThere = "compare shared_key with the server's (<security> shared_key in Fluentd, Shared_Key in Fluent Bit), and self_hostname, username and password where there are any"
)

// unconnected says why there is no connection.
func (s *server) unconnected(ctx context.Context, c *Config, err error) agent.Diagnosis {
	d := agent.Diagnosis{Health: agent.Failed, Cause: "fluentd_no_connection", What: s.Address + " cannot be used", Why: err.Error()}
	var (
		unknown x509.UnknownAuthorityError
		other   x509.HostnameError
		invalid x509.CertificateInvalidError
		op      *net.OpError
	)
	late := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
	switch text := err.Error(); {
	case errors.Is(err, forward.ErrRefused), strings.Contains(text, "does not know the shared_key"):
		d.Cause, d.Do = "fluentd_shared_key", keyAsThere
	case errors.As(err, &unknown), errors.As(err, &invalid):
		d.Cause, d.Do = "fluentd_certificate", "name the authority that signed the server's certificate in tls.ca_file, and compare both clocks"
	case errors.As(err, &other):
		d.Cause, d.Do = "fluentd_certificate", "write the name that the certificate is for as tls.server_name"
	case strings.HasPrefix(text, "secure the connection"):
		d.Cause, d.Do = "fluentd_tls", "the server does not begin TLS there: leave tls out, or name the port that has it"
		if strings.Contains(text, "certificate required") || strings.Contains(text, "bad certificate") {
			d.Do = "the server wants a certificate of the agent: set tls.cert_file and tls.key_file"
		}
	case strings.HasPrefix(text, "handshake"):
		d.Cause, d.Do = "fluentd_shared_key", "the server shakes no hands: leave shared_key out, or set it there as well"
		if s.speaksTLS(ctx, c) {
			d.Cause, d.Do = "fluentd_tls", tlsAsThere
		}
	case errors.As(err, &op) && op.Op == "dial" && !late:
		d.Cause, d.Do = "fluentd_not_listening", "is it started, and does it listen on that address, not only on its own 127.0.0.1? In Compose its name is that of its service. Until then lines wait in the spool"
	case late:
		d.Cause, d.Do = "fluentd_not_listening", "nothing answers: look at firewalls and routes between here and there"
	}
	return d
}

// unacknowledged says why what was sent is not acknowledged.
func (s *server) unacknowledged(ctx context.Context, c *Config, err error) agent.Diagnosis {
	d := agent.Diagnosis{
		Health: agent.Failed, Cause: "fluentd_no_ack", What: s.Address + " takes the connection and acknowledges nothing", Why: err.Error() + ", so that lines stay in the spool until it is full",
		Do: "is that the port of a Forward server (<source> @type forward; Fluent Bit's input forward)? Others take what is sent and say nothing. If it is one look at its log and load; with ack: false nobody would know what arrives",
	}
	switch {
	case strings.Contains(err.Error(), "wants a handshake"):
		d.Cause, d.What, d.Do = "fluentd_shared_key", s.Address+" takes nothing without a shared key", "set shared_key to that of the server"
		d.Why = "the server asks for it"
	case s.speaksTLS(ctx, c):
		d.Cause, d.What, d.Do = "fluentd_tls", s.Address+" speaks TLS, and tls is not set", tlsAsThere
		d.Why = "what is sent without it is not understood"
	case errors.Is(err, io.EOF):
		d.Why = "it closes the connection when something is sent, so that lines stay in the spool until it is full"
	case errors.Is(err, os.ErrDeadlineExceeded):
		d.Why = "no acknowledgement within ack_timeout (" + c.AckTimeout.String() + "), so that lines stay in the spool until it is full"
	}
	return d
}

// speaksTLS tries whether a server that is talked to in the clear begins TLS. Nothing
// is sent to it, so that its certificate does not matter.
func (s *server) speaksTLS(ctx context.Context, c *Config) bool {
	if s.tls != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, min(time.Duration(c.ConnectTimeout), 3*time.Second))
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, s.network, s.dial)
	if err != nil {
		return false
	}
	defer conn.Close()
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) == nil
}
