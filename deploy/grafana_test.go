package deploy_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

var boards = []*board{&overview, &agentBoard}

// TestDashboardsAreTheTables: the files that Grafana imports are made from the
// tables of this folder.
func TestDashboardsAreTheTables(t *testing.T) {
	for _, b := range boards {
		file, want := filepath.Join("grafana", b.file), b.json(t)
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not what its table makes; run go test ./deploy -run TestDashboardsAreTheTables -update", file)
		}
	}
}

// A dashboard is what the tests look at of the files.
type dashboard struct {
	UID           string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
	Panels []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		FieldConfig              struct{ Defaults struct{ Unit string } }
		Targets                  []struct{ RefID, Expr, LegendFormat string }
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("grafana/*.json")
	if err != nil || len(files) != len(boards) {
		t.Fatalf("%v, %v", files, err)
	}
	all := map[string]dashboard{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[file] = d
	}
	return all
}

// TestDashboards looks at what Grafana would take without a word, and show wrongly.
func TestDashboards(t *testing.T) {
	kinds := []string{"timeseries", "stat", "table", "bargauge", "state-timeline"}
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		if uids[d.UID] || d.UID == "" || d.SchemaVersion < 38 {
			t.Errorf("%s: uid %q, schema %d", file, d.UID, d.SchemaVersion)
		}
		uids[d.UID] = true
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] || p.ID == 0 {
				t.Errorf("%s: %s has the id %d, as another one", file, p.Title, p.ID)
			}
			ids[p.ID] = true
			g := p.GridPos
			if g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
				t.Errorf("%s: %s is at %+v", file, p.Title, g)
			}
			for x := g.X; x < g.X+g.W; x++ {
				for y := g.Y; y < g.Y+g.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %s lies upon %s", file, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if !slices.Contains(kinds, p.Type) || p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: %s lacks something: %+v", file, p.Title, p)
			}
		}
	}
}

var dataSource = regexp.MustCompile(`"uid": "([^"]*)"`)

// TestDashboardsTakeAnySource: a dashboard with the uid of somebody's data source
// works at his place only.
func TestDashboardsTakeAnySource(t *testing.T) {
	for file, d := range dashboards(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range dataSource.FindAllStringSubmatch(string(b), -1) {
			if m[1] != "${datasource}" && m[1] != d.UID {
				t.Errorf("%s: the data source is %s", file, m[1])
			}
		}
		if first := d.Templating.List[0]; first.Name != "datasource" || first.Type != "datasource" {
			t.Errorf("%s: the first variable is %+v", file, first)
		}
	}
}

var (
	anything = strings.NewReplacer("$instance", ".*", "$target", ".*", "$service", ".*", "$__rate_interval", "10s", "$__range", "1m")
	labelOf  = regexp.MustCompile(`\{\{(\w+)\}\}`)
	valuesOf = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	seriesOf = regexp.MustCompile(`\b(?:logkeel|mysql|redis|probe|container|node)_[a-z0-9_]+`)
	patience = 4 * time.Minute // for what a machine that does much else gets done in seconds or in minutes
)

