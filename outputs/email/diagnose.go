package email

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Diagnose goes as far as a server goes without a mail: it connects, logs in, and
// asks whether mail of this sender is taken for each recipient. Then it takes that
// back; nobody gets anything.
func Diagnose(ctx context.Context, c Config, report func(agent.Diagnosis)) {
	o := &Output{name: c.Name}
	if err := o.configure(&c, slog.New(slog.DiscardHandler)); err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	var to []*mail.Address
	for _, in := range o.inboxes {
		to = append(to, in.address)
	}
	begun := time.Now()
	d, at, err := o.sender.ask(ctx, o.compose.from, to)
	if err != nil {
		report(agent.Explained(agent.Failed, causeAt(at, err), "no mail can be sent", err))
		return
	}
	for _, f := range d.failed {
		if f.later { // as servers do that put off whom they do not know
			put := agent.Explained(agent.Warned, "smtp_put_off", f.to.Address+" is put off: mail for it would be tried again", f.err)
			if put.Do == "" {
				put.Do = "ask once more in some minutes; if it stays so the server's log says why"
			}
			report(put)
			continue
		}
		cause := "smtp_recipient_refused"
		if strings.Contains(strings.ToLower(f.err.Error()), "relay") {
			cause = "smtp_relay_denied"
		}
		report(agent.Explained(agent.Failed, cause, f.to.Address+" would get no mail", f.err))
	}
	if len(d.taken) > 0 {
		report(agent.Diagnosis{What: net.JoinHostPort(o.sender.host, o.sender.port) + " takes mail for " + agent.Count(len(d.taken), "recipient") + ", in " + time.Since(begun).Round(time.Millisecond).String() + "; none was sent"})
	}
}

// ask is send without a mail. at is how far it came.
func (s *sender) ask(ctx context.Context, from *mail.Address, to []*mail.Address) (d delivery, at step, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	fail := func(err error) (delivery, step, error) {
		says := s.explain(ctx, at, err)
		if errors.Is(err, errNoStartTLS) {
			at = stepStartTLS // that it is not there is said by the greeting
		}
		return delivery{}, at, says
	}
	conn, err := s.dial(ctx, "tcp", net.JoinHostPort(s.host, s.port))
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, err := s.open(ctx, &boundedConn{Conn: conn, left: maxReplies}, &at)
	if err != nil {
		return fail(err)
	}
	if d, err = s.envelope(ctx, c, from, to, &at); err != nil {
		return fail(err)
	}
	if err := c.Reset(); err != nil {
		return fail(err)
	}
	s.quit(conn, c)
	return d, at, nil
}

// causeAt is one word for scripts.
func causeAt(at step, err error) string {
	switch at {
	case stepConnect:
		return "smtp_no_connection"
	case stepTLS:
		return "smtp_tls"
	case stepStartTLS:
		if strings.Contains(err.Error(), errNoStartTLS.Error()) {
			return "smtp_no_starttls"
		}
		return "smtp_tls"
	case stepAuth:
		return "smtp_login"
	case stepMail:
		return "smtp_sender_refused"
	case stepRcpt:
		return "smtp_recipient_refused"
	}
	return "smtp_no_server"
}
