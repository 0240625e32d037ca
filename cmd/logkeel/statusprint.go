package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/printable"
)

const (
	longStall  = 60.0 // seconds for which a log or an output may get nowhere
	mostListed = 8
)

// judge gathers what is not as it should be.
func (s *status) judge(now *scraped) {
	add := func(what, why, do string) { s.Problems = append(s.Problems, problem{what, why, do}) }
	if !s.Config.Newest {
		add("the newest configuration is wrong, and an older one in use", "", "logkeel check")
	}
	now.each("logkeel_component_failing_seconds", func(l map[string]string, v float64) {
		if v > 0 {
			add(fmt.Sprintf("%s %s fails for %s", l["kind"], l["name"], lasting(v)), "", "logkeel doctor, and the agent's log")
		}
	})
	for _, b := range s.Sources.Behind {
		if b.StalledSeconds > longStall {
			add(fmt.Sprintf("nothing was read of %s for %s, and it has more", b.Name, lasting(b.StalledSeconds)), "most often an output takes nothing", "logkeel doctor")
		}
	}
	for i := range s.Outputs {
		o := &s.Outputs[i]
		if o.StalledSeconds > longStall || o.Connected != nil && !*o.Connected && o.QueueBytes+o.SpoolBytes > 0 {
			add(fmt.Sprintf("output %s brings nothing away for %s", o.Name, lasting(o.StalledSeconds)), size(o.QueueBytes+o.SpoolBytes)+" wait", "logkeel doctor")
		}
		if o.Dropped > 0 {
			add(fmt.Sprintf("output %s has lost %.0f records since the start", o.Name, o.Dropped), "its spool was full", "give it more room (spool.max_size), or see why it was not emptied: logkeel doctor")
		}
	}
	now.each("logkeel_state_unwritten_seconds", func(l map[string]string, v float64) {
		if v > 0 {
			add(fmt.Sprintf("%s cannot be written for %s", l["part"], lasting(v)), "after a restart lines would come twice", "logkeel doctor state_dir")
		}
	})
	if n := now.sum("logkeel_tail_gaps_total") + now.sum("logkeel_docker_logs_gaps_total"); n > 0 {
		add(fmt.Sprintf("lines may be missing at %s since the start", agent.Count(int(n), "place")), "logs were rotated away before they were read", "keep more of them (max-file), as logkeel doctor says; the agent's log has the places")
	}
	for _, m := range s.Samplers {
		if !m.Up && m.Error == "" {
			add(fmt.Sprintf("%s/%s was not measured in full the last time", m.Kind, m.Target), "", "logkeel doctor, which says why if it is not over")
		}
	}
	firing := 0.0
	var rules []string
	for _, a := range s.Alerts {
		if a.State == "firing" {
			firing += a.Count
			rules = append(rules, a.Rule)
		}
	}
	if firing > 0 {
		are := map[bool]string{true: " is firing: ", false: " are firing: "}[firing == 1]
		add(agent.Count(int(firing), "alert")+are+agent.Some(rules), "", "what it is about was told by the outputs that tell people; logkeel silence keeps one quiet")
	}
	s.Health = agent.Well.String()
	if len(s.Problems) > 0 {
		s.Health = agent.Warned.String()
	}
}

func lasting(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return d.Round(time.Second).String()
}

func size(bytes float64) string {
	if bytes < 1<<20 {
		return conf.Size(int64(bytes)).String()
	}
	return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
}

// A screen is lines of text with a title each.
type screen struct {
	strings.Builder
	style
}

func (b *screen) line(title, format string, args ...any) {
	fmt.Fprintf(b, "%-11s%s\n", title, printable.Line(fmt.Sprintf(format, args...)))
}

