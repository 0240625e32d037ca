package statuspage

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

type outputRow struct {
	Name   string
	State  state
	Says   string
	Facts  []fact
	Spool  *gauge // nil: it has none
	Error  string
	Losses []fact // what went wrong since the agent began
}

// A gauge is how full something is.
type gauge struct {
	Width, Says string
	State       state
}

// A measure is a metric of outputs.
type measure struct {
	metric, name string
	show         func(float64) string
	always       bool // also where it is 0
}

// gauges and losses are of one output, whatever its kind.
var gauges = []measure{
	{"logkeel_output_records_total", "records acknowledged", count, true},
	{"logkeel_output_chunks_acknowledged_total", "chunks acknowledged", count, true},
	{"logkeel_output_inflight_chunks", "chunks in flight", count, true},
	{"logkeel_output_queue_chunks", "chunks queued", count, false},
	{"logkeel_output_queue_bytes", "queue", size, true},
	{"logkeel_output_lag_seconds", "oldest in memory", seconds, false},
	{"logkeel_email_sent_total", "mails sent", count, true},
	{"logkeel_webhook_sent_total", "notices taken", count, true},
	{"logkeel_alertmanager_sent_total", "alerts taken", count, true},
	{"logkeel_heartbeat_sent_total", "heartbeats", count, true},
	{"logkeel_notifications_pending", "wait to be told", count, true},
	{"logkeel_notifications_held", "held by max_per_hour", count, false},
	{"logkeel_alerts_muted", "muted now", count, false},
	{"logkeel_reports_pending", "reports due", count, false},
}

var losses = []measure{
	{"logkeel_output_chunks_unacknowledged_total", "chunks sent again", count, false},
	{"logkeel_output_ack_timeouts_total", "acknowledgements that did not come", count, false},
	{"logkeel_output_errors_total", "connections that failed", count, false},
	{"logkeel_output_dead_letter_records_total", "records put aside", count, false},
	{"logkeel_output_dropped_records_total", "records dropped", count, false},
	{"logkeel_spool_dropped_records_total", "records lost by the spool", count, false},
	{"logkeel_spool_write_errors_total", "failed writes of the spool", count, false},
	{"logkeel_email_recipients_refused_total", "recipients refused", count, false},
	{"logkeel_alertmanager_failed_total", "tries that failed", count, false},
	{"logkeel_alertmanager_refused_total", "alerts refused", count, false},
	{"logkeel_alertmanager_dropped_total", "alerts dropped", count, false},
	{"logkeel_heartbeat_failed_total", "heartbeats not taken", count, false},
	{"logkeel_alerts_folded_total", "alerts told together", count, false},
}

// outputs are all of them, those in trouble first.
func (b *builder) outputs() {
	var rows []outputRow
	for _, s := range b.now["logkeel_component_up"] {
		if label(s, "kind") != "output" {
			continue
		}
		rows = append(rows, b.output(label(s, "name"), s.Value == 1))
	}
	slices.SortStableFunc(rows, func(x, y outputRow) int { return cmp.Or(cmp.Compare(y.State, x.State), cmp.Compare(x.Name, y.Name)) })
	b.page.Outputs, b.page.OutputsMore = cut(rows, maxOutputs)
}

