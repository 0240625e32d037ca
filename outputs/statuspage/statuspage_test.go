package statuspage

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden holds the texts of the page, without styles and plots, to files.
func TestGolden(t *testing.T) {
	for name, w := range map[string]*world{"busy": busy(), "broken": broken(), "empty": {empty: true}, "hostile": hostile()} {
		t.Run(name, func(t *testing.T) {
			got := plain(render(t, New(w.options()), "/"))
			file := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it is no longer as %s; `go test -update` writes it anew:\n%s", file, got)
			}
		})
	}
}

var (
	unseen = regexp.MustCompile(`(?s)<(style|script|svg)[ >].*?</(style|script|svg)>`)
	tags   = regexp.MustCompile(`<(/?)(section|li|tr|p|h[1-6]|article|div|summary|small)[^>]*>|<[^>]*>`)
	blanks = regexp.MustCompile(`[ \t]+`)
)

// plain is the page's text as it stands in its HTML.
func plain(page string) string {
	page = unseen.ReplaceAllString(page, " ")
	page = tags.ReplaceAllStringFunc(page, func(tag string) string {
		if m := tags.FindStringSubmatch(tag); m[2] != "" {
			return "\n"
		}
		return " "
	})
	var b strings.Builder
	for line := range strings.Lines(page) {
		if line = strings.TrimSpace(blanks.ReplaceAllString(line, " ")); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

func TestHostileNames(t *testing.T) {
	page := render(t, New(hostile().options()), "/?log=%3Cscript%3E%22%27%3E")
	if strings.Count(page, "<script>") != 1 || strings.Contains(page, "<img") || strings.Contains(page, "owned\"<") {
		t.Error("a name has become a part of the page")
	}
	for _, r := range "\u202e\u2066\u200b\x1b\xff" {
		if strings.ContainsRune(page, r) {
			t.Errorf("the page has %U", r)
		}
	}
	if !strings.Contains(page, `value="&lt;script&gt;&#34;&#39;&gt;"`) {
		t.Error("what was asked for is not shown as it is")
	}
	if n := len(page); n > 300_000 {
		t.Errorf("%d bytes", n)
	}
}

// TestBounds: a page of many things is not larger than one of some.
func TestBounds(t *testing.T) {
	for _, n := range []int{300, 2000} {
		w := many(n)
		w.minutes = 6
		page := render(t, New(w.options()), "/")
		if len(page) > 300_000 {
			t.Errorf("%d containers: %d bytes", n, len(page))
		}
		for _, want := range []string{"…and " + count(float64(n+2-maxAlerts)) + " more", "open · "} {
			if !strings.Contains(page, strings.ReplaceAll(want, ",", "")) && !strings.Contains(page, want) {
				t.Errorf("%d containers: the page lacks %q", n, want)
			}
		}
		t.Logf("%d containers: %d bytes", n, len(page))
	}
}

func TestFind(t *testing.T) {
	h := New(many(300).options())
	for query, want := range map[string]int{"svc29": 10, "SHOP SVC001": 1, "nothing": 0, "": maxLogs} {
		page := render(t, h, "/?log="+strings.ReplaceAll(query, " ", "+"))
		logs, _, _ := strings.Cut(page[strings.Index(page, `id="logs"`):], "</section>")
		if n := strings.Count(logs, "<th scope"); n != want {
			t.Errorf("%q: %d rows, want %d", query, n, want)
		}
	}
}

func TestRequests(t *testing.T) {
	h := New(busy().options())
	for method, code := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405, http.MethodDelete: 405} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != code || method == http.MethodHead && w.Body.Len() > 0 {
			t.Errorf("%s: %d, %d bytes", method, w.Code, w.Body.Len())
		}
		head := w.Header()
		if head.Get("Cache-Control") != "no-store" || head.Get("X-Content-Type-Options") != "nosniff" || head.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", method, head)
		}
		policy := head.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: %s", method, policy)
		}
	}
	page := render(t, h, "/")
	if regexp.MustCompile(`(src|href)="(https?:)?//`).MatchString(page) || strings.Contains(page, "style=") {
		t.Error("the page asks for what it may not")
	}
}

// Whatever a sampler says and whatever was observed, there is a page.
func TestOddSamples(t *testing.T) {
	w := &world{empty: true, minutes: 2}
	for name := range statementMetrics {
		w.extra = append(w.extra, agent.Sample{Name: name})
	}
	for _, kind := range values {
		for _, v := range kind {
			w.extra = append(w.extra, gaugeOf(v.metric, nan()), gaugeOf(v.metric, inf(), "target", "x"), gaugeOf(v.metric, -inf(), "target", "x"))
		}
	}
	for kind := range values {
		w.extra = append(w.extra, gaugeOf(upMetric, 1, "kind", kind, "target", "x"))
	}
	for _, metric := range []string{linesMetric, unreadMetric, stalledMetric, findingsMetric, pointMetric, upMetric, tookMetric, "logkeel_component_up", "logkeel_spool_used_ratio", "logkeel_output_stalled_seconds", "logkeel_mysql_statement_seconds_avg"} {
		for _, v := range []float64{0, -1, 1e300, nan(), inf(), -inf()} {
			w.extra = append(w.extra, gaugeOf(metric, v), gaugeOf(metric, v, "kind", "output", "name", "x", "output", "x", "target", "x", "point", "total"))
		}
	}
	w.firing = []agent.Alert{{}, alert("", "", "", -time.Hour, func(a *agent.Alert) { a.Count = 1 << 63 })}
	w.ended = []agent.Alert{{Ended: time.Unix(0, 0)}}
	page := render(t, New(w.options()), "/")
	if strings.Contains(page, `width="-`) || strings.Contains(page, `"NaN`) || strings.Contains(page, `height="-`) {
		t.Error("a plot that no browser draws")
	}
}

// Statements of PostgreSQL have their texts in a series of their own.
func TestStatements(t *testing.T) {
	w := &world{empty: true}
	of := []string{"target", "pg", "user", "shop", "datname", "orders", "queryid", "-77"}
	w.extra = []agent.Sample{
		gaugeOf("logkeel_postgres_statement_seconds_avg", 0.5, of...), gaugeOf("logkeel_postgres_statement_seconds_max", 3, of...),
		gaugeOf("pg_stat_statements_calls_total", 12, of...), gaugeOf("pg_stat_statements_seconds_total", 6, of...),
		gaugeOf("pg_stat_statements_query_id", 1, "target", "pg", "queryid", "-77", "query", "SELECT * FROM orders WHERE id = $1"),
		gaugeOf("pg_stat_statements_query_id", 1, "target", "other", "queryid", "-77", "query", "another server's"),
	}
	page := plain(render(t, New(w.options()), "/"))
	if want := "SELECT * FROM orders WHERE id = $1 pg\norders\n500 ms 3.0 s 12 6.0 s\n"; !strings.Contains(page, want) {
		t.Errorf("the page lacks %q:\n%s", want, page)
	}
}

func BenchmarkPage(b *testing.B) {
	w := many(300)
	o := w.options()
	var all []agent.Sample
	o.Meter(func(s agent.Sample) { all = append(all, s) })
	o.Meter = func(yield func(agent.Sample)) {
		for _, s := range all {
			yield(s)
		}
	}
	h := New(o)
	for b.Loop() {
		render(b, h, "/")
	}
}

func BenchmarkObserve(b *testing.B) {
	w := many(300)
	h := history.New(Tracks()...)
	for b.Loop() {
		h.Observe(noon, w.meter)
	}
}