// print writes the status for people, on one screen.
func (s *status) print(w io.Writer, now time.Time) error {
	b := &screen{style: styleOf(w)}
	word := b.good("well")
	if len(s.Problems) > 0 {
		word = b.warn(agent.Count(len(s.Problems), "thing") + " to look at")
	}
	process := ""
	if s.StateDir.PID != 0 {
		process = fmt.Sprintf(", process %d", s.StateDir.PID)
	}
	fmt.Fprintf(b, "logkeel %s runs since %s (%s%s): %s\n", printable.Line(s.Version), s.Started.Format("2006-01-02 15:04:05"), lasting(now.Sub(s.Started).Seconds()), process, word)
	for _, p := range s.Problems {
		fmt.Fprintf(b, "  %s %s\n", b.warn("!"), printable.Line(p.What))
		if p.Why != "" {
			fmt.Fprintf(b, "    why: %s\n", printable.Line(p.Why))
		}
		if p.Do != "" {
			fmt.Fprintf(b, "    do:  %s\n", printable.Line(p.Do))
		}
	}
	fmt.Fprintln(b)
	b.line("config", "taken %s ago", lasting(now.Sub(s.Config.Taken).Seconds()))
	if !s.StateDir.Positions.IsZero() {
		b.line("state", "%s, places in logs written %s ago", s.StateDir.Path, lasting(now.Sub(s.StateDir.Positions).Seconds()))
	}
	b.line("sources", "%s open, %.1f lines a second, %.0f since the start, %s not read yet", agent.Count(s.Sources.Open, "log"), s.Sources.LinesPerSecond, s.Sources.Lines, size(s.Sources.UnreadBytes))
	list(b, s.Sources.Behind, func(n source) string {
		text := n.Name + ": " + size(n.UnreadBytes) + " behind"
		if n.StalledSeconds > 0 {
			text += ", nothing read for " + lasting(n.StalledSeconds)
		}
		return text
	})
	if h := s.LastHour; h != nil {
		b.line("last hour", "%s, %s, %s%s", agent.Count(int(h.Lines), "line"), agent.Count(int(h.Findings), "finding"), agent.Count(int(h.Fired), "alert"), sinceStart(h))
	}
	if len(s.Findings) == 0 {
		b.line("findings", "none since the start")
	} else {
		b.line("findings", "since the start:")
	}
	list(b, s.Findings, func(r ruleCount) string { return fmt.Sprintf("%6.0f  %s (%s)", r.Count, r.Rule, r.Severity) })
	if len(s.Alerts) == 0 {
		b.line("alerts", "none")
	} else {
		b.line("alerts", "%d rules have some:", len(s.Alerts))
	}
	list(b, s.Alerts, func(a alertCount) string {
		return fmt.Sprintf("%6.0f  %s (%s), %s", a.Count, a.Rule, a.Severity, a.State)
	})
	s.printSamplers(b)
	s.printOutputs(b, now)
	_, err := io.WriteString(w, b.String())
	return err
}

// sinceStart says where an hour is none, for the agent began within it.
func sinceStart(h *hour) string {
	if took := h.Until.Sub(h.Since); took < time.Hour-time.Minute {
		return ", in the " + lasting(took.Seconds()) + " since the start"
	}
	return ""
}

// list writes the first few of something.
func list[T any](b *screen, all []T, text func(T) string) {
	for i, one := range all {
		if i == mostListed {
			b.line("", "and %d more: --json has them", len(all)-i)
			return
		}
		b.line("", "%s", text(one))
	}
}

func (s *status) printSamplers(b *screen) {
	up := 0
	for _, m := range s.Samplers {
		if m.Up {
			up++
		}
	}
	if len(s.Samplers) == 0 {
		return
	}
	b.line("samplers", "%d of %d are measured in full", up, len(s.Samplers))
	for _, m := range s.Samplers {
		if !m.Up {
			b.line("", "%s/%s: %s", m.Kind, m.Target, cmp.Or(m.Error, "not in full the last time"))
		}
	}
}

func (s *status) printOutputs(b *screen, now time.Time) {
	if len(s.Outputs) == 0 {
		b.line("outputs", "none: nobody is told anything")
	}
	for i := range s.Outputs {
		o, title := &s.Outputs[i], ""
		if i == 0 {
			title = "outputs"
		}
		var says []string
		if o.Connected != nil {
			says = append(says, map[bool]string{true: "connected", false: "not connected"}[*o.Connected],
				fmt.Sprintf("%.1f records a second acknowledged", o.RecordsPerSecond), size(o.QueueBytes)+" queued")
		}
		if o.SpoolMaxBytes > 0 {
			says = append(says, size(o.SpoolBytes)+" of "+size(o.SpoolMaxBytes)+" spooled")
		}
		if at := o.LastAcknowledged; !at.IsZero() {
			says = append(says, "last acknowledged "+lasting(max(0, now.Sub(at).Seconds()))+" ago")
		}
		if o.LagSeconds > 1 {
			says = append(says, "oldest record "+lasting(o.LagSeconds)+" old")
		}
		if o.Pending > 0 {
			says = append(says, fmt.Sprintf("%.0f notices to be told", o.Pending))
		}
		if o.StalledSeconds > 0 {
			says = append(says, "brings nothing away for "+lasting(o.StalledSeconds))
		}
		if !o.Up {
			says = append(says, "does not run")
		} else if len(says) == 0 {
			says = append(says, "runs")
		}
		b.line(title, "%s: %s", o.Name, strings.Join(says, ", "))
	}
}
