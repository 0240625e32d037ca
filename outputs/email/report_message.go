package email

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent/report"
)

// A reportComposer makes mails of periods.
type reportComposer struct {
	*composer
	page *template.Template
	unit report.Unit
}

// compose makes the mail that tells of p, with id as its Message-ID.
func (c *reportComposer) compose(p, before *report.Period, id string, now time.Time) (*message, error) {
	m := &message{id: id}
	for _, l := range reportShrinking {
		s := c.summarize(p, before, l, now)
		data, err := c.write(&letter{to: c.to, id: id, subject: c.subject(s), view: c.reportView(s, l, c.foot(p, now)), page: c.page}, now)
		if err != nil {
			return nil, err
		}
		if m.data = data; len(data) <= maxMail {
			return m, nil
		}
	}
	return nil, fmt.Errorf("a report of %d bytes", len(m.data))
}

func (c *reportComposer) summarize(p, before *report.Period, l reportLimits, now time.Time) *report.Summary {
	return report.Summarize(p, before, report.View{Unit: c.unit, Zone: c.zone, Now: now, Top: l.top})
}

// subject is short enough for a phone where little happened.
func (c *reportComposer) subject(s *report.Summary) string {
	return headerText(strings.TrimSpace(c.prefix+" "+s.Title+": "+s.Headline), maxSubj)
}

// messageID is the same for a period at each try, also after a restart.
func (c *reportComposer) messageID(p *report.Period) string {
	return idPart(fmt.Sprintf("report %s %s %d %d", c.host, c.name, p.Start.UnixNano(), p.End.UnixNano())) + ".report@" + c.domain()
}

func (c *reportComposer) foot(p *report.Period, now time.Time) []string {
	says := []string{"logkeel on " + oneLine(c.host, 100) + ". Times are " + now.In(c.zone).Format("-0700") + "."}
	if !p.End.IsZero() {
		says = append(says, "How it stands now: logkeel report. This one once more: logkeel report --last. "+markBad+" somebody has to look at, "+markWorse+" got worse.")
	}
	return says
}
