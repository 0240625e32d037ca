package email

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/webgrip/logkeel/agent/notify"
)

// maxMail bounds a mail, in bytes as they are sent. Gmail cuts pages that are
// longer than 102 KiB.
const maxMail = 100_000

// A message is a mail that is ready to be sent.
type message struct {
	id   string // of Message-ID, without the brackets
	data []byte // headers and body, with CRLF
}

// A composer makes mails of notices.
type composer struct {
	renderer
	name string // the output's
	from *mail.Address
	to   []*mail.Address
	page *template.Template
}

// shrinking is what a mail shows, less and less of it until it is small enough.
// The last one is, whatever the alerts have.
var shrinking = []limits{
	{alerts: 20, rows: 50, bars: 6, lines: 10, context: 5, shapes: 20, around: 12, commands: 5, text: 500, field: 200},
	{alerts: 10, rows: 50, bars: 3, lines: 5, context: 3, shapes: 10, around: 8, commands: 5, text: 300, field: 200},
	{alerts: 5, rows: 50, bars: 2, lines: 3, context: 2, shapes: 5, around: 5, commands: 5, text: 200, field: 100},
	{alerts: 2, rows: 30, bars: 1, lines: 2, context: 1, shapes: 5, around: 4, commands: 3, text: 150, field: 60},
	{alerts: 1, rows: 10, bars: 1, lines: 1, context: 1, shapes: 3, around: 2, commands: 1, text: 60, field: 30},
}

// compose makes the mail that tells of n; now becomes its Date.
func (c *composer) compose(n *notify.Notice, now time.Time) (*message, error) {
	m := &message{id: c.messageID(n)}
	for _, l := range shrinking {
		data, err := c.encode(m.id, n, l, now)
		if err != nil {
			return nil, err
		}
		if m.data = data; len(data) <= maxMail {
			return m, nil
		}
	}
	return nil, fmt.Errorf("a mail of %d bytes", len(m.data))
}

func (c *composer) encode(id string, n *notify.Notice, l limits, now time.Time) ([]byte, error) {
	return c.write(&letter{to: c.to, id: id, thread: c.threadID(n), reply: n.ID != n.Thread, subject: c.subject(n), view: c.view(n, l)}, now)
}

// A letter is what is written of a mail.
type letter struct {
	to      []*mail.Address
	id      string // of Message-ID, as the next
	thread  string // "": it is of none
	reply   bool   // it is not the first of its thread
	subject string
	view    content
	page    *template.Template // of the view; nil: that of alerts
}

// A content is what a mail shows, in both forms.
type content interface {
	text() string
	html(t *template.Template) (string, error)
}

// write is the letter as it is sent.
func (c *composer) write(l *letter, now time.Time) ([]byte, error) {
	page, err := l.view.html(cmp.Or(l.page, c.page))
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(c.from)
	m.ToMailAddress(l.to...)
	m.Subject(l.subject)
	m.SetDateWithValue(now)
	m.SetMessageIDWithValue(l.id)
	if l.reply {
		m.SetGenHeader(gomail.HeaderInReplyTo, "<"+l.thread+">")
	}
	if l.thread != "" {
		m.SetGenHeader(gomail.HeaderReferences, "<"+l.thread+">")
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	m.SetGenHeader("List-Id", "logkeel <"+c.name+".logkeel."+c.domain()+">")
	m.SetBodyString(gomail.TypeTextPlain, l.view.text())
	m.AddAlternativeString(gomail.TypeTextHTML, page)
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// messageID is the same whenever the same is told: mail servers drop what they
// had before, by this. So a notice that has come to tell of other alerts since
// it was first tried, and may have arrived then, gets another one.
func (c *composer) messageID(n *notify.Notice) string {
	h := sha256.New()
	if n.Kind != notify.HeldBack { // that says the same, whatever waits
		fmt.Fprintf(h, "%d %t %d\n", n.Kind, n.Late, n.More)
		for i := range n.Alerts {
			fmt.Fprintf(h, "%q %t\n", n.Alerts[i].ID, n.Alerts[i].Firing())
		}
	}
	return idPart(n.ID) + "." + hex.EncodeToString(h.Sum(nil)[:6]) + "@" + c.domain()
}

// threadID is of no mail: it is what all mails of an incident refer to, as
// those of trackers do.
func (c *composer) threadID(n *notify.Notice) string {
	return idPart(n.Thread) + ".thread@" + c.domain()
}

// idPart is short, and has nothing that would end a Message-ID.
func idPart(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:10])
}

func (c *composer) domain() string {
	domain := c.from.Address[strings.LastIndexByte(c.from.Address, '@')+1:]
	if !hostForm.MatchString(domain) { // an address as [192.0.2.1]
		return "localhost"
	}
	return domain
}
