package rules

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// realistic makes n rules as packs for all kinds of software have them: words in
// either case, alternatives, numbers, anchors, groups.
func realistic(tb testing.TB, n int) []loaded {
	tb.Helper()
	r := rand.New(rand.NewPCG(5, 5))
	subjects := []string{
		"replication", "certificate", "handshake", "checkpoint", "tablespace", "worker process", "upstream server", "disk quota", "kernel", "segment",
		"broker", "consumer group", "leader election", "snapshot", "journal", "swap device", "raid array", "socket", "lease", "namespace",
		"deployment", "liveness probe", "volume mount", "admission webhook", "tls session", "dns lookup", "smtp relay", "cron job", "backup set", "shard",
	}
	faults := []string{
		"corrupted", "refused", "rejected", "expired", "unreachable", "deadlocked", "truncated", "evicted", "revoked", "malformed", "exceeded", "aborted",
		"overflowed", "panicked", "desynchronized", "blacklisted", "terminated unexpectedly", "not responding", "out of range", "permission denied",
	}
	shapes := []func(s, f, g string, i int) string{
		func(s, f, g string, i int) string { return s + " " + f },
		func(s, f, g string, i int) string { return "(?i)" + s + " (was )?" + f },
		func(s, f, g string, i int) string { return s + ".*(" + f + "|" + g + ")" },
		func(s, f, g string, i int) string { return fmt.Sprintf(`\b%s-%d\b.*%s`, s, 1000+i, f) },
		func(s, f, g string, i int) string { return fmt.Sprintf(`^\[?(ERR|FATAL)\]? %s %s`, s, f) },
		func(s, f, g string, i int) string {
			return fmt.Sprintf(`(?i)error code[:=] ?E%d\d\d.*%s`, 100+i, f)
		},
		func(s, f, g string, i int) string { return fmt.Sprintf(`%s (?P<id>\d+) %s after \d+ ?ms`, s, f) },
		func(s, f, g string, i int) string { return fmt.Sprintf(`(?i)(%s|%s) (of|on|in) \S+ %s$`, f, g, s) },
		func(s, f, g string, i int) string {
			return fmt.Sprintf(`%s: (%s|%s|%s)`, s, f, g, "failed with status "+fmt.Sprint(i))
		},
		func(s, f, g string, i int) string { return fmt.Sprintf(`SQLSTATE\[%05d\].*%s`, 40000+i, f) },
	}
	var list []loaded
	for i := range n {
		s, f, g := subjects[r.IntN(len(subjects))], faults[r.IntN(len(faults))], faults[r.IntN(len(faults))]
		e, err := compile(shapes[i%len(shapes)](s, f, g, i))
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, loaded{rule: &agent.Rule{Name: fmt.Sprint("r", i)}, match: []*expr{e}})
	}
	return list
}

// BenchmarkRealisticRules has 500 rules, and the six of the pack operations on the
// same lines to compare with: over is how many times the processor's time of these
// they take.
func BenchmarkRealisticRules(b *testing.B) {
	six, many := operations(b), newSet(realistic(b, 500))
	batch := logBatch(256<<10, 1)
	run := func(s *Set) { batch.Findings = batch.Findings[:0]; s.Match(batch) }
	before := cpuTime(b)
	for range 200 {
		run(six)
	}
	base := (cpuTime(b) - before).Seconds() / 200
	before = cpuTime(b)
	n := 0.0
	throughput(b, batch, func() { run(many); n++ })
	b.ReportMetric((cpuTime(b)-before).Seconds()/n/base, "over")
}

// BenchmarkMatchStorm has lines each of which six rules find: those of the pack
// operations, most of which are texts only, and six that are not. times is how
// much faster that is than regexp by itself is on these lines.
func BenchmarkMatchStorm(b *testing.B) {
	var list []loaded
	for _, x := range []string{
		`connection.*failed|database.*error`, `production\.(ERROR|CRITICAL): .*timeout`, `\bunauthorized\b`, `Authentication (failed|denied), \S+ token`,
		`Connection\.php:\d+$`, `^\[[\d :-]+\] \w+\.ERROR`,
	} {
		e, err := compile(x)
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, loaded{rule: &agent.Rule{Name: x}, match: []*expr{e}})
	}
	b.Run("operations", func(b *testing.B) { storm(b, operations(b)) })
	b.Run("expressions", func(b *testing.B) { storm(b, newSet(list)) })
}

func storm(b *testing.B, s *Set) {
	batch := &agent.Batch{Source: &agent.Source{ID: "bench"}}
	for i := range 1000 {
		appendRecord(batch, fmt.Sprintf(`[2025-01-09 14:30:%02d] production.ERROR: connection %d to the database failed: timeout, unauthorized, Authentication failed, csrf token mismatch at /var/www/app/Database/Connection.php:%d`, i%60, i, i))
	}
	before := cpuTime(b)
	for range 5 {
		for i := range batch.Records {
			for _, e := range s.exprs {
				e.Regexp().FindIndex(batch.Body(i))
			}
		}
	}
	base := (cpuTime(b) - before).Seconds() / 5
	before = cpuTime(b)
	n := 0.0
	throughput(b, batch, func() { batch.Findings = batch.Findings[:0]; s.Match(batch); n++ })
	b.ReportMetric(base/((cpuTime(b)-before).Seconds()/n), "times")
	b.ReportMetric(float64(len(batch.Findings))/float64(len(batch.Records)), "findings/line")
}

// BenchmarkFullPass has expressions that have no text to look for.
func BenchmarkFullPass(b *testing.B) {
	all := []string{`\b5\d\d\b`, `\d+ms$`, `[0-9.]+s took`, `[A-Z]{2,5}-\d{3,6}`, `"(GET|PUT) [^"]*" 5`, `\s\d{1,3}%`, `^\d+ \S+ [a-f]`, `\(\d+\)$`, `[1-9]\d{4,} rows`, `\w=\d{4,}`}
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var list []loaded
			for _, x := range all[:n] {
				e, err := compile(x)
				if err != nil {
					b.Fatal(err)
				}
				list = append(list, loaded{rule: &agent.Rule{Name: x}, match: []*expr{e}})
			}
			s := newSet(list)
			batch := logBatch(256<<10, 1)
			throughput(b, batch, func() { batch.Findings = batch.Findings[:0]; s.Match(batch) })
		})
	}
}

// BenchmarkLoad is what 500 rules cost to have.
func BenchmarkLoad(b *testing.B) {
	var s *Set
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		s = newSet(realistic(b, 500))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/1e6, "MB-heap")
	runtime.KeepAlive(s)
}
