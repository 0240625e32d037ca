package deploy_test

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A fault is done to a deployment, and is told by a rule within a time.
type fault struct {
	name   string
	do     func(*deployment)
	rule   string
	says   []string // what is in the alert
	within time.Duration
}

// Times are those of rules and group_wait, and what a machine that does much else
// needs beside them.
const slack = 3 * time.Minute

// plantedFaults are done all at once, but for the last one, which others are
// explained by.
// page is the rule that tells of a slow one, and backups the place of those.
func plantedFaults(page, backups string) []fault {
	const scanner, guesser = "203.0.113.7", "203.0.113.8"
	return []fault{
		{
			"error line, in Laravel's file", func(d *deployment) { d.ask("GET", "/api/v1/invoices/4711/download", "10.0.0.5") },
			"ApplicationError",
			[]string{`Undefined array key "4711"`, "#1 /var/www/app/app/Http"},
			5*time.Second + slack,
		},
		{"SQL injection attempts", func(d *deployment) {
			for n := range 12 {
				d.ask("GET", fmt.Sprintf("/api/v1/invoices?id=%d%%27%%20UNION%%20SELECT%%20password,2%%20FROM%%20users--", n), scanner)
			}
		}, "SqlInjectionBurst", []string{scanner}, 5*time.Second + slack},
		{"failed logins", func(d *deployment) {
			for range 12 {
				d.ask("POST", "/api/v1/login", guesser)
			}
		}, "LoginsRefused", []string{guesser}, 5*time.Second + slack},
		{
			"slow query", func(d *deployment) { d.ask("POST", "/api/v1/reports?seconds=1.5", "10.0.0.5") },
			"QuerySlow",
			[]string{"invoiceninja"},
			25*time.Second + slack,
		},
		{
			"slow page", func(d *deployment) { d.ask("POST", "/_/slow?for=1.2s", "10.0.0.5") },
			page,
			[]string{"login"},
			25*time.Second + slack,
		},
		{
			"Redis evicting", func(d *deployment) { d.ask("POST", "/_/cache?entries=100", "10.0.0.5") },
			"RedisEvicting",
			[]string{"invoiceninja"},
			5*time.Second + slack,
		},
		{
			"container OOM-killed", func(d *deployment) { d.ask("POST", "/_/import?megabytes=400", "10.0.0.5") },
			"ContainerOutOfMemory",
			[]string{worker},
			5*time.Second + slack,
		},
		{
			"backup missing", func(d *deployment) { d.removeBackup(2 * time.Hour) },
			"BackupStale",
			[]string{backups},
			5*time.Second + slack,
		},
		{
			"database stopped", func(d *deployment) { d.compose("stop", database) },
			"DatabaseDown",
			[]string{"invoiceninja"},
			30*time.Second + slack,
		},
	}
}

// TestInvoiceNinja brings the deployment of invoiceninja/ up with this machine's
// own programs, and plants what may go wrong with it: once watched over by what
// logkeel init wrote, and once as that folder has it, behind a proxy. Each fault is
// told in time, and nothing is while all is well.
func TestInvoiceNinja(t *testing.T) {
	context, program := programs(t)
	images := func(t *testing.T) *testenv.Engine {
		t.Parallel()
		e := testenv.Docker(t)
		e.InvoiceNinja(program)
		e.CLI("build", "--quiet", "--tag", "logkeel", "--file", "Dockerfile", context)
		return e
	}
	t.Run("init", func(t *testing.T) {
		d := newDeployment(t, images(t))
		d.initialise(filepath.Join(context, "logkeel"))
		d.up()
		d.plant(plantedFaults("PageSluggish", "backups"))
	})
	t.Run("proxy", func(t *testing.T) {
		e := images(t)
		proxy := testenv.ProxyOf(t, e, 15*time.Second)
		d := prepare(t, e, proxy.Addr)
		d.addBackups()
		d.up()
		d.plant(plantedFaults("LoginPageSlow", "nightly"))
		if again, gaps := d.sum("logkeel_docker_logs_reconnects_total"), d.sum("logkeel_docker_logs_gaps_total"); again == 0 || gaps > 0 {
			t.Errorf("the proxy breaks off what takes long: %v streams were asked for again, with %v gaps", again, gaps)
		}
		passed, refused := proxy.Asked()
		t.Logf("the engine was asked for %q", passed)
		// Docker's client tries HEAD first, and takes GET where that is refused.
		if !slices.Equal(refused, []string{"HEAD /_ping"}) {
			t.Errorf("the agent was refused %q", refused)
		}
		// That is what docs/samplers.md and the file's own settings of the proxy say.
		want := []string{"GET /_ping", "GET /containers/json", "GET /containers/{}/json", "GET /containers/{}/logs", "GET /containers/{}/stats", "GET /events", "GET /images/{}/json"}
		if !slices.Equal(passed, want) {
			t.Errorf("the engine was asked for %q, want %q", passed, want)
		}
	})
}

