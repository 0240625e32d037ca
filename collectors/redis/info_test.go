package redis

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// TestInfo reads files of testdata: INFO, and the samples that it makes.
func TestInfo(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		out := newPage(func(s agent.Sample) {
			kind := map[agent.SampleType]string{agent.Gauge: "gauge", agent.Counter: "counter"}[s.Type]
			got = append(got, fmt.Sprintf("%s %s %v", kind, testenv.Series(s), s.Value))
		})
		if _, err := writeInfo(string(ar.Files[0].Data), 0, time.Unix(1000, 0), out); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		sort.Strings(got)
		want := strings.Split(strings.TrimSpace(string(ar.Files[1].Data)), "\n")
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("%s: no %s", file, line)
			}
		}
		for _, line := range got {
			if !slices.Contains(want, line) {
				t.Errorf("%s: unexpected %s", file, line)
			}
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	var text strings.Builder
	text.WriteString("# Server\nredis_version:7\n# Commandstats\n")
	for i := range 2 * maxSeries {
		fmt.Fprintf(&text, "cmdstat_c%d:calls=1,usec=1\n", i)
	}
	n := map[string]int{}
	out := newPage(func(s agent.Sample) { n[s.Name]++ })
	_, err := writeInfo(text.String(), 0, time.Unix(1000, 0), out)
	if n["redis_commands_total"] != maxSeries {
		t.Errorf("%d series, want %d", n["redis_commands_total"], maxSeries)
	}
	if want := fmt.Sprintf("%d series are left out", 2*maxSeries); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

var metricName = regexp.MustCompile(`^(logkeel_)?redis_[a-z0-9_]+$`)

// FuzzInfo wants each series once, names that Prometheus takes, and the same
// labels, type and help in all series of a metric.
func FuzzInfo(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("# Commandstats\ncmdstat_a:calls=1,usec=inf\ncmdstat_a:calls=nan,usec=1\n# Keyspace\ndb0:keys=1\ndb0:keys=2\n")
	f.Add("# Replication\nslave0:\nslave1:offset=1,lag=-1\nmaster_0_link_status:up\nmaster_link_status:\n")
	f.Fuzz(func(t *testing.T, text string) {
		seen, first := map[string]bool{}, map[string]agent.Sample{}
		writeInfo(text, 0, time.Unix(1000, 0), newPage(func(s agent.Sample) {
			key := fmt.Sprint(s.Name, s.Labels)
			if seen[key] || !metricName.MatchString(s.Name) || s.Help == "" || s.Value-s.Value != 0 {
				t.Fatalf("%+v", s)
			}
			seen[key] = true
			was, ok := first[s.Name]
			if !ok {
				first[s.Name] = s
				return
			}
			if was.Help != s.Help || was.Type != s.Type || len(was.Labels) != len(s.Labels) {
				t.Fatalf("%+v beside %+v", s, was)
			}
			for i := range s.Labels {
				if s.Labels[i].Name != was.Labels[i].Name {
					t.Fatalf("%+v beside %+v", s, was)
				}
			}
		}))
	})
}

func TestCheck(t *testing.T) {
	for section, want := range map[string]string{
		"{name: r, address: '127.0.0.1:6379'}":                          "",
		"{name: r, socket: /run/redis.sock, password: p, db: 3}":        "",
		"{name: r, socket: /run/redis.sock, tls: {server_name: redis}}": "",
		"{address: '127.0.0.1:6379'}":                                   `r.yaml:1: redis.name: "" is no name; give it a name of letters, digits, - . and _; its metrics are called by it`,
		"{name: r}":                                                     `r.yaml:1: redis.address: neither address nor socket is set; write it as 127.0.0.1:6379, or set socket`,
		"{name: r, address: 'a:1', socket: /s}":                         `r.yaml:1: redis.socket: address and socket are both set; remove one of them`,
		"{name: r, address: redis}":                                     `r.yaml:1: redis.address: "redis" is no host:port; write it as 127.0.0.1:6379`,
		"{name: r, address: 'redis:x-y'}":                               `r.yaml:1: redis.address: "x-y" is no port; write it as 127.0.0.1:6379`,
		"{name: r, socket: redis.sock}":                                 `r.yaml:1: redis.socket: "redis.sock" is no absolute path; write it as /run/redis/redis.sock`,
		"{name: r, address: 'a:1', username: u}":                        `r.yaml:1: redis.username: a user without a password; set password or password_file as well`,
		"{name: r, address: 'a:1', db: -1}":                             `r.yaml:1: redis.db: -1 is out of range; write the number of a database, as 0`,
		`{name: r, socket: /s, config: true, expect: {save: "900 1", maxmemory: 256mb, appendonly: yes, hz: [10, 20]}}`: "",
		"{name: r, socket: /s, expect: {'maxmemory*': 1}}":                                                              `r.yaml:1: redis.expect.maxmemory*: "maxmemory*" is no setting; write it as in CONFIG GET, without *, as maxmemory-policy`,
		"{name: r, socket: /s, expect: {hz: []}}":                                                                       `r.yaml:1: redis.expect.hz: no value; write a value, or "" for none`,
		"{name: r, socket: /s, expect: {RequirePass: x}}":                                                               `r.yaml:1: redis.expect.RequirePass: requirepass is a secret, which is never read; remove it; that a password works is seen by using it`,
		"{name: r, socket: /s, expect: {masterauth: x}}":                                                                `r.yaml:1: redis.expect.masterauth: masterauth is a secret, which is never read; remove it; that a password works is seen by using it`,
		"{name: r, socket: /s, expect: {tls_key_file_pass: x}}":                                                         `r.yaml:1: redis.expect.tls_key_file_pass: tls-key-file-pass is a secret, which is never read; remove it; that a password works is seen by using it`,
		"{name: r, socket: /s, expect: {io-threads: 1, io_threads: 2}}":                                                 `r.yaml:1: redis.expect.io_threads: io-threads is there twice; write it once`,
		"{name: r, socket: /s, tls: {}}":                                                                                `r.yaml:1: redis.tls: a unix socket has no host name to verify; set server_name to the name in the server's certificate`,
		"{name: r, address: 'a:1', tls: {ca_file: /no}}":                                                                `r.yaml:1: redis.tls: ca_file: open /no: no such file or directory; name PEM files that this user can read`,
		"{name: r, address: 'a:1', tls: {cert_file: /a}}":                                                               `r.yaml:1: redis.tls: cert_file and key_file belong together; name PEM files that this user can read`,
	} {
		got := checked(t, section)
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", section, got, want)
		}
	}
}
