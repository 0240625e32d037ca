package rules

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkRedact says what redaction adds to the rules on lines without
// secrets: both by turns, medians.
func BenchmarkRedact(b *testing.B) {
	without := operations(b)
	for _, bench := range []struct {
		name   string
		redact Redact
	}{{"secrets", Redact{Secrets: true}}, {"emails", Redact{Secrets: true, Emails: true}}, {"cards", Redact{Secrets: true, Cards: true}}} {
		b.Run(bench.name, func(b *testing.B) {
			with, err := Load(Config{Packs: []string{"operations"}}, "", Redacting(bench.redact))
			if err != nil {
				b.Fatal(err)
			}
			batch := logBatch(256<<10, 1)
			whole := slices.Clone(batch.Buf)
			records := slices.Clone(batch.Records)
			var times [2][]time.Duration
			for b.Loop() {
				for i, s := range []*Set{without, with} {
					before := cpuTime(b)
					for range 20 {
						batch.Findings = batch.Findings[:0]
						copy(batch.Buf, whole)
						copy(batch.Records, records)
						s.Match(batch)
					}
					times[i] = append(times[i], cpuTime(b)-before)
				}
			}
			var mb [2]float64
			for i := range times {
				slices.Sort(times[i])
				mb[i] = 20 * float64(len(whole)) / 1e6 / times[i][len(times[i])/2].Seconds()
			}
			b.ReportMetric(mb[0], "without-MB/cpu-s")
			b.ReportMetric(mb[1], "with-MB/cpu-s")
			b.ReportMetric((mb[0]/mb[1]-1)*100, "%more")
		})
	}
}
