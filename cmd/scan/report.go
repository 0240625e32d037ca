package scan

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/rules/replay"
)

const (
	settle   = 24 * time.Hour // how long after the last line alerts and mails are followed
	future   = 24 * time.Hour // how far after now a line's time is no error
	maxShown = 20             // mails that are listed
	maxMails = 10_000         // of which the times are kept
)

// A report prints the matches, and adds them up.
type report struct {
	s        *scan
	out      *bufio.Writer
	rules    []tally
	findings int64
	replay   *replay.Replay
	one      agent.Batch

	lines       int64
	logs        map[*agent.Source]bool
	first, last int64
	untimed     int64
	ahead       int64

	alerts   int
	mails    []mail
	dropped  int // mails beyond maxMails
	left     int64
	text     []byte // scratch
	finished bool
}

// A tally is what was found by one rule.
type tally struct {
	findings    int64
	shown       int
	first, last int64
	logs        map[*agent.Source]bool
	alerts      int
}

// A mail is one that would have been sent.
type mail struct {
	output string
	at     time.Time
	kind   string
	about  string
}

func newReport(s *scan) (*report, error) {
	r := &report{s: s, out: bufio.NewWriterSize(s.Out, 64<<10), rules: make([]tally, len(s.keep)), logs: map[*agent.Source]bool{}}
	for i := range r.rules {
		r.rules[i].logs = map[*agent.Source]bool{}
	}
	o := replay.Options{Set: s.Set, Step: time.Second, NoAbsence: true, Began: r.began, Told: r.told}
	for _, m := range s.Mails {
		o.Notify = append(o.Notify, m.Config)
	}
	if len(o.Notify) == 0 {
		var usual notify.Config
		usual.SetDefaults()
		o.Notify = append(o.Notify, usual)
	}
	var err error
	r.replay, err = replay.New(o)
	return r, err
}

func (r *report) began(a agent.Alert) {
	r.alerts++
	r.rules[a.Rule.Index].alerts++
}

func (r *report) told(notifier int, at time.Time, n *notify.Notice) {
	if len(r.mails) == maxMails {
		r.dropped++
		return
	}
	m := mail{at: at, kind: kindOf(n)}
	if len(r.s.Mails) > 0 {
		m.output = r.s.Mails[notifier].Name
	}
	counts := map[string]int{}
	var names []string
	for i := range n.Alerts {
		name := n.Alerts[i].Rule.Name
		if counts[name]++; counts[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if i == 3 {
			m.about += fmt.Sprintf(" and %d more rules", len(names)-3)
			break
		}
		if i > 0 {
			m.about += ", "
		}
		m.about += name
		if counts[name] > 1 {
			m.about += fmt.Sprintf(" (%d)", counts[name])
		}
	}
	r.mails = append(r.mails, m)
}

func kindOf(n *notify.Notice) string {
	firing := 0
	for i := range n.Alerts {
		if n.Alerts[i].Firing() {
			firing++
		}
	}
	switch {
	case n.Kind == notify.Digest:
		return "digest"
	case n.Kind == notify.HeldBack:
		return "held back"
	case n.Reminder:
		return "reminder"
	case firing == 0:
		return "over"
	case n.Previous.IsZero():
		return "alert"
	}
	return "update"
}

// count adds up what a chunk says of its lines.
func (r *report) count(c *chunk) {
	if c == nil {
		return
	}
	r.lines += c.lines
	for _, l := range c.logs {
		r.logs[l] = true
	}
	if c.first != 0 && (r.first == 0 || c.first < r.first) {
		r.first = c.first
	}
	r.last = max(r.last, c.last)
}

// match takes the next match.
func (r *report) match(c *chunk, m *match) error {
	r.findings += int64(m.to - m.from)
	if m.untimed {
		r.untimed++
	}
	show := false
	for _, f := range c.findings[m.from:m.to] {
		t := &r.rules[f.Rule.Index]
		t.findings++
		t.logs[m.source] = true
		if !m.untimed {
			if t.first == 0 || m.record.Time < t.first {
				t.first = m.record.Time
			}
			t.last = max(t.last, m.record.Time)
		}
		show = show || r.s.Limit <= 0 || t.shown < r.s.Limit
	}
	r.judge(c, m)
	if r.s.Quiet {
		return nil
	}
	if !show {
		r.left++
		return nil
	}
	for _, f := range c.findings[m.from:m.to] {
		r.rules[f.Rule.Index].shown++
	}
	return r.print(c, m)
}

// judge lets the alerts see the match.
func (r *report) judge(c *chunk, m *match) {
	if m.record.Time > r.s.Now.Add(future).UnixNano() {
		r.ahead++
		return
	}
	b := &r.one
	b.Source, b.Buf = m.source, c.text
	b.Records, b.Findings = append(b.Records[:0], m.record), c.findings[m.from:m.to]
	b.Pos = agent.Position{Epoch: 1, Offset: m.record.End}
	r.replay.Records(b)
}

// flush shows what was printed.
func (r *report) flush() { _ = r.out.Flush() } // it keeps its error

// end lets time pass until all is told, and prints what it comes to.
func (r *report) end() error {
	if r.finished {
		return nil
	}
	r.finished = true
	if !r.replay.Now().IsZero() {
		if last := time.Unix(0, r.last); last.After(r.replay.Now()) && last.Before(r.s.Now.Add(future)) {
			r.replay.Run(last)
		}
		r.replay.Settle(settle)
	}
	if r.s.JSON {
		r.summaryJSON()
	} else {
		r.table()
	}
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	for _, err := range r.s.failed() {
		r.s.say("logkeel scan: " + string(appendVisible(nil, []byte(err.Error()))) + "\n")
	}
	return nil
}

// say writes to standard error.
func (s *scan) say(text string) { _, _ = io.WriteString(s.Err, text) }

// busiest is the hour that had the most mails, and how many.
func busiest(mails []mail) (from time.Time, most int) {
	first := 0
	for i := range mails {
		for mails[i].at.Sub(mails[first].at) >= time.Hour {
			first++
		}
		if n := i - first + 1; n > most {
			from, most = mails[first].at, n
		}
	}
	return from, most
}
