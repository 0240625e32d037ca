package statuspage

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
)

const (
	linesMetric    = "logkeel_source_lines_total"
	unreadMetric   = "logkeel_source_unread_bytes"
	stalledMetric  = "logkeel_source_stalled_seconds"
	findingsMetric = "logkeel_findings_total"

	linesTrack, findingsTrack, severityTrack = "lines", "findings", "severities"

	// held up for so long, something is in trouble.
	tooLong = 30 * time.Second
)

// sourceLabels are what a log is known by.
var sourceLabels = []string{"source", "project", "service", "container"}

type logRow struct {
	Name, Detail string
	State        state
	Says         string
	Lines        string // in the last hour
	Findings     string // likewise, "" is none
	Unread       string
	Spark        spark
	Error        string

	lines, unread float64
	search        string
	sample        agent.Sample // that names it
	values        []float64    // lines by minutes
}

func sourceKey(s agent.Sample) string {
	key := make([]string, len(sourceLabels))
	for i, l := range sourceLabels {
		key[i] = label(s, l)
	}
	return strings.Join(key, "\x00")
}

// logs are those that were read since the agent began: first those that are not
// read on, then by how much came within the hour.
func (b *builder) logs() {
	lines, findings := b.lines, b.series(findingsTrack)
	unread, stalled := map[string]float64{}, map[string]agent.Sample{}
	for _, s := range b.now[unreadMetric] {
		unread[sourceKey(s)] = s.Value
	}
	for _, s := range b.now[stalledMetric] {
		stalled[sourceKey(s)] = s
	}
	total, behind := 0.0, 0.0
	var rows []logRow
	for _, s := range b.now[linesMetric] {
		key := sourceKey(s)
		row := logRow{State: ok, Says: "up to date", unread: unread[key], lines: added(lines[key]), sample: s, values: lines[key]}
		row.search = strings.ToLower(strings.ReplaceAll(key, "\x00", " "))
		if n := added(findings[key]); n > 0 {
			row.Findings = count(n)
		}
		if row.unread > 0 {
			row.State, row.Says, row.Unread = warn, "is read", size(row.unread)
		}
		if st := stalled[key]; st.Value > 0 {
			row.Says, row.Error = "held up for "+seconds(st.Value), text(st.Note, 200)
			if st.Value > tooLong.Seconds() {
				row.State = bad
			}
		}
		total, behind = total+s.Value, behind+row.unread
		rows = append(rows, row)
	}
	p := b.page
	p.LogsRead = count(total)
	p.LogsKnown = len(rows)
	if behind > 0 {
		p.LogsBehind = size(behind)
	}
	open, _ := b.now.sum("logkeel_sources")
	p.LogsOpen = count(open)
	held := 0
	for _, r := range rows {
		if r.State == bad {
			held++
		}
	}
	if held > 0 {
		b.trouble(of(held, "log")+" held up", "#logs", "")
	}
	if b.query != "" {
		rows = slices.DeleteFunc(rows, func(r logRow) bool { return !strings.Contains(r.search, strings.ToLower(b.query)) })
	}
	p.LogsFound = len(rows)
	slices.SortStableFunc(rows, func(x, y logRow) int {
		return cmp.Or(cmp.Compare(y.State/bad, x.State/bad), cmp.Compare(y.unread, x.unread), cmp.Compare(y.lines, x.lines), cmp.Compare(x.search, y.search))
	})
	p.Logs, p.LogsMore = cut(rows, maxLogs)
	for i := range p.Logs { // what takes time, of those that are shown only
		row := &p.Logs[i]
		row.Name, row.Detail = sourceName(row.sample)
		row.Lines, row.Spark = count(row.lines), sparkline(orZero(row.values), func(v float64) string { return count(v) + " lines a minute" })
	}
}

// sourceName is the container's name, or the collector's, and what else there is
// to say.
func sourceName(s agent.Sample) (string, string) {
	source, project, service, container := label(s, "source"), label(s, "project"), label(s, "service"), label(s, "container")
	detail := slices.DeleteFunc([]string{project, service}, func(v string) bool { return v == "" })
	if container == "" {
		return name(source), name(strings.Join(detail, " / "))
	}
	return name(container), name(source + ": " + cmp.Or(strings.Join(detail, " / "), "a container"))
}

// orZero is values with 0 where nothing was measured: of a log that is not there
// nothing comes.
func orZero(values []float64) []float64 {
	all := slices.Clone(values)
	for i, v := range all {
		if math.IsNaN(v) {
			all[i] = 0
		}
	}
	return all
}

func added(values []float64) (sum float64) {
	for _, v := range values {
		if !math.IsNaN(v) {
			sum += v
		}
	}
	return sum
}

// severities are drawn from the gravest up.
var severities = []string{"critical", "warning", "info"}

// plots are what came, and what was found, by minutes.
func (b *builder) plots() {
	start := b.at.Truncate(time.Minute).Add(-(steps - 1) * time.Minute)
	total := make([]float64, steps)
	for _, values := range b.lines {
		for i, v := range values {
			if !math.IsNaN(v) {
				total[i] += v
			}
		}
	}
	lines := b.plot("lines", "Lines a minute", start, []layer{{"lines", "lines", total}})
	lines.Now = count(added(total)) + " in the last hour"
	if lines.Bars == nil {
		lines.Empty = "No line came in the last hour."
	}
	var layers []layer
	by := b.sparks(severityTrack, history.Sum)
	findings := 0.0
	for _, severity := range severities {
		values := by[severity]
		if values == nil {
			values = make([]float64, steps)
		}
		delete(by, severity)
		layers = append(layers, layer{severity, severity, values})
	}
	for _, values := range by { // what is of no severity that is known
		for i, v := range orZero(values) {
			layers[2].values[i] = max(0, layers[2].values[i]) + v
		}
	}
	found := b.plot("findings", "Findings a minute", start, layers)
	for _, l := range layers {
		n := added(l.values)
		found.Legend = append(found.Legend, legend{l.class, l.name, count(n)})
		findings += n
	}
	found.Now = count(findings) + " in the last hour"
	if found.Bars == nil {
		found.Empty = "No rule found anything in the last hour."
	}
	b.page.Plots = []plot{lines, found}
}

func (b *builder) plot(id, title string, start time.Time, layers []layer) plot {
	p := plot{ID: id, Title: title, From: b.clock(start), To: b.clock(b.at)}
	all, top := bars(layers, start, time.Minute, b.at.Location(), "")
	p.Bars, p.Top = all, brief(top)
	p.Says = title + " over the last hour, at most " + count(top)
	return p
}
