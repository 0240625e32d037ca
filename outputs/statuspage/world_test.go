package statuspage

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
)

var noon = time.Date(2026, 11, 28, 12, 0, 40, 0, time.UTC)

// A world is an agent of which everything was made up.
type world struct {
	logs    []string // service, container
	bad     bool     // everything is down
	empty   bool
	minutes int // that it was observed
	firing  []agent.Alert
	ended   []agent.Alert
	config  Config
	extra   []agent.Sample
	at      time.Time
	elapsed float64 // minutes since it began

	mu sync.Mutex
}

// change does something while nobody looks.
func (w *world) change(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

func (w *world) options() Options {
	h := history.New(Tracks()...)
	begin := noon.Add(-time.Duration(w.minutes) * time.Minute)
	w.at = begin
	for ; !w.at.After(noon); w.at = w.at.Add(history.Every) {
		w.elapsed = w.at.Sub(begin).Minutes()
		h.Observe(w.at, w.meter)
	}
	w.at = noon
	if w.config.File == "" {
		w.config = Config{File: "/etc/logkeel/agent.yaml", Loaded: begin, Rules: 61, Summary: "  reads    container logs below /var/lib/docker\n  samples  mysql db: every 15s\n  matches  61 rules\n  keeps    /var/lib/logkeel\n"}
	}
	return Options{
		Meter: w.meter, History: h, Config: func() Config { return w.config }, Ended: func() []agent.Alert { return w.ended },
		Firing: func(most int) ([]agent.Alert, int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.firing[:min(most, len(w.firing))], len(w.firing)
		},
		Now: func() time.Time { return noon }, Started: noon.Add(-50 * time.Hour), Version: "v0.9.0", Host: "shop-1", Log: slog.New(slog.DiscardHandler),
	}
}

func labels(pairs ...string) (all []agent.Label) {
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, agent.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return all
}

func gaugeOf(name string, v float64, pairs ...string) agent.Sample {
	return agent.Sample{Name: name, Value: v, Labels: labels(pairs...)}
}

// wave is a number of the time of day.
func (w *world) wave(low, high, period float64) float64 {
	return low + (high-low)*(0.5+0.5*math.Sin(2*math.Pi*w.elapsed/period))
}

func (w *world) meter(yield func(agent.Sample)) {
	put := func(name string, v float64, pairs ...string) { yield(gaugeOf(name, v, pairs...)) }
	note := func(why, name string, v float64, pairs ...string) {
		s := gaugeOf(name, v, pairs...)
		if w.bad || name == "logkeel_job_failed" && v > 0 {
			s.Note = why
		}
		yield(s)
	}
	put("logkeel_component_up", 1, "kind", "output", "name", "prometheus")
	for _, s := range w.extra {
		yield(s)
	}
	if w.empty {
		put("logkeel_sources", 0)
		return
	}
	w.meterLogs(put, note)
	w.meterSamplers(put, note)
	w.meterOutputs(put, note)
}

func pick[T any](is bool, yes, no T) T {
	if is {
		return yes
	}
	return no
}

type (
	putter func(name string, v float64, pairs ...string)
	noter  func(why, name string, v float64, pairs ...string)
)

func (w *world) meterLogs(put putter, note noter) {
	put("logkeel_sources", float64(len(w.logs)))
	for i, service := range w.logs {
		of := []string{"source", "docker", "project", "shop", "service", service, "container", fmt.Sprintf("shop-%s-1", service)}
		period := 20 + float64(i%7)*5
		n := math.Floor((w.elapsed*240 + 220*period/7*math.Sin(w.elapsed*7/period)) / float64(1+i)) // never falls
		put(linesMetric, n, of...)
		put(unreadMetric, pick(w.bad && i < 3, 48e6/float64(i+1), 0), of...)
		note("an output does not take what was read", stalledMetric, pick(w.bad && i < 3, 840, 0.0), of...)
		for j, severity := range severities {
			put(findingsMetric, math.Floor(n/float64(int(300)>>(2*j)*(1+i%4)+20)), append(of, "rule", "r", "class", "error", "severity", severity)...)
		}
	}
	put("logkeel_docker_up", pick(w.bad, 0.0, 1))
}

func (w *world) meterTimes(put putter) {
	for i, target := range []string{"shop", "api", "login page"} {
		was := 0.0
		for j, point := range []string{"namelookup", "connect", "appconnect", "pretransfer", "starttransfer", "total"} {
			took := []float64{0.004, 0.012, 0.031, 0.0002, 0.18, 0.022}[j] / float64(i+1)
			if was += took; i == 1 && point == "appconnect" {
				was -= took
				put(pointMetric, 0, "target", target, "point", point)
				continue
			}
			put(pointMetric, was, "target", target, "point", point)
		}
		put(pointMetric, pick(i == 2, 0.03, 0.0), "target", target, "point", "redirect")
	}
}

func (w *world) meterOutputs(put putter, note noter) {
	for _, output := range []string{"main", "ops", "healthchecks"} {
		put("logkeel_component_up", pick(w.bad && output == "ops", 0.0, 1), "kind", "output", "name", output)
		note("dial tcp 192.0.2.7:587: i/o timeout", "logkeel_component_failing_seconds", pick(w.bad && output == "ops", 900, 0.0), "kind", "output", "name", output)
	}
	of := []string{"output", "main"}
	put("logkeel_output_records_total", 1_204_881, of...)
	put("logkeel_output_chunks_acknowledged_total", 8_211, of...)
	put("logkeel_output_inflight_chunks", pick(w.bad, 0.0, 2), of...)
	put("logkeel_output_queue_bytes", pick(w.bad, 7.3e6, 18_000), of...)
	put("logkeel_output_queue_chunks", pick(w.bad, 31, 2.0), of...)
	put("logkeel_output_connected", pick(w.bad, 0.0, 1), of...)
	put("logkeel_output_lag_seconds", pick(w.bad, 63, 0.0), of...)
	put("logkeel_output_errors_total", pick(w.bad, 214, 0.0), of...)
	note("192.0.2.4:24224: dial tcp 192.0.2.4:24224: connect: connection refused", "logkeel_output_stalled_seconds", pick(w.bad, 871, 0.0), "output", "main", "kind", "records")
	put("logkeel_spool_bytes", pick(w.bad, 1020e6, 4096), of...)
	put("logkeel_spool_max_bytes", 1<<30, of...)
	put("logkeel_spool_used_ratio", pick(w.bad, 0.95, 0.000004), of...)
	put("logkeel_spool_frames", pick(w.bad, 812, 0.0), of...)
	put("logkeel_spool_dropped_records_total", pick(w.bad, 4711, 0.0), "output", "main", "reason", "full")
	put("logkeel_email_sent_total", 17, "output", "ops")
	put("logkeel_notifications_pending", pick(w.bad, 4, 0.0), "output", "ops")
	put("logkeel_notifications_total", pick(w.bad, 61, 0.0), "output", "ops", "result", "failed")
	put("logkeel_heartbeat_sent_total", 3000, "output", "healthchecks", "says", "alive")
	put("logkeel_heartbeat_alive", pick(w.bad, 0.0, 1), "output", "healthchecks")
	put("logkeel_tail_gaps_total", pick(w.bad, 2, 0.0), "source", "docker")
	note("write /var/lib/logkeel/alerts.json: no space left on device", "logkeel_state_unwritten_seconds", pick(w.bad, 300, 0.0), "part", "rules")
}

func alert(rule, severity, source string, ago time.Duration, more func(*agent.Alert)) agent.Alert {
	a := agent.Alert{ID: rule + source, Rule: agent.Rule{Name: rule, Class: "error", Severity: severity}, Source: source, Starts: noon.Add(-ago), Last: noon, Seen: noon, Count: 214}
	if more != nil {
		more(&a)
	}
	return a
}

func over(lasted time.Duration) func(*agent.Alert) {
	return func(a *agent.Alert) { a.Ended = a.Starts.Add(lasted) }
}

// busy is an ordinary day.
func busy() *world {
	return &world{
		minutes: 70, logs: []string{"app", "web", "db", "cache", "worker", "scheduler"},
		firing: []agent.Alert{
			alert("php-fatal", "warning", "shop-app-1", 17*time.Minute, func(a *agent.Alert) { a.Key = labels("service", "app") }),
			alert("queue-stuck", "info", "cache", 3*time.Hour, func(a *agent.Alert) {
				a.Count, a.Condition, a.Value, a.Inhibited = 0, "logkeel_redis_queue_stuck_seconds > 600 for 5m", 11_203, "redis-down"
				a.Key = labels("target", "cache", "queue", "default")
			}),
		},
		ended: []agent.Alert{
			alert("slow-request", "warning", "shop-web-1", 50*time.Minute, over(12*time.Minute)),
			alert("login-failures", "critical", "shop-app-1", 26*time.Hour, func(a *agent.Alert) { over(4 * time.Minute)(a); a.Key = labels("client", "203.0.113.9") }),
		},
	}
}

// many is a machine with as many containers, all of them with alerts.
func many(n int) *world {
	w := busy()
	w.logs = nil
	for i := range n {
		w.logs = append(w.logs, fmt.Sprintf("svc%03d", i))
		w.firing = append(w.firing, alert("errors", severities[i%3], fmt.Sprintf("shop-svc%03d-1", i), time.Duration(i)*time.Minute, nil))
		w.ended = append(w.ended, alert("errors-over", "info", fmt.Sprintf("shop-svc%03d-1", i), time.Duration(i+60)*time.Minute, over(time.Minute)))
		w.extra = append(w.extra, gaugeOf(upMetric, 1, "kind", "http", "target", fmt.Sprintf("page-%03d", i)), gaugeOf("probe_duration_seconds", 0.1+float64(i)/1000, "target", fmt.Sprintf("page-%03d", i)),
			gaugeOf(tookMetric, 0.1, "kind", "http", "target", fmt.Sprintf("page-%03d", i)), gaugeOf(pointMetric, 0.1, "target", fmt.Sprintf("page-%03d", i), "point", "total"))
	}
	slices.SortStableFunc(w.firing, func(x, y agent.Alert) int { // as the agent does
		return slices.Index(severities, x.Rule.Severity) - slices.Index(severities, y.Rule.Severity)
	})
	return w
}

// broken is a machine on which nothing works.
func broken() *world {
	w := busy()
	w.bad = true
	w.firing = append([]agent.Alert{
		alert("mysql-down", "critical", "db", 14*time.Minute, func(a *agent.Alert) {
			a.Count, a.Condition = 0, "mysql_up == 0 for 1m"
			a.Around = []agent.Fact{{Name: "last error", Value: "dial tcp 127.0.0.1:3306: connect: connection refused"}}
		}),
		alert("http-down", "critical", "shop", 13*time.Minute, func(a *agent.Alert) { a.Count, a.Condition, a.Inhibited = 0, "probe_success == 0 for 1m", "mysql-down" }),
	}, w.firing...)
	w.config = Config{
		File: "/etc/logkeel/agent.yaml", Loaded: noon.Add(-49 * time.Hour), Rules: 61, Summary: "  reads    container logs below /var/lib/docker\n",
		Error: "/etc/logkeel/agent.yaml:17: outputs.email[0].server: \"smtp\" is no host:port; write it as smtp.example.com:587",
	}
	return w
}

// hostile is a machine whose names are meant to break the page.
func hostile() *world {
	w := busy()
	evil := `</script><script>document.title="owned"</script><img src=x onerror="document.title='owned'">`
	rtl := "\u202egnp.exe\u2066\u200b"
	long := ""
	for range 60 {
		long += "averylongnamewithoutanyblank"
	}
	w.logs = append(w.logs, evil, rtl, long, "\xff\xfe\x1b[31mred")
	w.firing = append(w.firing, alert(evil, "critical", long, time.Minute, func(a *agent.Alert) {
		a.Key, a.Condition, a.Around = labels("client", evil, rtl, long), evil, []agent.Fact{{Name: "last error", Value: evil}}
	}), alert(rtl, evil, rtl, time.Minute, nil), alert(long, "info", "x", time.Minute, func(a *agent.Alert) { a.Condition = long }))
	w.ended = append(w.ended, alert(evil, "info", rtl, time.Hour, func(a *agent.Alert) { over(time.Minute)(a); a.End = evil }))
	w.config = Config{File: evil, Loaded: noon, Error: evil + long, Summary: evil + "\n" + rtl + "\n" + long}
	for _, n := range []string{evil, rtl, long} {
		s := gaugeOf(upMetric, 0, "kind", "http", "target", n)
		s.Note = n
		w.extra = append(w.extra, s, gaugeOf(pointMetric, 0.2, "target", n, "point", "total"), gaugeOf("logkeel_component_up", 1, "kind", "output", "name", n),
			gaugeOf("logkeel_mysql_statement_seconds_avg", 1, "target", n, "schema", n, "digest", "d"),
			gaugeOf("mysql_perf_schema_events_statements_total", 1, "target", n, "schema", n, "digest", "d", "digest_text", n))
	}
	return w
}

func render(t testing.TB, h http.Handler, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d\n%s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func nan() float64 { return math.NaN() }
func inf() float64 { return math.Inf(1) }
