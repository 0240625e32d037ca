package email

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// A view is what a mail shows, in the order in which it shows it. All text in
// it is safe for one line of text, and has still to be escaped for HTML.
type view struct {
	Heading  string
	Badge    string // the worst severity, or over
	Intro    string
	Facts    []fact      // of the whole
	Alerts   []alertView // in full
	Table    []rowView   // a line each
	Classes  []classView // of a digest
	More     string      // what is in none of these
	Commands []command
	Hint     string // how they are run elsewhere
	Foot     []string
}

type alertView struct {
	Number  string // "" where it is the only one
	Badge   string
	Title   string
	Summary string
	Facts   []fact
	Plot    *plotView
	Shapes  []shapeView
	Lines   []lineGroup
	Around  []fact
	Runbook []string
}

type fact struct{ Name, Value string }

type rowView struct{ When, Badge, What, Count, Line string }

// limits bound what a mail shows.
type limits struct {
	alerts   int // in full
	rows     int // and as a line each
	bars     int // of the alerts in full, how many have a plot of bars
	lines    int // first and as many newest, an alert
	context  int // lines on each side of one of them
	shapes   int // an alert
	around   int // an alert's facts of what else was measured
	commands int // that silence an alert
	text     int // runes of a line
	field    int // runes of anything else
}

// A renderer knows what all mails of an output have in common.
type renderer struct {
	prefix string // of subjects
	host   string // the agent's
	zone   *time.Location
}

const (
	stamp   = "2006-01-02 15:04:05 -0700"
	maxSubj = 120 // runes
	over    = "over"
	held    = "held back"
	test    = "test"
)

func (r *renderer) view(n *notify.Notice, l limits) *view {
	if n.Kind == notify.HeldBack { // they come in any order
		sorted := *n
		sorted.Alerts = byInterest(n.Alerts)
		n = &sorted
	}
	v := &view{Heading: r.headline(n), Badge: badge(n), Intro: r.intro(n), Commands: r.commands(n, l), Foot: r.foot(n, l)}
	v.Hint = underCompose(v.Commands)
	alerts := n.Alerts
	full := min(len(alerts), l.alerts)
	switch {
	case n.Kind == notify.Digest:
		v.Classes, alerts = r.classes(alerts, l)
		full = 0
	case n.Kind == notify.HeldBack:
		r.heldBack(v, n)
		full = 0
	case n.Late:
		full = 0 // what is long over is for an overview
	}
	r.inFull(v, n, alerts[:full], l)
	rest := alerts[full:]
	shown := min(len(rest), l.rows)
	if n.Kind == notify.Digest {
		shown = 0 // these are beyond the rows of the classes
	}
	for i := range rest[:shown] {
		v.Table = append(v.Table, r.row(&rest[i], n.Late, l))
	}
	v.More = more(rest[shown:], n.More, n.MoreFindings)
	return v
}

func (r *renderer) inFull(v *view, n *notify.Notice, alerts []agent.Alert, l limits) {
	rules := map[string]bool{}
	for i := range alerts {
		a := r.alert(n, &alerts[i], i, l)
		if name := alerts[i].Rule.Name; !rules[name] {
			r.explain(&a, &alerts[i].Rule, n, l)
			rules[name] = true
		}
		v.Alerts = append(v.Alerts, a)
	}
}

// more says what is not shown.
func more(rest []agent.Alert, alerts int, findings uint64) string {
	alerts += len(rest)
	for i := range rest {
		findings += rest[i].Count
	}
	switch {
	case alerts == 0:
		return ""
	case findings == 0:
		return "And " + number(uint64(alerts), "alert") + " more, not shown here."
	}
	return "And " + number(uint64(alerts), "alert") + " more with " + number(findings, "finding") + ", not shown here."
}

func (r *renderer) intro(n *notify.Notice) string {
	firing, ended := 0, 0
	for i := range n.Alerts {
		if n.Alerts[i].Firing() {
			firing++
		} else {
			ended++
		}
	}
	var says []string
	switch {
	case n.Late:
		says = append(says, "This was logged more than an hour before the agent came to read it.")
	case n.Kind == notify.Resolved && unseen(n):
		says = append(says, "It is not watched any more; that does not mean that it is over. See what it was ended by.")
	case n.Kind == notify.Resolved && n.Previous.IsZero():
		says = append(says, "It was over before it could be told.")
	case n.Kind == notify.Resolved:
		says = append(says, "It is over.")
	case n.Reminder:
		says = append(says, "Nothing new: it goes on.")
	case ended > 0:
		says = append(says, fmt.Sprintf("Going on: %d. Over: %d.", firing, ended))
	}
	if !n.Previous.IsZero() {
		says = append(says, "The mail before was of "+r.when(n.Previous)+".")
	}
	return strings.Join(says, " ")
}

// alert is the i-th alert of the notice, without what its rule says.
func (r *renderer) alert(n *notify.Notice, a *agent.Alert, i int, l limits) alertView {
	v := alertView{
		Badge: alertBadge(a), Title: title(a, l.field),
		Shapes: shownShapes(a, l), Lines: r.lines(a, l), Facts: r.facts(a, l),
	}
	v.Plot = r.plot(a.Timeline, color(v.Badge), i < l.bars)
	if len(n.Alerts) > 1 {
		v.Number = strconv.Itoa(i+1) + ". "
	}
	if v.Badge != over && !n.Previous.IsZero() && !n.Reminder && a.Seen.After(n.Previous) {
		v.Title += " (new)"
	}
	for _, f := range a.Around[:min(len(a.Around), l.around)] {
		v.Around = append(v.Around, fact{oneLine(f.Name, 60), oneLine(f.Value, l.text)})
	}
	return v
}

