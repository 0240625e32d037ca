package rules

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/webgrip/logkeel/agent"
)

const (
	// fingerprint stands under by for the shape of the message.
	fingerprint = "fingerprint"

	// maxShapes is how many shapes of an alert are counted apart, and shownShapes
	// how many of them it shows.
	maxShapes   = 50
	shownShapes = 10
)

// shapes are those of the findings of one alert, with their counts.
type shapes struct {
	list  []shapeCount
	other uint64
	last  int // that was counted last: most come in rows
}

type shapeCount struct {
	hash  uint64
	count uint64
	text  string
}

// shapeFor is the hash of a finding's shape; 0 where nobody is to see it. The
// shape stays in g for what counts by it.
func (a *Alerts) shapeFor(g *groupedKeys, r *rule, b *agent.Batch, f *agent.Finding) uint64 {
	if !r.tells() || len(a.outputs) == 0 && !r.grouped {
		return 0
	}
	if g.shaped != f.Record {
		g.shaped = f.Record
		g.hash = g.shape.of(b.Body(int(f.Record)))
	}
	return g.hash
}

// add counts a finding.
func (s *shapes) add(hash uint64, body []byte) {
	if s.last < len(s.list) && s.list[s.last].hash == hash {
		s.list[s.last].count++
		return
	}
	for i := range s.list {
		if s.list[i].hash == hash {
			s.list[i].count++
			s.last = i
			return
		}
	}
	if len(s.list) >= maxShapes {
		s.other++
		return
	}
	s.last = len(s.list)
	s.list = append(s.list, shapeCount{hash, 1, shapeText(body)})
}

// beginShapes counts those of the lines that are known of an alert that begins
// with n findings.
func beginShapes(lines []agent.Line, n uint64) *shapes {
	s := &shapes{}
	known := uint64(0)
	for i := range lines {
		if lines[i].Context || known == n {
			continue
		}
		known++
		var one shape
		s.add(one.of([]byte(lines[i].Text)), []byte(lines[i].Text))
	}
	s.other = n - known
	return s
}

// restoredShapes goes on from what an alert shows.
func restoredShapes(shown []agent.Shape, n uint64) *shapes {
	s := &shapes{}
	sum := uint64(0)
	for _, one := range shown {
		if sum+one.Count < sum || sum+one.Count > n {
			break
		}
		sum += one.Count
		if one.Text != otherKey && len(s.list) < maxShapes {
			s.list = append(s.list, shapeCount{xxhash.Sum64String(one.Text), one.Count, one.Text})
		}
	}
	s.other = n
	for i := range s.list {
		s.other -= s.list[i].count
	}
	return s
}

// top is what is shown: the most frequent first, and all others together.
func (s *shapes) top() []agent.Shape {
	order := make([]int, len(s.list))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(s.list[j].count, s.list[i].count), cmp.Compare(i, j))
	})
	shown := make([]agent.Shape, 0, shownShapes+1)
	other := s.other
	for n, i := range order {
		if n < shownShapes {
			shown = append(shown, agent.Shape{Text: s.list[i].text, Count: s.list[i].count})
			continue
		}
		other += s.list[i].count
	}
	if other > 0 {
		shown = append(shown, agent.Shape{Text: otherKey, Count: other})
	}
	return shown
}
