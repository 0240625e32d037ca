package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/cmd/doctor"
	"github.com/webgrip/logkeel/collectors"
	"github.com/webgrip/logkeel/outputs/prometheus"
	"github.com/webgrip/logkeel/outputs/statuspage"
)

// A status is how a running agent does. Its JSON members are stable.
type status struct {
	Health   string    `json:"health"` // ok, warning or failed
	Problems []problem `json:"problems"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`

	StateDir  stateStatus  `json:"state_dir"`
	Config    configStatus `json:"config"`
	Sources   sourceStatus `json:"sources"`
	Findings  []ruleCount  `json:"findings"` // since the start, the most first
	Alerts    []alertCount `json:"alerts"`
	Samplers  []sampler    `json:"samplers"`
	Outputs   []output     `json:"outputs"`
	LastHour  *hour        `json:"last_hour,omitempty"` // where there is a status page, which keeps it
	Measuring float64      `json:"measured_seconds"`    // between the two looks that rates come of
}

type problem struct {
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	Do   string `json:"do,omitempty"`
}

type stateStatus struct {
	Path      string    `json:"path"`
	Locked    bool      `json:"locked"`
	PID       int       `json:"pid,omitempty"`
	Positions time.Time `json:"positions_written"` // when places in logs were last written
}

type configStatus struct {
	Taken  time.Time `json:"taken"`
	Newest bool      `json:"newest"` // there is no newer one that is wrong
}

type sourceStatus struct {
	Open           int      `json:"open"`
	Lines          float64  `json:"lines_total"`
	LinesPerSecond float64  `json:"lines_per_second"`
	UnreadBytes    float64  `json:"unread_bytes"`
	Behind         []source `json:"behind"` // the most first
}

type source struct {
	Name           string  `json:"name"`
	UnreadBytes    float64 `json:"unread_bytes"`
	StalledSeconds float64 `json:"stalled_seconds"`
}

type ruleCount struct {
	Rule     string  `json:"rule"`
	Severity string  `json:"severity"`
	Count    float64 `json:"count"`
}

type alertCount struct {
	Rule     string  `json:"rule"`
	Severity string  `json:"severity"`
	State    string  `json:"state"` // firing, inhibited or pending
	Count    float64 `json:"count"`
}

type sampler struct {
	Kind     string  `json:"kind"`
	Target   string  `json:"target"`
	Up       bool    `json:"up"`
	Seconds  float64 `json:"duration_seconds"`
	Failures float64 `json:"failures_in_a_row"`
	Error    string  `json:"error,omitempty"` // as a snapshot that was taken just now says it
}

type output struct {
	Name             string  `json:"name"`
	Up               bool    `json:"up"`
	Connected        *bool   `json:"connected,omitempty"` // of those that keep a connection
	RecordsPerSecond float64 `json:"records_per_second"`
	QueueBytes       float64 `json:"queue_bytes"`
	SpoolBytes       float64 `json:"spool_bytes"`
	SpoolMaxBytes    float64 `json:"spool_max_bytes"`
	LagSeconds       float64 `json:"lag_seconds"` // age of the oldest record that is not safe
	StalledSeconds   float64 `json:"stalled_seconds"`
	Pending          float64 `json:"notifications_pending"`
	Dropped          float64 `json:"dropped_records"`
	// When the receiver last acknowledged records, or took a notice, since the start.
	LastAcknowledged time.Time `json:"last_acknowledged,omitzero"`
}

// statusOf makes a status of two pages of metrics, the earlier one first.
func statusOf(l *loaded, before, now *scraped) *status {
	s := &status{Measuring: now.at.Sub(before.at).Seconds(), Problems: []problem{}, Findings: []ruleCount{}, Alerts: []alertCount{}, Samplers: []sampler{}, Outputs: []output{}}
	now.each("logkeel_build_info", func(labels map[string]string, _ float64) { s.Version = labels["version"] })
	s.Started = unixTime(now.sum("process_start_time_seconds"))
	h := agent.Holder(l.StateDir)
	s.StateDir = stateStatus{Path: l.StateDir, Locked: h.Locked, PID: h.PID}
	if info, err := os.Stat(filepath.Join(l.StateDir, "positions.jsonl")); err == nil {
		s.StateDir.Positions = info.ModTime()
	}
	s.Config = configStatus{unixTime(now.sum("logkeel_config_last_reload_success_timestamp_seconds")), now.sum("logkeel_config_last_reload_successful") == 1}
	s.sources(before, now)
	s.judged(now)
	s.outputs(before, now)
	return s
}

func unixTime(v float64) time.Time { return time.UnixMilli(int64(v * 1000)) }

func (s *status) rate(before, now float64) float64 {
	if s.Measuring <= 0 {
		return 0
	}
	return max(0, now-before) / s.Measuring
}