// up brings the deployment up and waits until all is well.
func (d *deployment) up() {
	d.t.Helper()
	d.compose("up", "--detach")
	d.t.Cleanup(func() {
		if d.t.Failed() {
			d.t.Logf("told were:\n%s\nthe agent says:\n%s\nits page:\n%s", strings.Join(d.alerts.rules(), "\n"), d.compose("logs", "--no-color", "--tail", "50", "logkeel"), d.page())
		}
	})
	var page string
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		page = d.page()
		missing := slices.DeleteFunc(slices.Clone(d.well), func(s string) bool { return strings.Contains(page, s+"\n") })
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("up, and not all is well: %v", missing)
		}
	}
}

// page is the agent's page of metrics, or nothing while there is none.
func (d *deployment) page() string {
	resp, err := http.Get(d.metrics + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// sum adds up the series of a metric.
func (d *deployment) sum(metric string) (sum float64) {
	for line := range strings.Lines(d.page()) {
		if _, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(line, metric+"{") {
			var f float64
			fmt.Sscan(value, &f)
			sum += f
		}
	}
	return sum
}

// plant does the faults and prints the table of who was told of them, and when.
func (d *deployment) plant(faults []fault) {
	d.t.Helper()
	for _, f := range faults {
		if n, ok := d.alerts.find(f.rule, nil, time.Time{}); ok {
			d.t.Errorf("%s is told while all is well: %s", f.rule, n.text)
		}
	}
	type outcome struct {
		fault
		took time.Duration
		told bool
	}
	var table []outcome
	last := len(faults) - 1
	for _, together := range [][]fault{faults[:last], faults[last:]} {
		planted := make([]time.Time, len(together))
		for i, f := range together {
			planted[i] = time.Now()
			f.do(d)
		}
		for i, f := range together {
			o := outcome{fault: f}
			for n, told := d.alerts.find(f.rule, f.says, planted[i]); ; n, told = d.alerts.find(f.rule, f.says, planted[i]) {
				if o.told, o.took = told, n.at.Sub(planted[i]); told || time.Since(planted[i]) > f.within {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			if !o.told || o.took > f.within {
				d.t.Errorf("%s: %s was not told within %v, with %q", f.name, f.rule, f.within, f.says)
			}
			table = append(table, o)
		}
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\trule\ttold after\tlimit")
	for _, o := range table {
		took := "never"
		if o.told {
			took = fmt.Sprintf("%.1f s", o.took.Seconds())
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\n", o.name, o.rule, took, o.within)
	}
	w.Flush()
	d.t.Logf("\n%s", text.String())
}

// addBackups makes a backup that is new enough, and one that is not.
func (d *deployment) addBackups() {
	d.t.Helper()
	d.addBackup(2 * time.Hour)
	d.addBackup(50 * time.Hour)
}

// addBackup makes one as enhanced-backup.sh does.
func (d *deployment) addBackup(age time.Duration) {
	d.t.Helper()
	at := time.Now().Add(-age)
	dir := filepath.Join(d.backups, at.Format("20060102_150405"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		d.t.Fatal(err)
	}
	for name, fill := range map[string]func(io.Writer) error{
		"database.sql.gz": func(w io.Writer) error {
			_, err := io.WriteString(w, "CREATE TABLE invoices (id INT);\n-- Dump completed on 2025-01-09  2:00:04\n")
			return err
		},
		"application-data.tar.gz": func(w io.Writer) error {
			t := tar.NewWriter(w)
			if err := t.WriteHeader(&tar.Header{Name: "storage/logo.png", Mode: 0o644, Size: 3}); err != nil {
				return err
			}
			if _, err := t.Write([]byte("PNG")); err != nil {
				return err
			}
			return t.Close()
		},
	} {
		var b strings.Builder
		z := gzip.NewWriter(&b)
		if err := fill(z); err != nil {
			d.t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			d.t.Fatal(err)
		}
		write(d.t, filepath.Join(dir, name), b.String(), 0o600)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			d.t.Fatal(err)
		}
	}
}

// removeBackup removes that which is younger than age and a minute.
func (d *deployment) removeBackup(age time.Duration) {
	d.t.Helper()
	dirs, _ := filepath.Glob(filepath.Join(d.backups, "*"))
	for _, dir := range dirs {
		if at, err := time.ParseInLocation("20060102_150405", filepath.Base(dir), time.Local); err == nil && time.Since(at) < age+time.Minute {
			if err := os.RemoveAll(dir); err != nil {
				d.t.Fatal(err)
			}
		}
	}
}