// facts are what is known of an alert in a word or two.
func (r *renderer) facts(a *agent.Alert, l limits) (all []fact) {
	add := func(name, value string) {
		if value = visible(value, l.field); value != "" {
			all = append(all, fact{name, value})
		}
	}
	add("Where", a.Source)
	add("By", labels(without(a.Key, nil, a.Source)))
	add("Labels", labels(without(a.Labels, a.Key, a.Source)))
	add("Since", r.when(a.Starts))
	if !a.Last.Equal(a.Starts) {
		add("Last", r.after(a.Last, a.Starts, "later"))
	}
	if a.Late || a.Seen.Sub(a.Starts) > 5*time.Minute {
		add("Seen", r.after(a.Seen, a.Starts, "after it happened"))
	}
	if !a.Firing() {
		add("Over", r.after(a.Ended, a.Starts, "after it began"))
		add("Ended by", a.End)
	}
	if a.Condition != "" {
		add("Condition", a.Condition)
		if a.Measured() {
			add("Value", measured(a))
		}
	}
	if a.Count > 0 {
		add("Findings", strconv.FormatUint(a.Count, 10))
	}
	if a.Inhibited != "" {
		add("Explained", "by "+a.Inhibited+", which fires: no news as long as it does")
	}
	return all
}

// explain adds what the rule says of itself: once in a mail.
func (r *renderer) explain(v *alertView, rule *agent.Rule, n *notify.Notice, l limits) {
	v.Summary = oneLine(rule.Summary, 2*l.field)
	v.Facts = append(v.Facts, fact{"Rule", visible(ruleAt(rule), 2*l.field)})
	if n.Kind == notify.Resolved && !n.Previous.IsZero() {
		return // nothing is to be done
	}
	for line := range strings.Lines(strings.TrimSpace(rule.Runbook)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && len(v.Runbook) < 2*l.lines {
			v.Runbook = append(v.Runbook, visible(line, l.text))
		}
	}
}

func (r *renderer) row(a *agent.Alert, late bool, l limits) rowView {
	v := rowView{When: r.when(a.Starts), Badge: alertBadge(a), What: title(a, l.field)}
	if d := a.Last.Sub(a.Starts); d >= time.Second {
		v.When += ", for " + span(d)
	}
	if late {
		v.Badge = severity(a)
		v.When += ", seen " + r.when(a.Seen)
	}
	if a.Count > 0 {
		v.Count = number(a.Count, "finding")
	}
	if a.Condition != "" {
		v.Count = visible(a.Condition, l.field)
	}
	if late && len(a.First) > 0 && l.lines > 0 {
		v.Line = visible(traced(a.First[0].Text), l.text)
	}
	return v
}

func (r *renderer) foot(n *notify.Notice, l limits) []string {
	foot := []string{"Told by logkeel on " + visible(r.host, l.field) + "."}
	if n != nil && len(n.Group) > 0 && !n.Late {
		foot = append(foot, "Told together: all with "+visible(labels(n.Group), 2*l.field)+".")
	}
	return foot
}

// when is the time in the agent's zone, "" where it is not known.
func (r *renderer) when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(r.zone).Format(stamp)
}

// after is the time t, and how long it is after start.
func (r *renderer) after(t, start time.Time, word string) string {
	d := t.Sub(start)
	if t.IsZero() || start.IsZero() || d < time.Second {
		return r.when(t)
	}
	return r.when(t) + " (" + span(d) + " " + word + ")"
}

// span is a duration as people say it, in two units.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= 24*time.Hour:
		d = d.Round(time.Hour)
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

func number(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.FormatUint(n, 10) + " " + thing + "s"
}

// title tells an alert from others of its rule: by what the rule counts by, or
// else by the log. A message stands for itself.
func title(a *agent.Alert, most int) string {
	var about, where []string
	for _, l := range a.Key {
		switch {
		case l.Value == "" || l.Value == a.Source:
		case l.Name == "fingerprint":
			about = append(about, visible(l.Value, most))
		case !slices.Contains(a.Labels, l):
			where = append(where, visible(l.Value, most))
		}
	}
	text := visible(a.Rule.Name, most)
	if len(about) == 0 || len(a.Key) > 1 { // of one message it may be in all logs
		text += " on " + visible(placeOf(a), most)
	}
	if len(where) > 0 {
		text += ", " + visible(strings.Join(where, ", "), most)
	}
	if len(about) > 0 {
		text += ": " + about[0]
	}
	return text
}

// ruleAt is the rule's name, class, severity and place.
func ruleAt(r *agent.Rule) string {
	text := r.Name
	for _, part := range []string{r.Class, r.Severity} {
		if part != "" {
			text += ", " + part
		}
	}
	if r.File != "" {
		text += fmt.Sprintf(", %s:%d", r.File, r.Line)
	}
	return text
}

// labels is a=b c=d, with quotes where a value would not be read as one.
func labels(ls []agent.Label) string {
	words := make([]string, len(ls))
	for i, l := range ls {
		words[i] = l.Name + "=" + l.Value
		if l.Value == "" || strings.ContainsAny(l.Value, " \t\"=") {
			words[i] = l.Name + "=" + strconv.Quote(l.Value)
		}
	}
	return strings.Join(words, " ")
}

// without leaves out those, and what says no more than value.
func without(ls, those []agent.Label, value string) []agent.Label {
	had := map[agent.Label]bool{}
	for _, l := range those {
		had[l] = true
	}
	var rest []agent.Label
	for _, l := range ls {
		if !had[l] && l.Value != value {
			rest = append(rest, l)
		}
	}
	return rest
}
