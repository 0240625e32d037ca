package email

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/report"
)

// A metered is a period that is made of samples: what one of them has, by how
// it is written in Prometheus's format, without the quotes.
func metered(t testing.TB, first, then map[string]float64) *report.Period {
	t.Helper()
	now := map[string]float64{}
	book, err := report.Open(filepath.Join(t.TempDir(), "r.json"), report.Options{Zone: time.UTC, Meter: func(yield func(agent.Sample)) {
		for name, v := range now {
			s := agent.Sample{Value: v}
			s.Name, name, _ = strings.Cut(name, "{")
			for _, l := range strings.Split(strings.TrimSuffix(name, "}"), ";") {
				if k, v, ok := strings.Cut(l, "="); ok {
					s.Labels = append(s.Labels, agent.Label{Name: k, Value: v})
				}
			}
			yield(s)
		}
	}, Schedule: report.Schedule{Weekday: time.Monday, Hour: 6}})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	for i, values := range []map[string]float64{first, then} {
		for k, v := range values {
			now[k] = v
		}
		at := time.Duration(i) * 6 * 24 * time.Hour
		if err := book.Observe(start.Add(at), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := book.Observe(start.AddDate(0, 0, 7).Add(-time.Minute), 7*24*time.Hour-time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := book.Observe(start.AddDate(0, 0, 7), 7*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	p, _, _ := book.Waiting()
	if p == nil {
		t.Fatal("no period is over")
	}
	return p
}

func newReportComposer(t testing.TB) *reportComposer {
	t.Helper()
	page, err := parseReportHTML()
	if err != nil {
		t.Fatal(err)
	}
	return &reportComposer{composer: newComposer(t), page: page}
}

// shopWeek is a week of a shop, times by.
func shopWeek(t testing.TB, by float64) *report.Period {
	const (
		app, web = "{name=shop-app-1;project=shop;service=app", "{name=shop-web-1;project=shop;service=web"
		times    = "mysql_perf_schema_events_statements_total{target=db;schema=shop;digest=%;digest_text="
		took     = "mysql_perf_schema_events_statements_seconds_total{target=db;schema=shop;digest=%;digest_text="
		invoices = "SELECT * FROM `invoices` WHERE `company_id` = ? AND `is_deleted` = ? ORDER BY `number` DESC LIMIT ? OFFSET ?}"
		jobs     = "UPDATE `jobs` SET `reserved_at` = ? WHERE `id` = ?}"
	)
	first := map[string]float64{
		times + invoices: 100, took + invoices: 10, times + jobs: 1000, took + jobs: 50,
		"container_start_time_seconds" + app + "}": 1, "logkeel_container_restarts_total" + app + "}": 4,
		"logkeel_container_running" + app + "}": 1, "logkeel_container_running" + web + "}": 1, "logkeel_container_oom_killed" + app + "}": 0,
		"node_filesystem_size_bytes{target=host;mountpoint=/;device=sda1}": 100 << 30, "node_filesystem_avail_bytes{target=host;mountpoint=/;device=sda1}": 30 << 30,
		"probe_duration_seconds{target=shop}": 0.21, "probe_success{target=shop}": 1, "logkeel_config_last_reload_successful": 1,
	}
	then := map[string]float64{
		times + invoices: 100 + 1840*by, took + invoices: 10 + 2300*by*by, times + jobs: 1000 + 90_000*by, took + jobs: 50 + 180*by,
		"container_start_time_seconds" + app + "}": 2, "logkeel_container_restarts_total" + app + "}": 4 + 2*by, "logkeel_container_oom_killed" + app + "}": 1,
		"container_memory_working_set_bytes" + app + "}": 480 << 20, "logkeel_container_memory_percent" + app + "}": 94,
		"node_filesystem_avail_bytes{target=host;mountpoint=/;device=sda1}": (30 - 4*by) * (1 << 30),
		"probe_duration_seconds{target=shop}":                               0.31 * by, "probe_success{target=shop}": 2 - by, "logkeel_alerts{rule=PageSlow;class=slow;severity=warning}": 1, "logkeel_config_last_reload_successful": 0,
		"logkeel_alerts_fired_total{rule=ApplicationError;class=error;severity=critical}":           by,
		"logkeel_alerts_fired_total{rule=PageSlow;class=slow;severity=warning}":                     2 * by,
		"logkeel_findings_total{source=docker;rule=ApplicationError;class=error;severity=critical}": 840 * by,
		"logkeel_findings_total{source=docker;rule=LoginFailed;class=auth;severity=info}":           31,
		"logkeel_source_lines_total{source=docker;project=shop;service=app;container=shop-app-1}":   1_204_331 * by,
		"logkeel_email_sent_total{output=ops}":                                                      6, "logkeel_notifications_total{output=ops;result=failed}": 3 * by,
		"logkeel_spool_bytes{output=main}": 700 << 20, "logkeel_spool_max_bytes{output=main}": 1 << 30,
		"logkeel_backup_last_success_timestamp_seconds{target=nightly}": float64(time.Date(2026, 11, 28, 23, 0, 0, 0, time.UTC).Unix()),
		"logkeel_backup_size_bytes{target=nightly}":                     350 << 20, "redis_up{target=cache}": 1,
	}
	if by == 1 {
		first["logkeel_source_lines_total{source=laravel;project=;service=;container=}"] = 0
		then["logkeel_source_lines_total{source=laravel;project=;service=;container=}"] = 412
	}
	return metered(t, first, then)
}

// TestReportGolden: what a report looks like. -update writes it anew.
func TestReportGolden(t *testing.T) {
	c := newReportComposer(t)
	now := time.Date(2026, 11, 30, 6, 1, 0, 0, time.UTC)
	quiet := metered(t, nil, map[string]float64{
		"logkeel_findings_total{source=docker;rule=LoginFailed;class=auth;severity=info}":         3,
		"logkeel_source_lines_total{source=docker;project=shop;service=app;container=shop-app-1}": 9000,
	})
	for name, p := range map[string][2]*report.Period{"report": {shopWeek(t, 2), shopWeek(t, 1)}, "report-quiet": {quiet, nil}} {
		l := reportShrinking[0]
		s := c.summarize(p[0], p[1], l, now)
		v := c.reportView(s, l, c.foot(p[0], now))
		page, err := v.html(c.page)
		if err != nil {
			t.Fatal(err)
		}
		for ext, got := range map[string]string{".txt": "Subject: " + c.subject(s) + "\n\n" + v.text(), ".html": page} {
			file := filepath.Join("testdata", name+ext)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, []byte(got)) {
				t.Errorf("%s has changed; see git diff after -update:\n%s", file, got)
			}
		}
	}
}

// TestReportHostile: names that come from outside do no harm, and no number of
// them makes a mail too long.
func TestReportHostile(t *testing.T) {
	for _, evil := range [][]string{hostileNames, {strings.Repeat("\U0001F4A9", 50), strings.Repeat("\U0001F4A9", 49) + "<"}} {
		testHostile(t, evil)
	}
}

var hostileNames = []string{
	"<script>alert(1)</script>", "\x1b[31mred\x1b[0m", "a\r\nBcc: x@y", "\u202egnp.exe", "\xff\xfe", "=?utf-8?q?x?=", strings.Repeat("long ", 5000), "“ü” &amp; 'q' \"q\"",
}

func testHostile(t *testing.T, evil []string) {
	then := map[string]float64{}
	for i, name := range evil {
		for j := range 300 {
			n := name + strings.Repeat("z", j)
			then["logkeel_findings_total{source=x;rule="+n+";class="+n+";severity="+n+"}"] = float64(1000*i + j + 1)
			then["logkeel_alerts_fired_total{rule="+n+";class="+n+";severity=critical}"] = float64(j + 1)
			then["logkeel_alerts{rule="+n+";class="+n+";severity=critical}"] = 1
			then["probe_duration_seconds{target="+n+"}"] = 1
			then["logkeel_container_running{project=p;name="+n+"}"] = 0
			then["logkeel_container_health{project=p;name="+n+";status=unhealthy}"] = 1
			then["logkeel_backup_"+n+"_seconds{job="+n+"}"] = 1
			then["logkeel_component_restarts_total{kind="+n+";name="+n+"}"] = 1
		}
	}
	p := metered(t, nil, then)
	c := newReportComposer(t)
	now := time.Date(2026, 11, 30, 6, 1, 0, 0, time.UTC)
	m, err := c.compose(p, nil, "id@x", now)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.data) > maxMail {
		t.Errorf("a mail of %d bytes", len(m.data))
	}
	got := parse(t, m.data)
	for _, h := range []string{"Bcc", "X"} {
		if v := got.header.Get(h); v != "" {
			t.Errorf("%s: %s", h, v)
		}
	}
	for _, l := range reportShrinking {
		v := c.reportView(c.summarize(p, nil, l, now), l, c.foot(p, now))
		page, err := v.html(c.page)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{page, v.text(), c.subject(c.summarize(p, nil, l, now))} {
			if strings.ContainsAny(text, "\x1b\r\u202e") || strings.Contains(text, "\xff") {
				t.Errorf("%d: what must not be there is in\n%q", l.top, text[:200])
			}
		}
		if strings.Contains(page, "<script>") || strings.Contains(v.text(), "\nBcc") {
			t.Errorf("%d: a name is more than text", l.top)
		}
	}
}
