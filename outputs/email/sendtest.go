package email

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"strings"
	"time"
)

// SendTest sends a mail that says that it is a test to all recipients, as the
// output would, but past its queue: that belongs to an agent that may run. It
// reports of each recipient that the server has taken the mail, or why not. An
// error is one that no recipient was the reason for; then none has the mail.
// Config must have passed Check.
func (c *Config) SendTest(ctx context.Context, report func(to string, err error)) error {
	o := &Output{name: c.Name}
	if err := o.configure(c, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	return o.sendTest(ctx, report)
}

func (o *Output) sendTest(ctx context.Context, report func(to string, err error)) error {
	now := time.Now()
	var to []*mail.Address
	for _, in := range o.inboxes {
		to = append(to, in.address)
	}
	data, err := o.compose.write(&letter{
		to:      to,
		id:      strings.ToLower(rand.Text()) + ".test@" + o.compose.domain(),
		subject: headerText(strings.TrimSpace(o.compose.prefix+" [test] this is a test of output "+o.name), maxSubj),
		view:    o.testView(to, now),
	}, now)
	if err != nil {
		return fmt.Errorf("compose the mail: %w", err)
	}
	d, err := o.sender.send(ctx, o.compose.from, to, data)
	if err != nil {
		return err
	}
	said := map[string]error{}
	for _, f := range d.failed {
		said[f.to.Address] = f.err
	}
	for _, a := range to {
		report(a.Address, said[a.Address])
	}
	return nil
}

// testView says what the mail is for, and how it came.
func (o *Output) testView(to []*mail.Address, now time.Time) *view {
	var names []string
	for _, a := range to {
		names = append(names, a.Address)
	}
	s := &o.sender
	login := "none"
	if s.username != "" {
		login = s.username
	}
	v := &view{
		Heading: "test: output " + o.name + " sends mail",
		Badge:   test,
		Intro:   "This is a test. Nothing is wrong: somebody ran logkeel check --send-test. Mails of alerts come as this one did.",
		Foot:    o.compose.foot(nil, shrinking[0]),
	}
	for _, f := range []fact{
		{"Output", o.name},
		{"Sent", o.compose.when(now)},
		{"Server", net.JoinHostPort(s.host, s.port)},
		{"Security", s.security},
		{"Login", login},
		{"From", o.compose.from.Address},
		{"To", strings.Join(names, ", ")},
	} {
		v.Facts = append(v.Facts, fact{f.Name, visible(f.Value, 4000)})
	}
	return v
}
