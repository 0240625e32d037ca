package rules

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/rules/engine"
)

// logLine makes a line of about 240 bytes as Laravel or nginx write it; of a
// hundred, five have something that the operations pack looks for.
func logLine(r *rand.Rand) string {
	hits := []string{
		`connection to mysql failed: SQLSTATE[HY000]`, `database returned error 1213`, `authentication failed for user anna`,
		`Authentication Failed`, `ERROR queue worker died`, `CRITICAL disk`, `slow query 4.2 s`, `upstream timeout`,
		`unauthorized request`, `possible xss in field name`, `csrf token mismatch`, `failed login for bob`, `Allowed memory size exhausted`,
	}
	near := []string{
		`connection opened`, `database backup done`, `failed job retried`, `user logged in`, `cache cleared`, `authorized`,
		`mail sent`, `invoice paid`, `report built`, `webhook delivered`, `session renewed`, `job released`, `file stored`,
		`payment received`, `client created`, `PDF rendered`,
	}
	note := near[r.IntN(len(near))]
	if r.IntN(100) < 5 {
		note = hits[r.IntN(len(hits))]
	}
	var s string
	switch r.IntN(3) {
	case 0:
		s = fmt.Sprintf(`172.20.0.%d - - [09/Jan/2025:14:%02d:%02d +0000] "GET /api/v1/invoices/%d?include=client.contacts&per_page=%d HTTP/1.1" 200 %d "%s" "https://billing.example.com/invoices" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/131.0" rt=0.%03d`,
			r.IntN(255), r.IntN(60), r.IntN(60), r.IntN(99999), r.IntN(100), r.IntN(99999), note, r.IntN(1000))
	case 1:
		s = fmt.Sprintf(`[2025-01-09 14:%02d:%02d] production.INFO: %s {"invoice_id":%d,"company":"Meyer %d GmbH","user":"user%d@example.org","took_ms":%d,"request":"%x-%x"} in /var/www/app/vendor/laravel/framework/src/Illuminate/Log/Logger.php:183`,
			r.IntN(60), r.IntN(60), note, r.IntN(99999), r.IntN(999), r.IntN(999), r.IntN(5000), r.Uint64(), r.Uint64())
	default:
		s = fmt.Sprintf(`[2025-01-09 14:%02d:%02d] production.DEBUG: Processing job App\\Jobs\\SendInvoice attempt %d of 5, %s, waiting for slot %d on queue default; payload {"id":"%x","client":%d}`,
			r.IntN(60), r.IntN(60), r.IntN(5), note, r.IntN(32), r.Uint64(), r.IntN(9999))
	}
	for len(s) < 240 {
		s += " item " + strings.Repeat("ab", r.IntN(6))
	}
	return s[:240]
}

// logBatch is size bytes of such lines as records, with what Docker's JSON
// leaves between them.
func logBatch(size int, seed uint64) *agent.Batch {
	r := rand.New(rand.NewPCG(seed, 1))
	b := &agent.Batch{Source: &agent.Source{ID: "bench"}}
	for len(b.Buf) < size {
		appendRecord(b, logLine(r))
		b.Buf = append(b.Buf, `","stream":"stdout"}`...)
	}
	return b
}

func appendRecord(b *agent.Batch, body string) {
	start := int32(len(b.Buf))
	b.Buf = append(b.Buf, body...)
	b.Records = append(b.Records, agent.Record{Body: agent.Span{Start: start, End: int32(len(b.Buf))}})
}

func operations(tb testing.TB) *Set {
	s, err := Load(Config{Packs: []string{"operations"}}, "")
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// throughput runs f on the batch, and reports what it takes of the processor
// whatever else the machine does.
func throughput(b *testing.B, batch *agent.Batch, f func()) {
	b.Helper()
	before := cpuTime(b)
	n := 0
	for b.Loop() {
		f()
		n++
	}
	mb := float64(len(batch.Buf)) * float64(n) / 1e6
	b.ReportMetric(mb/(cpuTime(b)-before).Seconds(), "MB/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkMatch(b *testing.B) {
	s := operations(b)
	batch := logBatch(256<<10, 1)
	b.ReportAllocs()
	throughput(b, batch, func() {
		batch.Findings = batch.Findings[:0]
		s.Match(batch)
	})
	b.ReportMetric(float64(len(batch.Findings))/float64(len(batch.Records))*100, "findings/100lines")
}

// BenchmarkManyRules has rules as a deployment with all kinds of software has
// them: each two words, or one and a number.
func BenchmarkManyRules(b *testing.B) {
	words := strings.Fields(`deadlock refused corrupt denied rejected panic segfault oom-killer checksum handshake certificate replication
		rollback truncated unreachable overflow backlog evicted blacklisted malformed traceback assertion quarantined expired revoked`)
	for _, n := range []int{10, 50, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var list []loaded
			for i := range n {
				x := words[i%len(words)] + []string{" by ", ": ", ".*", " while "}[i/len(words)%4] + words[(i*7+i/len(words)+1)%len(words)]
				e, err := compile(x)
				if err != nil {
					b.Fatal(err)
				}
				list = append(list, loaded{rule: &agent.Rule{Name: x}, match: []*expr{e}})
			}
			s := newSet(list)
			batch := logBatch(256<<10, 1)
			throughput(b, batch, func() {
				batch.Findings = batch.Findings[:0]
				s.Match(batch)
			})
		})
	}
}

// BenchmarkScan is the candidate pass alone.
func BenchmarkScan(b *testing.B) {
	s := operations(b)
	batch := logBatch(256<<10, 1)
	c := &engine.Candidates{}
	throughput(b, batch, func() {
		c.Reset(len(batch.Records), s.words)
		s.scanner.Scan(batch, c)
	})
	n := 0
	for i := range batch.Records {
		if _, marked := c.Row(i); marked {
			n++
		}
	}
	b.ReportMetric(float64(n)/float64(len(batch.Records))*100, "candidates/100lines")
}

// BenchmarkRegexps is what Match saves: each expression on each line.
func BenchmarkRegexps(b *testing.B) {
	s := operations(b)
	var list []*regexp.Regexp
	for _, e := range s.exprs {
		list = append(list, e.Regexp())
	}
	batch := logBatch(256<<10, 1)
	throughput(b, batch, func() {
		for i := range batch.Records {
			for _, re := range list {
				re.Match(batch.Body(i))
			}
		}
	})
}

// BenchmarkFields is what rules on fields cost: those that look for something
// first, and one that reads each record.
func BenchmarkFields(b *testing.B) {
	for name, rules := range map[string][]string{
		"seek":   {`format: access, where: status >= 500`, `format: access, where: "path =~ 'wp-login|[.]env$'"`, `format: json, where: level == 'critical'`},
		"access": {`format: access, where: request_time > 5`},
		"json":   {`format: json, where: took_ms > 5000`},
	} {
		b.Run(name, func(b *testing.B) {
			text := "groups: [{name: g, rules: ["
			for i, r := range rules {
				text += fmt.Sprintf("{name: r%d, %s},", i, r)
			}
			s := parse(b, text+"]}]")
			batch := logBatch(256<<10, 1)
			b.ReportAllocs()
			throughput(b, batch, func() {
				batch.Findings = batch.Findings[:0]
				s.Match(batch)
			})
		})
	}
}
