package report

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	sourceLines = "logkeel_source_lines_total"
	notices     = "logkeel_notifications_total"
	held        = "logkeel_notifications_held"
	muted       = "logkeel_alerts_muted_total"
)

// silent are the logs of which nothing came, and did before.
func (s *summarizer) silent() {
	if s.partial {
		return
	}
	var items []Item
	for _, key := range slices.Sorted(maps.Keys(s.before.of(sourceLines))) {
		was := s.before.of(sourceLines)[key]
		if now := s.p.of(sourceLines)[key]; was.Sum < 1 || now != nil && now.Sum > 0 || strings.HasPrefix(key, other) {
			continue
		}
		items = append(items, Item{Name: source(key), Value: "no line", Change: "was " + count(was.Sum), Trend: Worse})
	}
	if len(items) > 0 {
		s.head = append(s.head, of(float64(len(items)), "silent log"))
	}
	items, note := s.cut(items, "")
	s.section("Silent logs", note, items)
}

// source is a log's name: the container's, or the collector's with what it says.
func source(key string) string {
	l := labels(key) // source, project, service, container
	if l[3] != "" {
		return l[3]
	}
	return strings.Join(slices.DeleteFunc([]string{l[0], l[1], l[2]}, func(v string) bool { return v == "" }), " ")
}

// with says which series have one of the values in the label at.
func with(at int, values ...string) func([]string) bool {
	return func(l []string) bool { return at < len(l) && slices.Contains(values, l[at]) }
}

// mails are what people were sent, and what they were not. Other notifiers count
// their tries under the same name.
func (s *summarizer) mails() {
	var items []Item
	add := func(name, metric string, where func([]string) bool, bad Trend) {
		if !s.p.has(metric) {
			return
		}
		now, was := s.p.sum(metric, where), s.before.sum(metric, where)
		if bad > Same && now == 0 && was == 0 {
			return
		}
		it := s.item(name, now, was, 1, count)
		if it.Trend = Same; now > 0 {
			it.Trend = bad
		}
		items = append(items, it)
	}
	add("sent", "logkeel_email_sent_total", nil, Same)
	if n := highs(s.p, held); n > 0 {
		it := s.item("held back by the limit, at most at once", n, highs(s.before, held), 1, count)
		it.Trend = Worse
		items = append(items, it)
	}
	if s.p.sum(muted, nil) > 0 {
		add("alerts not told: silenced, or another one explains them", muted, nil, Same)
	}
	add("tries that failed", notices, with(1, "failed"), Worse)
	add("refused by the server", notices, with(1, "refused"), Worse)
	add("given up", notices, with(1, "dropped"), Bad)
	add("recipients who did not get one", "logkeel_email_recipients_refused_total", nil, Worse)
	add("alerts told together, for they were too many", "logkeel_alerts_folded_total", nil, Worse)
	add("alerts that nobody was told of", "logkeel_alerts_dropped_total", nil, Bad)
	if n := lasts(s.p, "logkeel_notifications_pending"); n > 0 {
		items = append(items, Item{Name: "wait to be told", Value: count(n)})
	}
	s.section("Mails and other notices", "", items)
}

// lasts adds up what a gauge had last.
func lasts(p *Period, metric string) (sum float64) {
	for _, one := range p.of(metric) {
		sum += one.Last
	}
	return sum
}

// highs adds up what a gauge had at most.
func highs(p *Period, metric string) (sum float64) {
	for _, one := range p.of(metric) {
		sum += one.High
	}
	return sum
}

// agent is how the agent itself did.
func (s *summarizer) agent() {
	length := s.p.length(s.Now)
	up := 1.0
	if length-s.p.Observed > unnoticed {
		up = float64(s.p.Observed) / float64(length)
	}
	items := []Item{{Name: "up", Value: percent(up)}}
	if length-s.p.Observed > time.Hour {
		items[0].Trend = Worse
	}
	if s.p.Begun > 0 {
		items[0].Detail = "started " + times(s.p.Begun)
	}
	if n := s.p.sum(sourceLines, nil); n > 0 {
		it := s.item("lines read", n, s.before.sum(sourceLines, nil), 0, count)
		it.Trend = Same
		items = append(items, it)
	}
	if s.p.has("logkeel_output_records_total") {
		it := s.item("records shipped", s.p.sum("logkeel_output_records_total", nil), s.before.sum("logkeel_output_records_total", nil), 0, count)
		it.Trend = Same
		items = append(items, it)
	}
	trouble := func(name string, trend Trend, detail string, metrics ...string) {
		var now, was float64
		for _, m := range metrics {
			now, was = now+s.p.sum(m, nil), was+s.before.sum(m, nil)
		}
		if now == 0 && was == 0 {
			return
		}
		it := s.item(name, now, was, 1, count)
		if it.Detail, it.Trend = detail, Same; now > 0 {
			it.Trend = trend
		}
		items = append(items, it)
	}
	trouble("gaps: places where lines may be missing", Bad, "the agent's log says where", "logkeel_tail_gaps_total", "logkeel_docker_logs_gaps_total")
	trouble("records lost by a full or damaged spool", Bad, "", "logkeel_spool_dropped_records_total")
	trouble("records put aside, for the receiver does not take them", Bad, "they are in the dead-letter file", "logkeel_output_dead_letter_records_total")
	trouble("failed writes of the agent's state", Bad, "", "logkeel_alerts_write_errors_total", "logkeel_positions_write_errors_total")
	trouble("parts that failed and were started again", Worse, s.which("logkeel_component_restarts_total"), "logkeel_component_restarts_total")
	trouble("heartbeats that failed", Worse, "", "logkeel_heartbeat_failed_total")
	trouble("snapshots that failed", Worse, s.which("logkeel_sampler_errors_total"), "logkeel_sampler_errors_total")
	if r := s.p.of("logkeel_config_last_reload_successful")[""]; r != nil && (r.Falls > 0 || r.Last == 0) {
		it := Item{Name: "reloads that failed", Value: strconv.FormatUint(max(1, r.Falls), 10), Detail: "a good one came after", Trend: Same}
		if r.Last == 0 {
			it.Detail, it.Trend = "the newest configuration is wrong, and an older one in use", Bad
		}
		items = append(items, it)
	}
	items = append(items, s.spools()...)
	s.section("The agent", "", items)
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return strconv.Itoa(n) + " times"
}

// which names the three that a metric of kind and name has most of.
func (s *summarizer) which(metric string) string {
	sums := map[string]float64{}
	for key, one := range s.p.of(metric) {
		if one.Sum > 0 {
			sums[strings.Join(labels(key), " ")] += one.Sum
		}
	}
	var says []string
	for _, name := range top(sums, 3) {
		says = append(says, name+" "+count(sums[name]))
	}
	return strings.Join(says, ", ")
}

// spools are how full they were at most.
func (s *summarizer) spools() (items []Item) {
	for _, key := range slices.Sorted(maps.Keys(s.p.of("logkeel_spool_bytes"))) {
		used, most := s.p.of("logkeel_spool_bytes")[key], s.p.of("logkeel_spool_max_bytes")[key]
		if most == nil || most.Last <= 0 {
			continue
		}
		share := used.High / most.Last
		if share < 0.01 {
			continue // an empty one has its files, too
		}
		it := Item{Name: "spool of " + strings.Trim(strings.Join(labels(key), " "), " "), Value: "up to " + percent(share), Detail: size(used.High) + " of " + size(most.Last)}
		if share >= 0.5 {
			it.Trend = Worse
		}
		items = append(items, it)
	}
	items, _ = s.cut(items, "")
	return items
}
