package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/testenv"
)

// planted are texts that the rules are to find; the rest of the lines is none.
var planted = []string{
	"production.ERROR: Call to a member function on null",
	"production.CRITICAL: SQLSTATE[HY000] [2002] database connection error",
	"upstream timeout (110: Connection timed out)",
	"slow query: 3.2s select count(*) from activities",
	"401 unauthorized access to company 7",
	"Authentication Failed: bad token",
	"possible SQL injection blocked <b>id=1' OR '1'='1</b>",
	"csrf token mismatch",
	"connection to mysql-0 failed after 3 attempts",
	"\x1b[31mFATAL\x1b[0m \"quoted\" and a tab\t\\ end",
}

// writeLines makes files of lines for one container to print, and counts what
// the operations pack should find, with regexp.
func writeLines(t *testing.T, dir, name string, lines int, expect map[string]int) {
	t.Helper()
	const perFile = 1000
	patterns := operationsPatterns(t)
	for from := 1; from <= lines; from += perFile {
		var b strings.Builder
		for n := from; n < from+perFile && n <= lines; n++ {
			line := fmt.Sprintf("%s line %d: GET /invoices/%d HTTP/1.1 200", name, n, n)
			if n%250 == 0 {
				line = fmt.Sprintf("%s line %d: %s", name, n, planted[n/250%len(planted)])
			}
			if n%250 == 0 || n == 1 { // regexp is slow; the other lines are like the first
				for rule, re := range patterns {
					if re.MatchString(line) {
						expect[rule]++
					}
				}
			}
			b.WriteString(line + "\n")
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.%06d", name, from)), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// operationsPatterns reads the pack's expressions for regexp.
func operationsPatterns(t *testing.T) map[string]*regexp.Regexp {
	b, err := os.ReadFile("../../rules/packs/operations.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var pack struct {
		Groups []struct {
			Rules []struct{ Name, Match string }
		}
	}
	if err := yaml.Unmarshal(b, &pack); err != nil {
		t.Fatal(err)
	}
	out := map[string]*regexp.Regexp{}
	for _, r := range pack.Groups[0].Rules {
		out[r.Name] = regexp.MustCompile(r.Match)
	}
	return out
}

// Three containers write 60,000 lines while Docker rotates their logs. Each
// line arrives once, with its container's name and service; Prometheus has the
// number of planted lines for each rule.
func TestContainersToFluentdAndPrometheus(t *testing.T) {
	t.Parallel()
	engine := testenv.Docker(t)
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	a := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  docker: {root: %s, host: "%s", exclude: [{service: sandbox}]}
rules: {packs: [operations]}
outputs:
  fluentd: [{name: main, address: "%s", ack_timeout: 5m}]
  prometheus: {listen: METRICS}
`, engine.Root, engine.Host, receiver.Addr))
	prom := testenv.Prometheus(t, a.metrics)
	image := engine.Image("lines:1")
	expect := map[string]int{}
	dir := t.TempDir()
	services := map[string]int{"app": 20_000, "web": 20_000, "queue": 20_000}
	total := 0
	for name, lines := range services {
		writeLines(t, dir, name, lines, expect)
		total += lines
	}
	a.start()
	print := func(name, service string) {
		engine.Run("--name", name, "--volume", dir+":/lines:ro",
			"--log-opt", "max-size=256k", "--log-opt", "max-file=30",
			"--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service="+service,
			image, "sh", "-c", fmt.Sprintf("for f in /lines/%s.*; do cat $f; sleep 0.05; done", service))
	}
	for service := range services {
		print("shop-"+service+"-1", service)
	}
	engine.Run("--label", "com.docker.compose.service=sandbox", image, "echo", "not to be read")

	receiver.Await(total, waitLong)
	for rule, n := range expect {
		prom.Await(fmt.Sprintf(`sum(logkeel_findings_total{rule="%s",project="shop"}) == %d`, rule, n), waitLong)
	}
	for service, lines := range services {
		prom.Await(fmt.Sprintf(`logkeel_source_lines_total{service="%s",container="shop-%s-1"} == %d`, service, service, lines), waitLong)
	}
	if page, err := a.page(); err != nil {
		t.Error(err)
	} else if err := testenv.CheckMetrics(t, page); err != nil {
		t.Errorf("promtool: %v", err)
	}
	if n := a.metric("logkeel_tail_rotations_total"); n < 10 {
		t.Errorf("%v rotations: Docker should have rotated more often", n)
	}
	a.stop()
	checkArrivals(t, receiver, services)
}

func checkArrivals(t *testing.T, receiver *testenv.Forward, services map[string]int) {
	t.Helper()
	seen := map[string]map[int]int{}
	next := map[string]int{}
	findings := 0
	for e := range receiver.Entries() {
		text, _ := e.Record["log"].(string)
		var service string
		var n int
		if _, err := fmt.Sscanf(text, "%s line %d:", &service, &n); err != nil {
			t.Fatalf("no line of ours: %v", e)
		}
		if e.Record["container_name"] != "/shop-"+service+"-1" || e.Record["compose_service"] != service || e.Record["compose_project"] != "shop" || e.Record["stream"] != "stdout" || e.Record["container_image"] != "lines:1" {
			t.Fatalf("wrong labels: %v", e)
		}
		if e.Tag != "docker.shop-"+service+"-1" {
			t.Fatalf("tag %q", e.Tag)
		}
		if n%250 == 0 {
			if want := planted[n/250%len(planted)]; !strings.HasSuffix(text, want) {
				t.Fatalf("%q should end in %q", text, want)
			}
			if e.Record["findings"] == nil {
				t.Fatalf("a planted line carries no finding: %v", e)
			}
			findings++
		}
		if n != next[service]+1 {
			t.Fatalf("line %d of %s came after line %d", n, service, next[service])
		}
		next[service] = n
		if seen[service] == nil {
			seen[service] = map[int]int{}
		}
		seen[service][n]++
	}
	for service, lines := range services {
		if len(seen[service]) != lines {
			t.Errorf("%d of %d lines of %s arrived", len(seen[service]), lines, service)
		}
	}
	if findings == 0 {
		t.Error("no findings")
	}
}