func (s *status) sources(before, now *scraped) {
	const lines, unread, stalled = "logkeel_source_lines_total", "logkeel_source_unread_bytes", "logkeel_source_stalled_seconds"
	o := sourceStatus{Open: int(now.sum("logkeel_sources")), Lines: now.sum(lines), UnreadBytes: now.sum(unread), Behind: []source{}}
	o.LinesPerSecond = s.rate(before.sum(lines), o.Lines)
	at := map[string]*source{}
	add := func(labels map[string]string) *source {
		name := strings.Trim(labels["source"]+" "+cmp.Or(labels["container"], labels["service"]), " ")
		if at[name] == nil {
			at[name] = &source{Name: name}
		}
		return at[name]
	}
	now.each(unread, func(labels map[string]string, v float64) { add(labels).UnreadBytes += v })
	now.each(stalled, func(labels map[string]string, v float64) {
		n := add(labels)
		n.StalledSeconds = max(n.StalledSeconds, v)
	})
	for _, one := range at {
		if one.UnreadBytes > 0 || one.StalledSeconds > 0 {
			o.Behind = append(o.Behind, *one)
		}
	}
	slices.SortFunc(o.Behind, func(a, b source) int {
		return cmp.Or(cmp.Compare(b.StalledSeconds, a.StalledSeconds), cmp.Compare(b.UnreadBytes, a.UnreadBytes), cmp.Compare(a.Name, b.Name))
	})
	s.Sources = o
}

// judged tells of findings, alerts and samplers.
func (s *status) judged(now *scraped) {
	findings := map[ruleCount]float64{}
	now.each("logkeel_findings_total", func(l map[string]string, v float64) {
		findings[ruleCount{Rule: l["rule"], Severity: l["severity"]}] += v
	})
	for r, n := range findings {
		if r.Count = n; n > 0 {
			s.Findings = append(s.Findings, r)
		}
	}
	slices.SortFunc(s.Findings, func(a, b ruleCount) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Rule, b.Rule)) })
	now.each("logkeel_alerts", func(l map[string]string, v float64) {
		if v > 0 {
			s.Alerts = append(s.Alerts, alertCount{l["rule"], l["severity"], l["state"], v})
		}
	})
	slices.SortFunc(s.Alerts, func(a, b alertCount) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Rule, b.Rule))
	})
	now.each("logkeel_sampler_up", func(l map[string]string, v float64) {
		of := []string{"kind", l["kind"], "target", l["target"]}
		s.Samplers = append(s.Samplers, sampler{
			Kind: l["kind"], Target: l["target"], Up: v == 1,
			Seconds: now.sum("logkeel_sampler_duration_seconds", of...), Failures: now.sum("logkeel_sampler_failures_in_a_row", of...),
		})
	})
}

func (s *status) outputs(before, now *scraped) {
	const records = "logkeel_output_records_total"
	now.each("logkeel_component_up", func(l map[string]string, v float64) {
		if l["kind"] != "output" {
			return
		}
		of := []string{"output", l["name"]}
		o := output{
			Name: l["name"], Up: v == 1, RecordsPerSecond: s.rate(before.sum(records, of...), now.sum(records, of...)),
			QueueBytes: now.sum("logkeel_output_queue_bytes", of...), LagSeconds: now.sum("logkeel_output_lag_seconds", of...),
			SpoolBytes: now.sum("logkeel_spool_bytes", of...), SpoolMaxBytes: now.sum("logkeel_spool_max_bytes", of...),
			Pending: now.sum("logkeel_notifications_pending", of...), Dropped: now.sum("logkeel_spool_dropped_records_total", of...),
		}
		for _, metric := range []string{
			"logkeel_output_last_acknowledged_timestamp_seconds", "logkeel_notifications_last_success_timestamp_seconds", "logkeel_heartbeat_last_success_timestamp_seconds",
		} {
			if at := unixTime(now.sum(metric, of...)); at.Unix() > 0 && at.After(o.LastAcknowledged) {
				o.LastAcknowledged = at
			}
		}
		now.each("logkeel_output_stalled_seconds", func(k map[string]string, v float64) {
			if k["output"] == o.Name {
				o.StalledSeconds = max(o.StalledSeconds, v)
			}
		})
		now.each("logkeel_output_connected", func(k map[string]string, v float64) {
			if c := v == 1; k["output"] == o.Name {
				o.Connected = &c
			}
		})
		s.Outputs = append(s.Outputs, o)
	})
}

// An hour is how the last one went.
type hour = statuspage.Hour

// hour asks for it; it stays nil where there is no status page.
func (s *status) hour(ctx context.Context, c *prometheus.Config) {
	if !c.StatusPage {
		return
	}
	res, err := ask(ctx, c, statuspage.HourPath)
	if err != nil {
		return
	}
	defer res.Body.Close()
	var h hour
	if res.StatusCode == http.StatusOK && json.NewDecoder(io.LimitReader(res.Body, maxHour)).Decode(&h) == nil {
		s.LastHour = &h
	}
}

// maxHour bounds what is read of it, in bytes.
const maxHour = 64 << 10

// explain looks at the samplers that are down, for the page has no texts.
func (s *status) explain(ctx context.Context, l *loaded) {
	var down []agent.Checkup
	for _, c := range collectors.Checkups(l.Collectors, l.baseDir, l.StateDir, true) {
		if slices.ContainsFunc(s.Samplers, func(m sampler) bool { return !m.Up && m.Kind == c.Kind && m.Target == c.Name }) {
			down = append(down, c)
		}
	}
	for _, p := range doctor.Run(ctx, down, scrapeTimeout, func([]string) {}) {
		d := p.Diagnoses[0]
		for i := range s.Samplers {
			m := &s.Samplers[i]
			if m.Kind != p.Kind || m.Target != p.Name || d.Health < agent.Warned {
				continue
			}
			m.Error = cmp.Or(d.Why, d.What)
			s.Problems = append(s.Problems, problem{fmt.Sprintf("%s: %s", p.Title(), d.What), d.Why, d.Do})
		}
	}
}
