package email

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/webgrip/logkeel/agent/report"
)

// A ReportNow is a report as its file has it, without the agent that writes it.
type ReportNow struct {
	r         *reporter
	p, before *report.Period
}

// OpenReport reads what the output's report has gathered in stateDir; last is
// for the period that is over. Config must have passed Check and have a Report.
func OpenReport(c Config, stateDir string, last bool) (*ReportNow, error) {
	o := &Output{name: c.Name}
	if err := o.configure(&c, slog.New(slog.DiscardHandler)); err != nil {
		return nil, fmt.Errorf("output %s: %w", c.Name, err)
	}
	r, err := newReporter(&c, o, stateDir, Reports{}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", c.Name, err)
	}
	current, past, err := report.Read(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; start the agent: it begins to gather then, and writes once a minute", err)
	}
	if err != nil {
		return nil, err
	}
	all := append([]*report.Period{current}, past...)
	if last {
		if all = past; len(all) == 0 {
			return nil, fmt.Errorf("no %s is over yet; leave --last out for the one that goes on", r.schedule.Every)
		}
	}
	n := &ReportNow{r: r, p: all[0]}
	if len(all) > 1 {
		n.before = all[1]
	}
	return n, nil
}

// Text is the report as plain text, safe for a terminal.
func (n *ReportNow) Text(now time.Time) string {
	l := reportShrinking[0]
	return n.r.compose.reportView(n.r.compose.summarize(n.p, n.before, l, now), l, nil).text()
}

// Send mails the report, whether it is due or not. The report that is mailed
// when it is due is another mail.
func (n *ReportNow) Send(ctx context.Context, now time.Time) error {
	c := &n.r.compose
	m, err := c.compose(n.p, n.before, idPart(rand.Text())+".report@"+c.domain(), now)
	if err != nil {
		return err
	}
	d, err := n.r.o.sender.send(ctx, c.from, c.to, m.data)
	if err == nil && len(d.failed) > 0 {
		err = joined(d.failed)
	}
	return err
}
