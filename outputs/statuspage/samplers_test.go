package statuspage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

func (w *world) meterSamplers(put putter, note noter) {
	up := pick(w.bad, 0.0, 1)
	for _, s := range [][3]string{
		{"mysql", "db", "dial tcp 127.0.0.1:3306: connect: connection refused"},
		{"redis", "cache", "no answer within 10s: read tcp 127.0.0.1:51234->127.0.0.1:6379: i/o timeout"},
		{"http", "shop", `GET http://localhost:8080/health: status 502, expected 2xx`},
		{"host", "host", ""},
		{"postgres", "orders", `FATAL: no pg_hba.conf entry for host "172.18.0.1", user "logkeel" (SQLSTATE 28000)`},
		{"backups", "nightly", "list /backup: permission denied"},
		{"integrity", "etc", ""},
		{"jobs", "jobs", "listen unix /run/logkeel/jobs.sock: bind: address already in use"},
		{"docker", "stats", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock"},
	} {
		is := pick(s[2] == "", 1, up)
		note(s[2], upMetric, is, "kind", s[0], "target", s[1])
		put(tookMetric, 0.02+w.wave(0, 0.01, 12), "kind", s[0], "target", s[1])
	}
	put("logkeel_load_per_cpu", w.wave(0.1, 0.9, 30), "target", "host")
	put("logkeel_memory_available_ratio", 0.42, "target", "host")
	put("logkeel_filesystem_used_ratio", 0.61, "target", "host", "mountpoint", "/")
	put("logkeel_integrity_files", 2_214, "target", "etc")
	put("logkeel_integrity_finding", pick(w.bad, 1.0, 0), "target", "etc", "path", "/etc/cron.d/backup", "kind", "changed")
	put("logkeel_integrity_finding", pick(w.bad, 1.0, 0), "target", "etc", "path", "/etc/passwd", "kind", "mode")
	put("pg_up", up, "target", "orders")
	put("mysql_up", up, "target", "db")
	put("redis_up", up, "target", "cache")
	put("probe_success", up, "target", "shop")
	if w.bad {
		return
	}
	put("logkeel_mysql_ping_seconds", w.wave(0.0002, 0.0009, 9), "target", "db")
	put("logkeel_mysql_connections_used_ratio", 0.13, "target", "db")
	put("logkeel_redis_ping_seconds", 0.00012, "target", "cache")
	put("redis_memory_used_bytes", 73e6, "target", "cache")
	put("redis_connected_clients", 14, "target", "cache")
	put("probe_duration_seconds", w.wave(0.1, 0.4, 14), "target", "shop")
	put("probe_http_status_code", 200, "target", "shop")
	for range w.logs {
		put(running, 1, "target", "stats")
	}
	w.meterTimes(put)
	w.meterRest(put, note)
	for i, text := range []string{
		"SELECT `invoices` . * FROM `invoices` WHERE `company_id` = ? AND `is_deleted` = ? ORDER BY `number` DESC LIMIT ?",
		"UPDATE `jobs` SET `reserved_at` = ? WHERE `id` = ?", "",
	} {
		of := []string{"target", "db", "schema", "ninja", "digest", fmt.Sprintf("%032x", 0xfeed+i)}
		put("logkeel_mysql_statement_seconds_avg", 2.31/float64(1+10*i), of...)
		put("logkeel_mysql_statement_seconds_max", 9.7/float64(1+i), of...)
		put("mysql_perf_schema_events_statements_total", 1204*float64(1+i), append(of, "digest_text", text)...)
		put("mysql_perf_schema_events_statements_seconds_total", 2781.24/float64(1+10*i), append(of, "digest_text", text)...)
	}
}

// meterRest is what newer samplers measure.
func (w *world) meterRest(put putter, note noter) {
	put("logkeel_postgres_ping_seconds", w.wave(0.0004, 0.0006, 20), "target", "orders")
	put("logkeel_postgres_connections_used_ratio", 0.31, "target", "orders")
	put("logkeel_postgres_locks_waiting", 0, "target", "orders")
	put("logkeel_backup_up", 1, "target", "nightly")
	put("logkeel_backup_age_seconds", 9*3600+w.elapsed*60, "target", "nightly")
	put("logkeel_backup_size_bytes", 214e6, "target", "nightly", "file", "shop.sql.gz")
	put("logkeel_backup_size_bytes", 1.6e9, "target", "nightly", "file", "storage.tar.zst")
	put("logkeel_backup_sets", 14, "target", "nightly")
	put("logkeel_backup_problem", 0, "target", "nightly", "problem", "stale")
	put("logkeel_jobs_up", 1, "target", "jobs")
	for _, job := range []string{"invoices", "cleanup"} {
		put("logkeel_job_running", pick(job == "cleanup", 1.0, 0), "target", "jobs", "name", job)
		note("exit code 1: the mailbox is full", "logkeel_job_failed", pick(job == "invoices", 1.0, 0), "target", "jobs", "name", job)
		put("logkeel_job_missed", 0, "target", "jobs", "name", job)
	}
}

// TestWorries: a sampler that could measure does not look well where what it has
// measured is not, and only there.
func TestWorries(t *testing.T) {
	job := func(metric, job, note string, v float64) agent.Sample {
		s := gaugeOf(metric, v, "target", "jobs", "name", job)
		s.Note = note
		return s
	}
	for name, c := range map[string]struct {
		kind, target string
		samples      []agent.Sample
		want         state
		says         string
	}{
		"all is well":      {"jobs", "jobs", []agent.Sample{job("logkeel_job_failed", "nightly", "", 0)}, ok, ""},
		"a job has failed": {"jobs", "jobs", []agent.Sample{job("logkeel_job_failed", "nightly", "exit code 3", 1)}, warn, "nightly failed: exit code 3"},
		"two things": {
			"jobs", "jobs",
			[]agent.Sample{job("logkeel_job_missed", "nightly", "", 1), job("logkeel_job_too_long", "hourly", "", 1)},
			warn, "nightly missed, and 1 more",
		},
		"a stale backup":    {"backups", "db", []agent.Sample{gaugeOf("logkeel_backup_problem", 1, "target", "db", "problem", "stale")}, warn, "stale"},
		"another's backup":  {"backups", "db", []agent.Sample{gaugeOf("logkeel_backup_problem", 1, "target", "files", "problem", "stale")}, ok, ""},
		"a changed file":    {"integrity", "etc", []agent.Sample{gaugeOf("logkeel_integrity_finding", 1, "target", "etc", "path", "/etc/passwd", "kind", "mode")}, warn, "/etc/passwd mode"},
		"it does not count": {"integrity", "etc", []agent.Sample{gaugeOf("logkeel_integrity_finding", nan(), "target", "etc", "path", "x", "kind", "mode")}, ok, ""},
	} {
		w := &world{empty: true, minutes: 2, extra: append(c.samples, gaugeOf(upMetric, 1, "kind", c.kind, "target", c.target))}
		rows := build(w.options(), "").Samplers
		if len(rows) != 1 || rows[0].State != c.want || rows[0].Error != c.says {
			t.Errorf("%s: %+v", name, rows)
		}
	}
}

// TestWorst: the verdict names critical alerts that no other one explains.
func TestWorst(t *testing.T) {
	p := build(broken().options(), "")
	if len(p.Worst) != 1 || p.Worst[0].Rule != "mysql-down" || p.State != bad {
		t.Errorf("%s: %+v", p.State, p.Worst)
	}
	if p := build(many(30).options(), ""); len(p.Worst) != maxWorst {
		t.Errorf("%d are named", len(p.Worst))
	}
	if p := build(busy().options(), ""); len(p.Worst) != 0 || p.State != warn {
		t.Errorf("%s: %+v", p.State, p.Worst)
	}
}

// The title says how many problems there are, and not how many of them are named.
func TestTitle(t *testing.T) {
	down := func(n int) *world {
		w := &world{empty: true, minutes: 2}
		for i := range n {
			w.extra = append(w.extra, gaugeOf(upMetric, 0, "kind", "mysql", "target", fmt.Sprint("db", i)))
		}
		return w
	}
	for name, c := range map[string]struct {
		w             *world
		title, within string
	}{
		"three":              {down(3), "(3) logkeel", "3 problems"},
		"more than are told": {down(maxTroubles + 5), "(25) logkeel", "…and 5 more"},
		"alerts alone":       {busy(), fmt.Sprintf("(%d) logkeel", len(busy().firing)), "alert"},
		"nothing is read":    {&world{empty: true, minutes: 2}, "logkeel", "Nothing is read or measured yet"},
	} {
		page := render(t, New(c.w.options()), "/")
		if !strings.Contains(page, "<title>"+c.title) || !strings.Contains(page, c.within) {
			title, _, _ := strings.Cut(page[strings.Index(page, "<title>"):], "\n")
			t.Errorf("%s: %s", name, title)
		}
	}
}
