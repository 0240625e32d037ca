//go:build measure

package exporters

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/testenv"
)

var queriesDir = flag.String("queries", "", "a folder of Grafana dashboards (.json) and Prometheus rule files (.yml), whose queries are asked")

// A query is one of a dashboard or of a rule.
type query struct{ file, expr string }

// queries reads all files under the folder.
func queries(t *testing.T, dir string) (list []query) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		var doc any
		if filepath.Ext(path) == ".json" {
			err = json.Unmarshal(data, &doc)
		} else {
			err = yaml.Load(data, &doc)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		exprs(doc, func(expr string) { list = append(list, query{name, plain(expr)}) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// exprs calls each for the members expr, wherever they are.
func exprs(doc any, each func(string)) {
	switch doc := doc.(type) {
	case map[string]any:
		for k, v := range doc {
			if text, ok := v.(string); ok && k == "expr" {
				each(text)
				continue
			}
			exprs(v, each)
		}
	case []any:
		for _, v := range doc {
			exprs(v, each)
		}
	}
}

var (
	variableMatch = regexp.MustCompile(`=~?\s*"[^"]*\$[^"]*"`)
	variableRange = regexp.MustCompile(`\[\$[^\]:]+(:[^\]]*)?\]`)
	otherRange    = regexp.MustCompile(`\[[0-9]+[smhdw]\]`)
	variable      = regexp.MustCompile(`\$\{?\w+(:\w+)?\}?`)
)

// plain puts something in place of a dashboard's variables. What looks back for
// long looks back for less, for nothing runs for so long here.
func plain(expr string) string {
	expr = variableMatch.ReplaceAllString(expr, `=~".*"`)
	expr = variableRange.ReplaceAllString(expr, "[20s]")
	expr = otherRange.ReplaceAllString(expr, "[20s]")
	return variable.ReplaceAllString(expr, "20s")
}

var metricName = regexp.MustCompile(`\b(mysql|redis|probe|container|node|pg|machine)_\w+`)

// A tally counts what became of the queries.
type tally struct{ asked, same, other, lost, elsewhere int }

// TestQueries asks two Prometheus the queries of public dashboards and alert rules:
// one that scrapes the exporters, and one that scrapes the agent alone.
func TestQueries(t *testing.T) {
	if *queriesDir == "" {
		t.Fatal("-queries DIR says where dashboards and rules are")
	}
	const interval = 3 * time.Second // a busy machine needs as long
	w := newWorld(t, interval)
	theirs := testenv.PrometheusEvery(t, interval, w.targets()...)
	ours := testenv.PrometheusEvery(t, interval, strings.TrimSuffix(strings.TrimPrefix(w.page, "http://"), "/metrics"))
	theirs.Await(`rate(mysql_global_status_queries[20s]) > 0`, 3*time.Minute)
	ours.Await(`rate(mysql_global_status_queries[20s]) > 0`, 3*time.Minute)
	ours.Await(fmt.Sprintf(`count(container_fs_usage_bytes{name!=""}) == %d`, containers), 3*time.Minute)
	time.Sleep(25 * time.Second)

	total, known := map[string]*tally{}, reasons(t)
	for _, q := range queries(t, *queriesDir) {
		n := total[q.file]
		if n == nil {
			n = &tally{}
			total[q.file] = n
		}
		n.judge(t, q, known, theirs, ours)
	}
	var all tally
	for file, n := range total {
		t.Logf("%-40s %s", file, n)
		all.asked, all.same, all.other, all.lost = all.asked+n.asked, all.same+n.same, all.other+n.other, all.lost+n.lost
		all.elsewhere += n.elsewhere
	}
	t.Logf("%-40s %s", "all", &all)
	if b, _ := os.ReadFile(w.agent.out); os.Getenv("SHOWLOG") != "" {
		t.Logf("%s", b)
	}
}

func (n *tally) String() string {
	return fmt.Sprintf("%3d queries: %3d answered the same (%.0f %%), %d otherwise, %d not; %d more ask for what these exporters do not have",
		n.asked, n.same, 100*float64(n.same)/float64(max(1, n.asked)), n.other, n.lost, n.elsewhere)
}

// A reason is a line of queries.txt: why an answer is not the same.
type reason struct {
	query *regexp.Regexp
	why   string
}

func reasons(t *testing.T) (list []reason) {
	t.Helper()
	data, err := os.ReadFile("testdata/queries.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		query, why, ok := strings.Cut(line, "  ")
		re, err := regexp.Compile(query)
		if err != nil || !ok {
			t.Fatalf("testdata/queries.txt: %q: write EXPRESSION and, after two spaces, why (%v)", line, err)
		}
		list = append(list, reason{re, why})
	}
	return list
}

func reasonFor(known []reason, q query) string {
	for _, r := range known {
		if r.query.MatchString(q.expr) {
			return r.why
		}
	}
	return "NO REASON IS KNOWN"
}

func (n *tally) judge(t *testing.T, q query, known []reason, theirs, ours *testenv.Prom) {
	a, err := theirs.TryQuery(q.expr)
	if err != nil {
		t.Logf("%s: %s: %v", q.file, q.expr, err)
		return
	}
	var absent []string
	here := false
	for _, name := range slices.Compact(slices.Sorted(slices.Values(metricName.FindAllString(q.expr, -1)))) {
		if len(theirs.Query(name)) == 0 {
			continue
		}
		here = true
		if len(ours.Query(name)) == 0 {
			absent = append(absent, name)
		}
	}
	if !here {
		n.elsewhere++
		return
	}
	n.asked++
	b, err := ours.TryQuery(q.expr)
	// What moves from one moment to the next is asked again.
	for again := 0; again < 4 && err == nil && !alike(a, b); again++ {
		time.Sleep(3 * time.Second)
		if a, err = theirs.TryQuery(q.expr); err == nil {
			b, err = ours.TryQuery(q.expr)
		}
	}
	switch {
	case err != nil || len(absent) > 0 || len(a) > 0 && len(b) == 0:
		n.lost++
		t.Logf("NOT  %s: %s: %d results, without %v, %v: %s", q.file, q.expr, len(a), absent, err, reasonFor(known, q))
	case alike(a, b):
		n.same++
	default:
		n.other++
		t.Logf("OTHER %s: %s: %v, the agent %v: %s", q.file, q.expr, values(a), values(b), reasonFor(known, q))
	}
}

func values(list []testenv.Value) (vs []float64) {
	for _, v := range list {
		vs = append(vs, v.Value)
	}
	slices.Sort(vs)
	return vs
}

// alike wants as many results, and values that are a third beside each other at
// most, for the two are not taken at the same moment.
func alike(a, b []testenv.Value) bool {
	x, y := values(a), values(b)
	return slices.EqualFunc(x, y, func(x, y float64) bool {
		return math.IsNaN(x) && math.IsNaN(y) || x == y || math.Abs(x-y) <= 0.33*max(math.Abs(x), math.Abs(y))+0.1
	})
}

// targets are the exporters' pages, each behind an address of its own.
func (w *world) targets() (list []string) {
	for _, e := range w.exporters {
		for _, p := range e.pages {
			s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				text, err := fetch(p.url)
				if err != nil {
					http.Error(rw, err.Error(), http.StatusBadGateway)
					return
				}
				rw.Header().Set("Content-Type", "text/plain; version=0.0.4")
				io.WriteString(rw, text)
			}))
			w.t.Cleanup(s.Close)
			list = append(list, strings.TrimPrefix(s.URL, "http://"))
		}
	}
	return list
}