func (b *builder) output(output string, up bool) outputRow {
	row := outputRow{Name: name(output), State: ok, Says: "works"}
	for _, m := range gauges {
		if v, there := b.now.sum(m.metric, "output", output); there && (m.always || v != 0) {
			row.Facts = append(row.Facts, fact{m.name, m.show(v)})
		}
	}
	for _, result := range []string{"failed", "refused", "dropped"} {
		if v, _ := b.now.sum("logkeel_notifications_total", "output", output, "result", result); v > 0 {
			row.Losses = append(row.Losses, fact{"notices " + result, count(v)})
		}
	}
	for _, m := range losses {
		if v, _ := b.now.sum(m.metric, "output", output); v > 0 {
			row.Losses = append(row.Losses, fact{m.name, m.show(v)})
		}
	}
	row.Spool = b.spool(output)
	if v, _, there := b.now.most("logkeel_output_connected", "output", output); there && v == 0 {
		row.State, row.Says = warn, "not connected"
	}
	if v, _, there := b.now.most("logkeel_heartbeat_alive", "output", output); there && v == 0 {
		row.State, row.Says = bad, "says that the agent is not well"
	}
	if row.Spool != nil {
		row.State = max(row.State, row.Spool.State)
	}
	if d, why, _ := b.now.most("logkeel_output_stalled_seconds", "output", output); d > 0 {
		row.State, row.Says, row.Error = warn, "has brought away nothing for "+seconds(d), text(why, 300)
		if d > tooLong.Seconds() {
			row.State = bad
			b.trouble("Output "+row.Name+" "+row.Says, "#outputs", row.Error)
		}
	}
	if d, why, _ := b.now.most("logkeel_component_failing_seconds", "kind", "output", "name", output); d > 0 || !up {
		row.State, row.Says, row.Error = bad, "failed, and is started again", cmp.Or(text(why, 300), row.Error)
		if d <= 0 {
			row.Says = "does not run"
		}
	}
	return row
}

func (b *builder) spool(output string) *gauge {
	ratio, _, there := b.now.most("logkeel_spool_used_ratio", "output", output)
	used, _ := b.now.sum("logkeel_spool_bytes", "output", output)
	most, _ := b.now.sum("logkeel_spool_max_bytes", "output", output)
	if !there {
		return nil
	}
	g := &gauge{Width: num(max(0, min(1, ratio)) * 100), Says: size(used) + " of " + size(most) + " (" + percent(ratio) + ")"}
	if frames, _ := b.now.sum("logkeel_spool_frames", "output", output); frames > 0 {
		g.Says += ", " + of(int(frames), "frame")
	}
	switch {
	case ratio > 0.9:
		g.State = bad
	case ratio > 0.5:
		g.State = warn
	}
	return g
}

// agent is what is wrong with the agent itself.
func (b *builder) agent() {
	for _, s := range b.now["logkeel_component_failing_seconds"] {
		if s.Value > 0 {
			b.trouble(name(title(label(s, "kind"))+" "+label(s, "name"))+" has failed for "+seconds(s.Value), anchor(label(s, "kind")), text(s.Note, 300))
		}
	}
	for _, s := range b.now["logkeel_state_unwritten_seconds"] {
		if s.Value > 0 {
			b.trouble("State of "+name(label(s, "part"))+" could not be written for "+seconds(s.Value), "#agent", text(s.Note, 300))
		}
	}
	for _, s := range b.now["logkeel_docker_up"] {
		if s.Value == 0 {
			b.trouble("The Docker engine does not answer", "#logs", text(s.Note, 300))
		}
	}
	for _, m := range []struct{ metric, says string }{
		{"logkeel_tail_gaps_total", "places where lines may be missing"},
		{"logkeel_docker_logs_gaps_total", "places where lines may be missing, in logs from the engine"},
		{"logkeel_tail_logs_without_descriptor", "logs not read for want of file descriptors"},
		{"logkeel_alerts_dropped_total", "alerts nobody was told of"},
		{"logkeel_alerts_write_errors_total", "failed writes of what the rules have counted"},
		{"logkeel_positions_write_errors_total", "failed writes of positions"},
		{"logkeel_sampler_records_dropped_total", "records of samplers dropped"},
		{"logkeel_component_restarts_total", "times a part failed and was started again"},
	} {
		if v, _ := b.now.sum(m.metric); v > 0 {
			b.page.Since = append(b.page.Since, fact{m.says, count(v)})
		}
	}
	if v, _ := b.now.sum("logkeel_silences"); v > 0 {
		b.page.Silences = strconv.Itoa(int(v))
	}
}

// title is the kind of a part as a sentence begins.
func title(kind string) string {
	switch kind {
	case "output":
		return "Output"
	case "collector":
		return "Collector"
	}
	return "Part"
}

func anchor(kind string) string {
	switch kind {
	case "output":
		return "#outputs"
	case "collector":
		return "#logs"
	}
	return "#agent"
}

// clock is a time of the day.
func (b *builder) clock(t time.Time) string { return t.In(b.at.Location()).Format("15:04") }
