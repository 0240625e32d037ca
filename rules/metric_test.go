package rules

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// page is what the metrics are, but for those of alerts, sorted.
func (b *bench) page(prefix string) string {
	var lines []string
	b.Meter(func(s agent.Sample) {
		if !strings.HasPrefix(s.Name, prefix) {
			return
		}
		var labels []string
		for _, l := range s.Labels {
			labels = append(labels, l.Name+"="+l.Value)
		}
		line := fmt.Sprintf("%s{%s} %v", s.Name, strings.Join(labels, ","), s.Value)
		for _, k := range s.Buckets {
			line += fmt.Sprintf(" %v:%d", k.Upper, k.Count)
		}
		if s.Type == agent.Histogram {
			line += fmt.Sprintf(" of %d", s.Count)
		}
		lines = append(lines, line)
	})
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func metricRules(t *testing.T) []loaded {
	return rulesOf(t,
		`match: 'status=(?P<status>\d+) rt=(?P<rt>\S+)', alert: false, metric: {name: shop_seconds, histogram: rt, buckets: [100ms, 1], labels: [status, service]}`,
		`match: 'paid (?P<amount>\S+)', by: [amount], metric: {name: shop_paid_total, counter: amount}`,
		`match: 'queue=(?P<n>\S+)', alert: false, metric: {name: shop_queue, gauge: n, labels: [log], help: Waiting.}`,
		`match: [paid, queue], alert: false, metric: {name: shop_lines_total, counter: true, labels: [service]}`,
		`match: status, alert: false, metric: {name: shop_lines_total, counter: true, labels: [service]}`,
	)
}

func TestMetrics(t *testing.T) {
	b := newBench(t, metricRules(t)...)
	b.log("app-1", b.wall, "status=200 rt=62.5ms", "status=200 rt=1", "status=500 rt=3 s", "status=200 rt=-", "paid 12.5", "paid -1", "paid 2KB", "queue=7", "fine")
	b.log("app-2", b.wall, "status=200 rt=0.0625", "queue=2")
	b.log("app-1", b.wall, "queue=3")
	b.tick()
	want := `shop_lines_total{service=app} 11
shop_paid_total{} 2012.5
shop_queue{log=app-1} 3
shop_queue{log=app-2} 2
shop_seconds{service=app,status=200} 1.125 0.1:2 1:3 of 3
shop_seconds{service=app,status=500} 3 0.1:0 1:0 of 1`
	if got := b.page("shop_"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if got := b.page("logkeel_rule_metric_skipped"); !strings.Contains(got, "{metric=shop_seconds} 1") || !strings.Contains(got, "{metric=shop_paid_total} 1") || !strings.Contains(got, "{metric=shop_queue} 0") {
		t.Error(got)
	}
	if got := b.told.firingKeys(); got != "-1 12.5 2KB" {
		t.Errorf("%q fires: only the rule that may", got)
	}
	b.reload()
	b.log("app-1", b.wall, "queue=4", "status=500 rt=3 s")
	want = strings.NewReplacer("app} 11", "app} 13", "app-1} 3", "app-1} 4", "500} 3 0.1:0 1:0 of 1", "500} 6 0.1:0 1:0 of 2").Replace(want)
	if got := b.page("shop_"); got != want {
		t.Errorf("after a reload:\n%s\nwant:\n%s", got, want)
	}
	b.rules = metricRules(t)
	b.rules[2].metric.metric.labels, b.rules[2].metric.labels = nil, nil
	b.reload()
	if got := b.page("shop_"); strings.Contains(got, "shop_queue") || !strings.Contains(got, "service=app} 13") {
		t.Errorf("a metric that has changed goes on, or another does not:\n%s", got)
	}
}

// What was judged is not counted once more.
func TestMetricsCountOnce(t *testing.T) {
	b := newBench(t, metricRules(t)...)
	src := sourceNamed("app-1")
	batch := &agent.Batch{Source: src, Pos: agent.Position{Epoch: 1, Offset: 3}}
	for range 3 {
		appendRecord(batch, "queue=7")
	}
	b.set.Match(batch)
	b.Records(batch, 2)
	if got := b.page("shop_lines_total"); got != "shop_lines_total{service=app} 1" {
		t.Error(got)
	}
}

func TestMetricsAreBounded(t *testing.T) {
	var said strings.Builder
	b := newBench(t, rulesOf(t, `match: 'from (?P<ip>.*)', alert: false, metric: {name: x_total, counter: true, labels: [ip, service], max_series: 3}`)...)
	b.Alerts.log = slog.New(slog.NewTextHandler(&said, nil))
	for i := range 10 {
		b.log("app", b.wall, fmt.Sprintf("from %d", i), "from 0")
	}
	want := "x_total{ip=(other),service=(other)} 7\nx_total{ip=0,service=app} 11\nx_total{ip=1,service=app} 1\nx_total{ip=2,service=app} 1"
	if got := b.page("x_total"); got != want {
		t.Errorf("got:\n%s", got)
	}
	if got := b.page("logkeel_rule_metric_overflow"); got != "logkeel_rule_metric_overflow_total{metric=x_total} 7" {
		t.Error(got)
	}
	if n := strings.Count(said.String(), "more sets of labels"); n != 1 {
		t.Errorf("said %d times", n)
	}
	c := newBench(t, rulesOf(t, `match: '(?s)from (?P<ip>.*)', alert: false, metric: {name: x_total, counter: true, labels: [ip]}`)...)
	c.log("app", c.wall, "from \x00a\xff"+strings.Repeat("b", 300))
	if got, want := c.page("x_total"), `x_total{ip=\x00a\ufffd`+strings.Repeat("b", 197)+"} 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
