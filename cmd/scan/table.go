package scan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/webgrip/logkeel/agent"
)

const short = "2006-01-02 15:04:05"

// order is the rules on lines that were tried, those that found the most first.
func (r *report) order() []*agent.Rule {
	all := slices.DeleteFunc(r.s.Set.Rules(), func(rule *agent.Rule) bool { return !r.s.Set.OnLines(rule) || !r.s.keep[rule.Index] })
	slices.SortStableFunc(all, func(a, b *agent.Rule) int {
		return cmp.Compare(r.rules[b.Index].findings, r.rules[a.Index].findings)
	})
	return all
}

// table prints what was found by rule, and what that comes to.
func (r *report) table() {
	p := func(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }
	if !r.s.Quiet && r.findings > 0 {
		if r.left > 0 {
			p("(%s not shown: there were %d of each of their rules before; --limit 0 shows all)\n", plural(r.left, "match is", "matches are"), r.s.Limit)
		}
		p("\n")
	}
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RULE\tSEVERITY\tFINDINGS\tLOGS\tFIRST\tLAST\tALERTS")
	for _, rule := range r.order() {
		t := &r.rules[rule.Index]
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%d\n", rule.Name, rule.Severity, thousands(t.findings), len(t.logs), local(t.first), local(t.last), t.alerts)
	}
	_ = w.Flush() // r.out keeps the error
	p("\n%s in %s", plural(r.lines, "line", "lines"), plural(len(r.logs), "log", "logs"))
	if r.first != 0 {
		p(", %s to %s", local(r.first), local(r.last))
	}
	p("; %s\n", r.outcome())
	for i, m := range r.mails {
		if i == maxShown {
			p("  and %s more\n", plural(len(r.mails)-maxShown+r.dropped, "mail", "mails"))
			break
		}
		p("  %s  %s\n", m.at.Local().Format(short), strings.TrimSpace(strings.Join([]string{m.output, m.kind, m.about}, " ")))
	}
	for _, note := range r.notes() {
		p("%s\n", note)
	}
}

// outcome says how many alerts and mails there were.
func (r *report) outcome() string {
	mails := plural(len(r.mails)+r.dropped, "mail", "mails")
	if from, most := busiest(r.mails); most > 0 {
		mails += fmt.Sprintf(" (at most %d in one hour, at %s)", most, from.Local().Format("2006-01-02 15:04"))
	}
	alerts := plural(r.alerts, "alert", "alerts")
	if len(r.s.Mails) == 0 {
		return alerts + "; no output tells people: with an email output as it comes, " + mails
	}
	return "with the configured outputs: " + alerts + ", " + mails
}

// notes are what one has to know to read the report.
func (r *report) notes() (all []string) {
	if r.untimed > 0 {
		all = append(all, plural(r.untimed, "match has no time that is known, and counts", "matches have no time that is known, and count")+" as of when the log was last written; docker compose logs has them with --timestamps")
	}
	if r.ahead > 0 {
		all = append(all, plural(r.ahead, "match lies", "matches lie")+" in the future, and made no alert")
	}
	if n := len(r.s.failed()); n > 0 {
		all = append(all, "This is not all: "+plural(n, "log or file", "logs or files")+" could not be read")
	}
	return all
}

func local(ns int64) string {
	if ns == 0 {
		return "-"
	}
	return time.Unix(0, ns).Format(short)
}

type ruleObject struct {
	Rule     string `json:"rule"`
	Class    string `json:"class"`
	Severity string `json:"severity"`
	Findings int64  `json:"findings"`
	Logs     int    `json:"logs"`
	First    string `json:"first,omitempty"`
	Last     string `json:"last,omitempty"`
	Alerts   int    `json:"alerts"`
}

type mailObject struct {
	Output string `json:"output,omitempty"`
	Time   string `json:"time"`
	Kind   string `json:"kind"` // alert, update, reminder, over, digest or held back
	About  string `json:"about"`
}

type summaryObject struct {
	Rules    []ruleObject `json:"rules"`
	Lines    int64        `json:"lines"`
	Logs     int          `json:"logs"`
	From     string       `json:"from,omitempty"`
	To       string       `json:"to,omitempty"`
	Findings int64        `json:"findings"`
	NotShown int64        `json:"not_shown"`
	Alerts   int          `json:"alerts"`
	Mails    int          `json:"mails"`
	Notices  []mailObject `json:"notices"`
	Busiest  int          `json:"busiest_hour_mails"`
	At       string       `json:"busiest_hour,omitempty"`
	Untimed  int64        `json:"without_time"`
	Ahead    int64        `json:"in_future"`
	Errors   []string     `json:"errors"`
}

func (r *report) summaryJSON() {
	o := summaryObject{
		Rules: []ruleObject{}, Notices: []mailObject{}, Errors: []string{},
		Lines: r.lines, Logs: len(r.logs), From: stampOf(r.first), To: stampOf(r.last), Findings: r.findings, NotShown: r.left,
		Alerts: r.alerts, Mails: len(r.mails) + r.dropped, Untimed: r.untimed, Ahead: r.ahead,
	}
	for _, rule := range r.order() {
		t := &r.rules[rule.Index]
		o.Rules = append(o.Rules, ruleObject{rule.Name, rule.Class, rule.Severity, t.findings, len(t.logs), stampOf(t.first), stampOf(t.last), t.alerts})
	}
	for _, m := range r.mails {
		o.Notices = append(o.Notices, mailObject{m.output, m.at.UTC().Format(time.RFC3339), m.kind, m.about})
	}
	if from, most := busiest(r.mails); most > 0 {
		o.Busiest, o.At = most, from.UTC().Format(time.RFC3339)
	}
	for _, err := range r.s.failed() {
		o.Errors = append(o.Errors, err.Error())
	}
	_, _ = r.out.Write(append(appendJSON(nil, struct {
		Summary summaryObject `json:"summary"`
	}{o}), '\n')) // it keeps its error
}
