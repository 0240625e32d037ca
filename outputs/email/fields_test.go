package email

import (
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

func TestPlot(t *testing.T) {
	r := &newComposer(t).renderer
	counts := func(n ...uint64) []uint64 { return n }
	for _, tt := range []struct {
		start              time.Time
		step               time.Duration
		counts             []uint64
		title, from, to    string
		text               string
		highest, bars, low int
	}{
		{clock(0, 0), 10 * time.Second, counts(0, 1, 8, 4), "Over time, at most 8 in 10s", "03:00:00", "03:00:40", "·▁█▄", barHeight, 4, 0},
		{clock(0, 0), time.Minute, counts(1, 1), "Over time, at most 1 in 1m0s", "03:00", "03:02", "██", barHeight, 2, barHeight},
		{clock(0, 0), 20 * time.Hour, counts(1, 1000), "Over time, at most 1000 in 20h0m0s", "01-09 03:00", "01-10 19:00", "▁█", barHeight, 2, 2},
		{clock(0, 0), time.Second, slices.Repeat(counts(1), 240), "Over time, at most 4 in 4s", "03:00:00", "03:04:00", strings.Repeat("█", 60), barHeight, 60, barHeight},
		{clock(0, 0), time.Second, append(slices.Repeat(counts(0), 60), math.MaxUint64, math.MaxUint64), "Over time, at most 18446744073709551615 in 2s", "03:00:00", "03:01:02", strings.Repeat("·", 30) + "█", barHeight, 31, 0},
	} {
		p := r.plot(&agent.Timeline{Start: tt.start, Step: tt.step, Counts: tt.counts}, "#000", true)
		if p == nil {
			t.Errorf("no plot of %v", tt.counts)
			continue
		}
		if p.Title != tt.title || p.From != tt.from || p.To != tt.to || p.Text != tt.text || len(p.Bars) != tt.bars || slices.Max(p.Bars) != tt.highest || slices.Min(p.Bars) != tt.low {
			t.Errorf("%v is %+v; want %+v", tt.counts, p, tt)
		}
		if width := len(p.Bars) * (p.Width + 1); width > barsWidth {
			t.Errorf("%d bars are %d pixels wide", len(p.Bars), width)
		}
		if p := r.plot(&agent.Timeline{Start: tt.start, Step: tt.step, Counts: tt.counts}, "#000", false); p.Bars != nil {
			t.Errorf("bars: %v", p.Bars)
		}
	}
	for _, none := range []*agent.Timeline{nil, {Step: time.Second}, {Step: time.Second, Counts: counts(5)}, {Step: time.Second, Counts: counts(0, 0)}, {Counts: counts(1, 2)}, {Step: -1, Counts: counts(1, 2)}, {Step: math.MaxInt64, Counts: counts(1, 2)}} {
		if p := r.plot(none, "#000", true); p != nil {
			t.Errorf("%v is %+v", none, p)
		}
	}
}

func TestMeasured(t *testing.T) {
	for _, tt := range []struct {
		condition string
		value     float64
		want      string
	}{
		{"redis_up == 0 for 1m", 0, "0"},
		{"probe_duration_seconds > 1.5 for 3m", 2.3456, "2.35 s (limit 1.5 s)"},
		{"probe_duration_seconds > 0.25", 0.0004, "400 µs (limit 250 ms)"},
		{"job_seconds > 3600", 7265, "2h1m (limit 1h0m)"},
		{"redis_memory_used_bytes > 1073741824 for 5m", 1.5 * (1 << 30), "1.5 GiB (limit 1 GiB)"},
		{"rate(net_bytes_total[5m]) > 1048576", 2 << 20, "2 MiB/s (limit 1 MiB/s)"},
		{"rate(cpu_seconds_total[5m]) > 0.9", 1.25, "1.25 (limit 0.9)"},
		{"delta(redis_evicted_keys_total[5m]) > 10", 12, "12 (limit 10)"},
		{"hit_ratio < 0.8 for 1m", 0.512, "51.2 % (limit 80 %)"},
		{"queue_length > 5 and < 50", 20, "20 (limit 5 and 50)"},
		{"process_start_time_seconds changed", 1736380800, "1.73638e+09"},
		{"probe_ssl_earliest_cert_expiry_timestamp_seconds < 1e9", 5, "5 (limit 1e+09)"},
		{"x_seconds > 1", math.Inf(1), "+Inf (limit 1 s)"},
		{"x_bytes > 1", math.NaN(), "NaN (limit 1 B)"},
		{"x_seconds > 1", math.MaxFloat64, "1.8e+308 s (limit 1 s)"},
		{"x_bytes > oops", -2048, "-2 KiB"},
		{"", 7, "7"},
		{">", 7, "7"},
		{"> > >", 7, "7"},
	} {
		if got := measured(&agent.Alert{Condition: tt.condition, Value: tt.value}); got != tt.want {
			t.Errorf("%s with %v is %s; want %s", tt.condition, tt.value, got, tt.want)
		}
	}
}

// TestShownLines: what was found is never left out for what stands near it.
func TestShownLines(t *testing.T) {
	lines := func(s string) (all []agent.Line) {
		for i, c := range s {
			all = append(all, agent.Line{Text: fmt.Sprint(i), Context: c == '.'})
		}
		return all
	}
	for _, tt := range []struct {
		lines string
		l     limits
		last  bool
		want  string
	}{
		{"..x..", limits{lines: 5, context: 5}, false, "0 1 2 3 4"},
		{"..x..", limits{lines: 5, context: 1}, false, "1 2 3"},
		{"..x..", limits{lines: 5}, true, "2"},
		{".....x", limits{lines: 1, context: 2}, false, "3 4 5"},
		{"x..x..x", limits{lines: 2, context: 1}, false, "0 1 2 3 4"},
		{"x..x..x", limits{lines: 2, context: 1}, true, "2 3 4 5 6"},
		{"xxx", limits{lines: 2, context: 1}, false, "0 1"},
		{"xxx", limits{lines: 2, context: 1}, true, "1 2"},
		{"...", limits{lines: 2, context: 1}, false, "0 1"},
		{"", limits{lines: 2, context: 1}, false, ""},
		{"x", limits{}, false, ""},
	} {
		var got []string
		for _, l := range shownLines(lines(tt.lines), tt.l, tt.last) {
			got = append(got, l.Text)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s with %d and %d: %s; want %s", tt.lines, tt.l.lines, tt.l.context, s, tt.want)
		}
	}
}

// TestShapesAddUp: to all findings, also where not all shapes are shown.
func TestShapesAddUp(t *testing.T) {
	a := appError("a", "app", 0)
	for i := range 30 {
		a.Shapes = append(a.Shapes, agent.Shape{Text: fmt.Sprint("shape ", i), Count: uint64(100 - i)})
		a.Count += uint64(100 - i)
	}
	for _, l := range shrinking {
		sum := uint64(0)
		all := shownShapes(&a, l)
		for _, s := range all {
			var n uint64
			if _, err := fmt.Sscanf(s.Count, "%dx", &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		if sum != a.Count || len(all) != l.shapes+1 {
			t.Errorf("%d shapes with %d findings; want %d", len(all), sum, a.Count)
		}
	}
	a.Count = 1
	if got := shownShapes(&a, shrinking[0]); got != nil {
		t.Errorf("of one finding: %v", got)
	}
}

// TestSubjectsOfTheNewKinds, and that of one which another alert explains.
func TestSubjectsOfTheNewKinds(t *testing.T) {
	c := newComposer(t)
	c.prefix = ""
	for name, want := range map[string]string{
		"incident": "[critical 37x] ApplicationError [shop-app-1]", "measured": "[warning 2.35 s] PageSlow [shop]",
		"inhibited": "[critical] RedisDown [cache:6379]", "digest": "[digest 2052x] 6 alerts in 3 classes", "held": "[held back] no more mail until 03:50",
		"resolved": "[resolved 37x] ApplicationError [shop-app-1]", "over": "[critical, over] RedisDown [cache:6379]",
		"late": "[late, critical 32x] ApplicationError [5 alerts]",
	} {
		got := c.subject(notices()[name])
		if got != want {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
		if n := utf8.RuneCountInString(got); n > 50 {
			t.Errorf("%s: %d runes", name, n)
		}
	}
	all := incident()
	all.Inhibited = "DatabaseDown"
	if got := c.subject(notice("1", all)); got != "[critical 37x] ApplicationError [shop-app-1]" {
		t.Errorf("where all is explained: %s", got)
	}
	for source, want := range map[string]string{
		"shop-app-1": "shop-app-1", "/var/lib/docker/volumes/shop_storage/_data/logs/laravel.log": "logs/laravel.log", "/syslog": "/syslog",
	} {
		one := agent.Alert{Source: source}
		if got := placeOf(&one); got != want {
			t.Errorf("%s is %s; want %s", source, got, want)
		}
		one.Labels = []agent.Label{{Name: "service", Value: "app"}}
		if got := placeOf(&one); got != want && got != "app "+path.Base(source) {
			t.Errorf("%s of app is %s", source, got)
		}
	}
	for n, want := range map[uint64]string{1: "1x", 9999: "9999x", 10_000: "10kx", 999_999: "999kx", 1_000_000: "1Mx", 1_250_000: "1.2Mx"} {
		if got := times(n); got != want {
			t.Errorf("%d is %s; want %s", n, got, want)
		}
	}
}

// TestThread: what Gmail threads by stays the same while an incident goes on:
// the subject without what stands in brackets, and a reference.
func TestThread(t *testing.T) {
	base := func(n *notify.Notice) string {
		s := newComposer(t).subject(n)
		for {
			open := strings.IndexByte(s, '[')
			if open < 0 {
				return strings.Join(strings.Fields(s), " ")
			}
			s = s[:open] + s[open+strings.IndexByte(s[open:], ']')+1:]
		}
	}
	a, b := appError("a", "app", 37), appError("b", "worker", 5)
	first := &notify.Notice{ID: "1", Thread: "1", Alerts: []agent.Alert{a}}
	refs := composed(t, first).header.Get("References")
	for name, n := range map[string]*notify.Notice{
		"another joins": {ID: "2", Thread: "1", Kind: notify.Update, Previous: clock(13, 0), Alerts: []agent.Alert{a, b}},
		"a reminder":    {ID: "3", Thread: "1", Kind: notify.Update, Reminder: true, Previous: clock(13, 0), Alerts: []agent.Alert{a}},
		"many":          {ID: "4", Thread: "1", Kind: notify.Update, Previous: clock(13, 0), Alerts: []agent.Alert{a, b}, More: 10},
		"resolved":      {ID: "5", Thread: "1", Kind: notify.Resolved, Previous: clock(13, 0), Alerts: []agent.Alert{ended(a, clock(14, 0), "")}},
	} {
		h := composed(t, n).header
		if base(n) != base(first) || h.Get("References") != refs || h.Get("In-Reply-To") != refs {
			t.Errorf("%s: %q, %s, %s; want %q, %s", name, base(n), h.Get("References"), h.Get("In-Reply-To"), base(first), refs)
		}
	}
}

// TestSizeOfMany: fifty ordinary alerts are in one mail that no reader cuts, with
// some of them in full.
func TestSizeOfMany(t *testing.T) {
	n := &notify.Notice{ID: "1", Thread: "1"}
	for i := range 50 {
		a := incident()
		a.Source = fmt.Sprintf("shop-app-%d", i+1)
		a.Key[0].Value = a.Source
		a.Timeline.Counts = slices.Repeat([]uint64{0, 1, 9}, 20)
		n.Alerts = append(n.Alerts, a)
	}
	m, err := newComposer(t).compose(n, clock(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, m.data)
	t.Logf("%d bytes, of them %d of text and %d of HTML", len(m.data), len(p.text), len(p.html))
	if len(m.data) > 100_000 {
		t.Errorf("%d bytes", len(m.data))
	}
	for _, a := range n.Alerts {
		if !strings.Contains(p.text, " on "+a.Source) || !strings.Contains(p.html, " on "+a.Source) {
			t.Errorf("%s is not in it", a.Source)
		}
	}
	if full := strings.Count(p.text, "\nMessages:"); full < 5 {
		t.Errorf("%d in full", full)
	}
}

// What is held back comes in any order, and more of it with each try: the mail
// is the same, with the worst first.
func TestHeldBackIsOneMail(t *testing.T) {
	c := newComposer(t)
	n := *notices()["held"]
	first := c.messageID(&n)
	n.Alerts = []agent.Alert{pageSlow(), incident(), quiet("Deprecated", "error", "app", 9, "x")}
	n.More++
	if got := c.messageID(&n); got != first {
		t.Errorf("%s after %s", got, first)
	}
	v := c.view(&n, shrinking[0])
	var got []string
	for _, row := range v.Table {
		got = append(got, row.What)
	}
	if s := strings.Join(got, ", "); s != "ApplicationError on shop-app-1, PageSlow on shop, Deprecated on shop-app-1" {
		t.Errorf("it shows %s", s)
	}
	if first := incident(); !strings.Contains(v.Commands[1].Run, first.Handle()) {
		t.Errorf("the first to silence is not the worst: %+v", v.Commands)
	}
	if n.Alerts[0].ID != "slow" {
		t.Error("the notice was changed")
	}
	other := n
	other.ID = "14"
	if c.messageID(&other) == first {
		t.Error("the next one has the same Message-ID")
	}
}
