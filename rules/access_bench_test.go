package rules

import (
	"os"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// accessBatch is size bytes of an access log as the Internet's are: of a hundred
// lines, three are attacks.
func accessBatch(b *testing.B, size int) *agent.Batch {
	read := func(file string) []string {
		text, err := os.ReadFile("testdata/access/" + file)
		if err != nil {
			b.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	}
	ordinary, attacks := append(read("ordinary.log"), read("ordinary-more.log")...), read("attacks.log")
	batch := &agent.Batch{Source: &agent.Source{ID: "bench"}}
	for i := 0; len(batch.Buf) < size; i++ {
		line := ordinary[i%len(ordinary)]
		if i%33 == 32 {
			line = attacks[i/33%len(attacks)]
		}
		appendRecord(batch, line)
		batch.Buf = append(batch.Buf, `","stream":"stdout"}`...)
	}
	return batch
}

// BenchmarkAccess is what the packs for access logs cost where that is all there
// is.
func BenchmarkAccess(b *testing.B) {
	for _, packs := range [][]string{{"attacks"}, {"web"}, {"slow"}, {"attacks", "web", "slow"}} {
		b.Run(strings.Join(packs, "+"), func(b *testing.B) {
			s, err := Load(Config{Packs: packs}, "")
			if err != nil {
				b.Fatal(err)
			}
			batch := accessBatch(b, 256<<10)
			b.ReportAllocs()
			throughput(b, batch, func() {
				batch.Findings = batch.Findings[:0]
				s.Match(batch)
			})
			b.ReportMetric(float64(len(batch.Findings))/float64(len(batch.Records))*100, "findings/100lines")
		})
	}
}
