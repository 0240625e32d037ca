package demo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Result is what the summary says.
type Result struct {
	Written   int // lines, by the containers
	Read      int // lines, by the agent's own count
	Shipped   int // lines that the aggregator has, each counted once
	Chunks    int // that it has acknowledged
	Repeated  int // lines that it got once more
	Lost      int // lines that it did not get
	Changed   int // lines that it got otherwise than they were written
	Rotations int
	Flagged   map[string]int // lines that arrived with a finding, by rule
	Mails     int
	Samples   int // timings of the page
	CPU       time.Duration
	Peak      int64 // bytes of memory, at most; 0 where that is not known

	rules   []ruleRow
	wrong   int      // messages that were not understood
	metrics []string // some lines of the page
	took    time.Duration
}

type ruleRow struct {
	ruleTally
	counted int // by the agent
}

// Complete reports whether each line that was written has arrived, as it was
// written.
func (r *Result) Complete() bool { return r.Lost == 0 && r.Changed == 0 && r.wrong == 0 }

// finish waits until what was written has arrived, and looks at the metrics
// while there is an agent to ask.
func (d *demo) finish(ctx context.Context) Result {
	// Ctrl-C may have come while it was away.
	if err := d.aggregator.start(); err != nil {
		d.show.event(red, "outage", "%v", err)
	}
	limit, cancel := context.WithTimeout(ctx, d.drain)
	defer cancel()
	for pause(limit, 50*time.Millisecond) == nil && d.tally.counts().waiting > 0 {
	}
	r := Result{took: time.Since(d.show.start)}
	page, err := scrape(ctx, d.metrics)
	if err != nil {
		return r
	}
	read, _ := page.sum("logkeel_source_lines_total")
	r.Read = int(read)
	for name, t := range d.tally.rules() {
		counted, _ := page.sum("logkeel_findings_total", `rule="`+name+`"`)
		r.rules = append(r.rules, ruleRow{t, int(counted)})
	}
	for _, m := range []struct {
		name, part string
	}{
		{"logkeel_findings_total", `rule="PaymentDeclined"`},
		{"logkeel_output_records_total", ""},
		{"logkeel_http_time_seconds", `point="total"`},
	} {
		for line := range page.series(m.name, m.part) {
			r.metrics = append(r.metrics, line)
			break
		}
	}
	return r
}

// count takes the numbers that are final once the agent has ended.
func (d *demo) count(r *Result) {
	c := d.tally.counts()
	r.Written, r.Shipped, r.Repeated, r.Lost, r.Changed = c.written, c.arrived, c.repeated, c.waiting, c.strange
	r.Chunks, r.wrong = d.aggregator.counts()
	for _, c := range d.containers {
		r.Rotations += c.rotations()
	}
	r.Flagged = map[string]int{}
	for name, t := range d.tally.rules() {
		r.Flagged[name] = t.lines
	}
	slices.SortFunc(r.rules, func(a, b ruleRow) int { return strings.Compare(a.class+a.rule, b.class+b.rule) })
	d.mu.Lock()
	r.Mails = d.mails
	d.mu.Unlock()
	r.Samples = int(d.page.asks.Load())
	now := used()
	r.CPU, r.Peak = now.cpu-d.usage.cpu, now.peak
}

// conclude prints the summary.
func (d *demo) conclude(r Result) {
	s := d.show
	s.heading(fmt.Sprintf("Summary of %.1f s", r.took.Seconds()))
	row := func(name, value, note string) {
		s.print(strings.TrimRight(fmt.Sprintf("  %-14s %9s  %s", name, value, note), " ") + "\n")
	}
	row("lines written", thousands(r.Written), fmt.Sprintf("by %d containers; rotations of their logs: %d", len(d.containers), r.Rotations))
	row("read", thousands(r.Read), "as logkeel_source_lines_total counts")
	row("shipped", thousands(r.Shipped), "each with its number and text as written")
	row("acknowledged", thousands(r.Chunks), "chunks, all that came")
	note := ""
	if r.Repeated > 0 {
		note = "sent again, for the outage took their acknowledgement along"
	}
	row("repeated", thousands(r.Repeated), note)
	color := green
	if !r.Complete() {
		color = red
	}
	if note = ""; !d.gone.IsZero() {
		note = "  although the aggregator was away"
	}
	s.print(s.paint(color, fmt.Sprintf("  %-14s %9s", "lost", thousands(r.Lost))) + note + "\n")
	if r.Changed > 0 || r.wrong > 0 {
		row("wrong", thousands(r.Changed+r.wrong), "lines not as they were written, or messages not as they should be")
	}
	s.print("\n")
	row("flagged lines", "", "")
	for _, t := range r.rules {
		row("", thousands(t.lines), fmt.Sprintf("%-18s %-13s %-9s (/metrics: %s)", t.rule, t.class, t.severity, thousands(t.counted)))
	}
	s.print("\n")
	row("mails", thousands(r.Mails), "critical alerts only, as agent.yaml says")
	row("page", thousands(r.Samples), "timings")
	row("cost", fmt.Sprintf("%.2f s", r.CPU.Seconds()), fmt.Sprintf("of CPU, %.1f %% of one core; %d MiB of memory at most. With the stand-ins", 100*r.CPU.Seconds()/r.took.Seconds(), r.Peak>>20))
	s.print("\n")
	s.item("metrics", "http://%s/metrics had, at the end:", d.metrics)
	for _, line := range r.metrics {
		s.print("            " + escape(line) + "\n")
	}
	s.print("\n")
	switch {
	case r.Complete():
		s.print(s.paint(green, "Nothing was lost.") + " All has ended, and " + escape(d.dir) + " is removed.\n")
		s.print("Next: write your servers into agent.yaml, then bin/logkeel check, then bin/logkeel run\n")
	default:
		s.print(s.paint(red, "Something is missing: that is a bug, or the machine had no time for it.") + " " + escape(d.dir) + " is removed.\n")
	}
}

// usage is what the process has used so far.
type usage struct {
	cpu  time.Duration
	peak int64 // bytes
}

func used() (u usage) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) == nil {
		u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	// Rusage's own has the memory of who started this process as well.
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return u
	}
	for line := range bytes.Lines(b) {
		var kib int64
		if n, _ := fmt.Sscanf(string(line), "VmHWM: %d kB", &kib); n == 1 {
			u.peak = kib << 10
		}
	}
	return u
}
