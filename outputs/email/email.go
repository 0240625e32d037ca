// Package email tells people of alerts by mail: one mail a notice, through one
// server, and what could not be sent waits on the disk.
package email

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/agent/silence"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// maxWaits is how often a mail is tried again for those recipients whom the
// server puts off, while others have it: for some minutes, which is what servers
// want that put off everybody at first.
const maxWaits = 6

// An Output sends mail through one server to one list of recipients.
type Output struct {
	name    string
	queue   *notify.Queue
	compose composer
	sender  sender
	inboxes []*inbox   // of all who may be told
	own     []*inbox   // of those who are where no route says otherwise
	routes  [][]*inbox // of the routes, in their order
	report  *reporter  // nil: there is none

	refused atomic.Uint64
	sent    atomic.Uint64

	current string   // Message-ID of the mail that is on its way; of Run, as the next
	to      []*inbox // whom it is for
	waits   int      // how often it was put off for some
}

// An inbox is one recipient. It belongs to Run.
type inbox struct {
	address *mail.Address
	trouble *agent.Trouble
	done    bool  // with the current mail: it has it, or will not
	has     bool  // it has it
	err     error // why it has not
	lags    bool  // it was waited for in vain: the next mail does not wait for it
}

var (
	_ agent.AlertOutput = (*Output)(nil)
	_ agent.Keeper      = (*Output)(nil)
	_ agent.Meter       = (*Output)(nil)
)

// New opens the output's queue below stateDir. Config must have passed Check.
// silences may be nil.
func New(c Config, stateDir string, silences *silence.Watch, log *slog.Logger) (*Output, error) {
	log = log.With("output", c.Name)
	o := &Output{name: c.Name}
	if err := o.configure(&c, log); err != nil {
		return nil, fmt.Errorf("output %s: %w", c.Name, err)
	}
	var err error
	o.queue, err = notify.Open(notify.Options{
		Config: c.Config,
		Name:   c.Name,
		Dir:    filepath.Join(stateDir, "spool", "email-"+c.Name),
		Log:    log,
		Labels: o.labels(),

		Silences: silences,
	})
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", c.Name, err)
	}
	return o, nil
}

func (o *Output) configure(c *Config, log *slog.Logger) error {
	host, port, err := c.address()
	if err != nil {
		return err
	}
	section := c.TLS
	if section == nil {
		section = &tlsconf.Config{}
	}
	secure, err := section.Client(host)
	if err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	from, err := parseAddress(c.From)
	if err != nil {
		return err
	}
	page, err := parseHTML()
	if err != nil {
		return err
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "localhost"
	}
	o.compose = composer{renderer: renderer{prefix: c.SubjectPrefix, host: hostname, zone: time.Local}, name: c.Name, from: from, page: page}
	if o.own, err = o.mailboxes(c.To, log); err != nil {
		return err
	}
	o.compose.to = addressesOf(o.own)
	for _, r := range c.Routes {
		in := o.own
		if len(r.To) > 0 {
			if in, err = o.mailboxes(r.To, log); err != nil {
				return err
			}
		}
		o.routes = append(o.routes, in)
	}
	o.sender = sender{
		host: host, port: port, security: c.security(), tls: secure,
		auth: c.Auth, username: c.Username, password: c.Password.Value(),
		helo: helo(c.Helo, hostname), timeout: time.Duration(c.Timeout), dial: (&net.Dialer{}).DialContext,
	}
	return nil
}

// mailboxes are the inboxes of a list of addresses. Each address has one, however
// many routes lead to it.
func (o *Output) mailboxes(list []string, log *slog.Logger) (to []*inbox, err error) {
	for _, text := range list {
		a, err := parseAddress(text)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(o.inboxes, func(in *inbox) bool { return in.address.Address == a.Address })
		if i < 0 {
			i = len(o.inboxes)
			o.inboxes = append(o.inboxes, &inbox{address: a, trouble: agent.NewTrouble(log)})
		}
		to = append(to, o.inboxes[i])
	}
	return to, nil
}

func addressesOf(list []*inbox) (all []*mail.Address) {
	for _, in := range list {
		all = append(all, in.address)
	}
	return all
}

// receivers are those whom the notice is for.
func (o *Output) receivers(n *notify.Notice) []*inbox {
	if n.Route >= 0 && n.Route < len(o.routes) {
		return o.routes[n.Route]
	}
	return o.own
}

// helo is the name that this host gives itself. Servers refuse what is no name.
func helo(configured, hostname string) string {
	switch {
	case configured != "":
		return configured
	case heloForm.MatchString(hostname):
		return hostname
	}
	return "localhost"
}

func (o *Output) labels() []agent.Label { return []agent.Label{{Name: "output", Value: o.name}} }

