package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// manyRules makes n rules as a deployment with all kinds of software has them:
// the words of its programs, in the cases in which people write them, with
// alternatives, numbers and what is between.
func manyRules(tb testing.TB, n int) []loaded {
	tb.Helper()
	r := rand.New(rand.NewPCG(5, 500))
	things := strings.Fields(`replica checkpoint tablespace bufferpool handshake certificate keystore volume snapshot quota inode mount
		cgroup segment broker partition consumer topic shard index mapping template pipeline upstream backend listener socket proxy cache
		session cookie migration schema trigger constraint transaction savepoint webhook mailer queue scheduler runner artifact registry
		manifest bucket tenant license plugin widget exporter`)
	faults := strings.Fields(`corrupt refused denied rejected panic segfault oom-killer mismatch expired revoked rollback truncated unreachable
		overflow backlog evicted malformed traceback assertion quarantined deadlock starved throttled orphaned duplicated detached stalled
		aborted degraded exhausted`)
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	seen := map[string]bool{}
	var list []loaded
	for len(list) < n {
		a, b, c := pick(things), pick(faults), pick(faults)
		var x string
		switch r.IntN(10) {
		case 0, 1:
			x = a + " " + b
		case 2:
			x = "(?i)" + a + " (is |was )?" + b
		case 3:
			x = a + `.*(` + b + `|` + c + `)`
		case 4:
			x = `\b` + strings.ToUpper(b[:1]) + b[1:] + ` ` + a + `\b`
		case 5:
			x = `(?i)(` + b + `|` + c + `) (the |this )?` + a
		case 6:
			x = a + `\[\d+\]: ` + b
		case 7:
			x = `^\S+ \S+ ` + strings.ToUpper(a) + `_` + strings.ToUpper(b)
		case 8:
			x = fmt.Sprintf(`%s-%04d`, strings.ToUpper(a[:3]), r.IntN(10000))
		default:
			x = `level=(error|fatal) .*` + a + `.*` + b
		}
		if seen[x] {
			continue
		}
		seen[x] = true
		e, err := compile(x)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, loaded{rule: &agent.Rule{Name: fmt.Sprintf("R%d", len(list)), Class: "error", Severity: "warning"}, match: []*expr{e}})
	}
	return list
}

// BenchmarkFiveHundred is to be compared with BenchmarkMatch, that has six.
func BenchmarkFiveHundred(b *testing.B) {
	s := newSet(manyRules(b, 500))
	batch := logBatch(256<<10, 1)
	throughput(b, batch, func() {
		batch.Findings = batch.Findings[:0]
		s.Match(batch)
	})
}

// BenchmarkCompile makes a set of five hundred rules.
func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newSet(manyRules(b, 500))
	}
}
