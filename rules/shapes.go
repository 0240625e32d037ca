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
	exactShapes = 1000
)

// shapes are those of the findings of one alert, with their counts.
type shapes struct {
	list  []shapeCount
	other uint64

	seen   uint64 // findings
	skip   uint64 // so many are passed over
	passed uint64 // and were, since one was looked at
	rnd    uint64
}

type shapeCount struct {
	hash  uint64
	count uint64
	text  string
}

// count counts a finding. The first thousand are looked at each, and of what is
// more than that about every sixteenth, for it and those that were passed over.
func (s *shapes) count(body []byte) {
	s.seen++
	if s.skip > 0 {
		s.skip--
		s.passed++
		return
	}
	var one shape
	s.add(one.of(body), &one, 1+s.passed)
	if s.passed = 0; s.seen >= exactShapes {
		// Not each sixteenth: lines may come in rows.
		s.rnd = s.rnd*6364136223846793005 + 1442695040888963407
		s.skip = s.rnd >> 59
	}
}

// add counts n findings of a shape.
func (s *shapes) add(hash uint64, one *shape, n uint64) {
	for i := range s.list {
		if s.list[i].hash == hash {
			s.list[i].count += n
			return
		}
	}
	if len(s.list) >= maxShapes {
		s.other += n
		return
	}
	s.list = append(s.list, shapeCount{hash, n, one.String()})
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
		s.count([]byte(lines[i].Text))
	}
	s.other = n - known
	return s
}

// restoredShapes goes on from what an alert shows.
func restoredShapes(shown []agent.Shape, n uint64) *shapes {
	s := &shapes{seen: n}
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
	other := s.other + s.passed
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