// Name is the output's name.
func (o *Output) Name() string { return o.name }

// Notify takes alerts as they stand now; they are on the disk when it returns.
func (o *Output) Notify(ctx context.Context, alerts []agent.Alert) error {
	return o.queue.Notify(ctx, alerts)
}

// Reconcile ends the alerts that are not among those that fire.
func (o *Output) Reconcile(ctx context.Context, firing map[string]bool) error {
	return o.queue.Reconcile(ctx, firing)
}

// Run sends mail until ctx is done.
func (o *Output) Run(ctx context.Context) error {
	return o.report.beside(ctx, func(ctx context.Context) error { return o.queue.Run(ctx, o.tell) })
}

// Close closes the queue, after Run has ended.
func (o *Output) Close() error { return o.queue.Close() }

// Kept says what was not told yet.
func (o *Output) Kept() string {
	if n := o.queue.Pending(); n > 0 {
		return fmt.Sprintf("%d groups of alerts", n)
	}
	return ""
}

// Meter reports the mails and the queue.
func (o *Output) Meter(yield func(agent.Sample)) {
	counter := func(name, help string, v uint64) {
		yield(agent.Sample{Name: name, Help: help, Type: agent.Counter, Labels: o.labels(), Value: float64(v)})
	}
	counter("logkeel_email_sent_total", "Mails that the server has taken.", o.sent.Load())
	counter("logkeel_email_recipients_refused_total", "Recipients for whom the server did not take a mail that others got.", o.refused.Load())
	o.queue.Meter(yield)
	o.report.Meter(yield)
}

// tell sends the notice to all who do not have it yet.
func (o *Output) tell(ctx context.Context, n *notify.Notice) error {
	receivers := o.receivers(n)
	composer := o.compose
	composer.to = addressesOf(receivers)
	m, err := composer.compose(n, time.Now())
	if err != nil {
		return notify.Refused(fmt.Errorf("compose the mail: %w", err))
	}
	if m.id != o.current {
		o.begin(m.id, receivers)
	}
	byAddress := map[*mail.Address]*inbox{}
	var to []*mail.Address
	for _, in := range o.to {
		if !in.done {
			byAddress[in.address] = in
			to = append(to, in.address)
		}
	}
	d, err := o.sender.send(ctx, o.compose.from, to, m.data)
	if refusal, ok := err.(finalError); ok {
		if !o.anyHas() {
			o.begin("", nil)
			return notify.Refused(refusal)
		}
		for _, a := range to {
			d.failed = append(d.failed, rcptError{to: a, err: refusal, final: true})
		}
	} else if err != nil {
		return err
	}
	if len(d.taken) > 0 {
		o.sent.Add(1)
	}
	for _, a := range d.taken {
		in := byAddress[a]
		in.done, in.has, in.lags = true, true, false
	}
	return o.settle(d.failed, byAddress)
}

// begin forgets how far the mail before came.
func (o *Output) begin(id string, to []*inbox) {
	o.current, o.to, o.waits = id, to, 0
	for _, in := range o.inboxes {
		in.done, in.has, in.err = false, false, nil
	}
}

func (o *Output) anyHas() bool {
	for _, in := range o.to {
		if in.has {
			return true
		}
	}
	return false
}

// joined is one error of what was said of each recipient, on one line.
func joined(failed []rcptError) error {
	var says []string
	for _, f := range failed[:min(len(failed), 3)] {
		says = append(says, f.to.Address+": "+f.err.Error())
	}
	if more := len(failed) - len(says); more > 0 {
		says = append(says, number(uint64(more), "recipient")+" more")
	}
	return errors.New(strings.Join(says, "; "))
}

// settle decides what becomes of a mail that some recipients did not get.
func (o *Output) settle(failed []rcptError, byAddress map[*mail.Address]*inbox) error {
	wait, all := false, true
	for _, f := range failed {
		in := byAddress[f.to]
		in.done, in.err = f.final, f.err
		all = all && f.final
		wait = wait || !f.final && !in.lags
	}
	switch {
	case !o.anyHas() && all:
		o.begin("", nil)
		return notify.Refused(joined(failed))
	case !o.anyHas():
		return joined(failed)
	case wait && o.waits < maxWaits:
		o.waits++
		return fmt.Errorf("some have the mail, others not yet: %w", joined(failed))
	}
	for _, in := range o.to {
		if in.has {
			in.trouble.Clear("recipient gets mail again", "recipient", in.address.Address)
			continue
		}
		in.lags = !in.done
		in.trouble.Fail(in.err, "recipient does not get mail that others get", "recipient", in.address.Address)
		o.refused.Add(1)
	}
	o.begin("", nil)
	return nil
}
