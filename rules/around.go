package rules

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// maxFacts is how many an alert tells.
const maxFacts = 8

// A topic is what a fact is about, in the order in which facts are told.
type topic int

const (
	ofDown topic = iota // targets that do not answer
	ofOwn               // the container that the alert is about
	ofStatements
	ofPages
	ofConnections
	ofRedis
	ofBusiest // container
)

// led reports whether a fact is none without its first part.
func (t topic) led() bool { return t != ofPages && t != ofOwn && t != ofBusiest }

// Where there are too many facts, each topic has the first of its own before
// others have more: down targets, and those of the alert's container, come all.
const topicsAtOnce = ofOwn

// A fact is an agent.Fact in the making.
type fact struct {
	topic  topic
	name   string
	parts  []part
	size   float64       // those with more come first in their topic
	labels []agent.Label // of the samples that it is made of
}

// A part of a fact is left out where the alert says as much: it is on one of the
// metrics.
type part struct {
	text    string
	metrics []string
}

// say returns the fact for people; ok is false where the alert says all of it.
func (f *fact) say(metric string, of []agent.Label) (said agent.Fact, ok bool) {
	same := metric != "" && !slices.ContainsFunc(f.labels, func(l agent.Label) bool { return !slices.Contains(of, l) })
	var words []string
	for i, p := range f.parts {
		if same && slices.Contains(p.metrics, metric) {
			if i == 0 && f.topic.led() {
				return said, false
			}
			continue
		}
		words = append(words, p.text)
	}
	return agent.Fact{Name: bounded(f.name, wordsBytes), Value: bounded(strings.Join(words, ", "), wordsBytes)}, len(words) > 0
}

// chosen are the most telling ones, at most maxFacts, in the order in which they
// are told.
func chosen(facts []fact) []fact {
	slices.SortStableFunc(facts, func(a, b fact) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name))
	})
	if len(facts) <= maxFacts {
		return facts
	}
	rank, n := make([]int, len(facts)), 0 // in its topic
	for i := range facts {
		if n++; i == 0 || facts[i].topic != facts[i-1].topic {
			n = 0
		}
		if rank[i] = n; facts[i].topic <= topicsAtOnce {
			rank[i] = -1
		}
	}
	byRank := make([]int, len(facts))
	for i := range byRank {
		byRank[i] = i
	}
	slices.SortStableFunc(byRank, func(i, j int) int { return cmp.Compare(rank[i], rank[j]) })
	var best []fact
	for _, i := range slices.Sorted(slices.Values(byRank[:maxFacts])) {
		best = append(best, facts[i])
	}
	return best
}

// A measured snapshot is what of it may be told.
type measured struct {
	facts      []fact
	containers map[string]fact // by name, with topic ofBusiest
	busiest    *fact           // of those; nil: none is busy
}

// readSnapshot makes facts of what a sampler has measured. evicted is how many keys
// Redis has dropped since the snapshot before, gap seconds ago; 0 where that is
// not known.
func readSnapshot(samples []agent.Sample, evicted, gap float64) *measured {
	v := survey{values: map[string]float64{}, statements: map[string]*statement{}, containers: map[string]*container{}, evicted: evicted, gap: gap}
	for i := range samples {
		s := &samples[i]
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			continue
		}
		if take := takers[s.Name]; take != nil {
			take(&v, s)
		} else if s.Value == 0 && strings.HasSuffix(s.Name, "_up") {
			v.down(s)
		}
	}
	return v.measured()
}
