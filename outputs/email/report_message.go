package email

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/webgrip/logkeel/agent/report"
)

// maxReport bounds a report, in bytes as they are sent: readers cut longer pages.
const maxReport = 100_000

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
		data, err := c.encode(s, c.reportView(s, l, c.foot(p, now)), id, now)
		if err != nil {
			return nil, err
		}
		if m.data = data; len(data) <= maxReport {
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

func (c *reportComposer) encode(s *report.Summary, v *reportView, id string, now time.Time) ([]byte, error) {
	page, err := v.html(c.page)
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(c.from)
	m.ToMailAddress(c.to...)
	m.Subject(c.subject(s))
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(id)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	m.SetGenHeader("List-Id", "logkeel <"+c.name+".logkeel."+c.domain()+">")
	m.SetBodyString(gomail.TypeTextPlain, v.text())
	m.AddAlternativeString(gomail.TypeTextHTML, page)
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
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