// TestDashboardQueries: each query has a result, as far as it may, where one agent
// measures all that there is, and its legend tells its series apart.
func TestDashboardQueries(t *testing.T) {
	w := newWorkload(t)
	prom := testenv.Prometheus(t, w.metrics)
	w.start()
	left, quiet := map[string]question{}, map[string]question{} // by panel
	exported := exportedNames(t)
	for file, d := range dashboards(t) {
		for _, v := range d.Templating.List[1:] {
			m := valuesOf.FindStringSubmatch(v.Definition)
			if m == nil {
				t.Fatalf("%s: %s is %s", file, v.Name, v.Definition)
			}
			left[file+": variable "+v.Name] = question{expr: "group by (" + m[2] + ") (" + m[1] + ")", legend: "{{" + m[2] + "}}"}
		}
		reasons := quietOnes(file)
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				name := file + ": " + p.Title + " " + target.RefID
				q := question{expr: target.Expr, legend: target.LegendFormat, table: p.Type == "table"}
				if reasons[target.Expr] == "" {
					left[name] = q
					continue
				}
				quiet[name] = q
				for _, series := range seriesOf.FindAllString(target.Expr, -1) {
					if !exported[series] {
						t.Errorf("%s: nothing exports %s", name, series)
					}
				}
			}
		}
	}
	ask := func(name string, q question) []testenv.Value {
		got, err := prom.TryQuery(anything.Replace(q.expr))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, q.expr)
		}
		q.read(t, name, got)
		return got
	}
	for deadline := time.Now().Add(patience); len(left) > 0 && time.Now().Before(deadline); time.Sleep(time.Second) {
		w.work()
		for name, q := range left {
			if got := ask(name, q); len(got) > 0 && !math.IsNaN(got[0].Value) {
				delete(left, name)
			}
		}
	}
	for name, q := range left {
		t.Errorf("%s: no result of %s", name, q.expr)
	}
	for name, q := range quiet {
		if len(ask(name, q)) > 0 {
			t.Errorf("%s: not as quiet as it says", name)
		}
	}
}

// A question is a query of a panel that waits for its result.
type question struct {
	expr, legend string

	table bool
}

// read looks whether the result's series have names of their own.
func (q question) read(t *testing.T, name string, got []testenv.Value) {
	t.Helper()
	seen := map[string]bool{}
	for _, v := range got {
		legend := labelOf.ReplaceAllStringFunc(q.legend, func(l string) string { return v.Labels[strings.Trim(l, "{}")] })
		if seen[legend] && !q.table {
			t.Errorf("%s: two series are called %q: %v", name, legend, got)
			return
		}
		seen[legend] = true
		if q.table && len(v.Labels) == 0 {
			t.Errorf("%s: a row that says nothing", name)
		}
	}
}

// quietOnes are the queries of a file that may have no result, and why.
func quietOnes(file string) map[string]string {
	quiet := map[string]string{}
	for _, b := range boards {
		for _, r := range b.rows {
			for _, p := range r.panels {
				for _, q := range p.queries {
					if filepath.Base(file) == b.file && q.empty != "" {
						quiet[chosen.Replace(q.expr)] = q.empty
					}
				}
			}
		}
	}
	return quiet
}

// TestGrafanaProvisioning holds the provisioning, the scrape configuration and
// the dashboards together.
func TestGrafanaProvisioning(t *testing.T) {
	var scrape struct {
		Configs []struct {
			Job      string `yaml:"job_name"`
			Interval string `yaml:"scrape_interval"`
		} `yaml:"scrape_configs"`
	}
	load(t, "prometheus/scrape.yml", &scrape)
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		DataSources []struct {
			Type     string `yaml:"type"`
			JSONData struct {
				TimeInterval string `yaml:"timeInterval"`
			} `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	load(t, "grafana/provisioning/datasources/prometheus.yaml", &sources)
	if s := sources.DataSources; sources.APIVersion != 1 || len(s) != 1 || s[0].Type != "prometheus" || s[0].JSONData.TimeInterval != scrape.Configs[0].Interval {
		t.Errorf("the data source is %+v, scraped each %s", sources, scrape.Configs[0].Interval)
	}
	var providers struct {
		Providers []struct {
			Type    string            `yaml:"type"`
			Options map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}
	load(t, "grafana/provisioning/dashboards/logkeel.yaml", &providers)
	if p := providers.Providers; len(p) != 1 || p[0].Type != "file" || !strings.Contains(chapter(t), ":"+p[0].Options["path"]+":ro") {
		t.Errorf("%+v: docs/alerting.md mounts no dashboards there", p)
	}
	if out, err := exec.Command(testenv.Promtool(t), "check", "config", "--syntax-only", "prometheus/scrape.yml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

func chapter(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../docs/alerting.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
