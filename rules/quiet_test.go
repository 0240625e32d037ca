package rules

import (
	"os"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// programs are the packs of one program or purpose each: their rules are about
// what is wrong and nothing else.
func programs() []string {
	return []string{"attacks", "laravel", "mariadb", "postgres", "redis", "slow", "web"}
}

// TestPacksAreQuiet wants that no rule on programs finds something in what they
// write all day, or in prose about them.
func TestPacksAreQuiet(t *testing.T) {
	text := ordinary
	for _, file := range []string{"../README.md", "../CONTRIBUTING.md", "../docs/design.md", "../docs/samplers.md", "../docs/configuration.md"} {
		prose, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(prose)
	}
	s, err := Load(Config{Packs: programs()}, "")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	b := batchOf(lines...)
	b.Source = &agent.Source{}
	s.Match(b)
	for _, f := range b.Findings {
		t.Errorf("%s finds %q", f.Rule.Name, lines[f.Record])
	}
}

// TestPacksLookForText wants a text to look for in each expression of these
// packs, so that none of them is tried on every record.
func TestPacksLookForText(t *testing.T) {
	s, err := Load(Config{Packs: programs()}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.exprs {
		if !e.unmatched && e.Seek() == nil {
			t.Errorf("%s has no text to look for", e.quoted())
		}
	}
}

// BenchmarkPacks has each of these packs by itself, and all together, over the
// lines of many programs, and attacks and web over those of an access log.
func BenchmarkPacks(b *testing.B) {
	access, err := os.ReadFile("testdata/access/ordinary.log")
	if err != nil {
		b.Fatal(err)
	}
	requests := batchOf(strings.Split(strings.Repeat(string(access), 8), "\n")...)
	requests.Source = &agent.Source{}
	run := func(name string, batch *agent.Batch, packs ...string) {
		b.Run(name, func(b *testing.B) {
			s, err := Load(Config{Packs: packs}, "")
			if err != nil {
				b.Fatal(err)
			}
			throughput(b, batch, func() {
				batch.Findings = batch.Findings[:0]
				s.Match(batch)
			})
		})
	}
	for _, name := range programs() {
		run(name, logBatch(256<<10, 1), name)
	}
	run("all", logBatch(256<<10, 1), programs()...)
	run("access/attacks", requests, "attacks")
	run("access/web", requests, "web")
	run("access/all", requests, programs()...)
}
