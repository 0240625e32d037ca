package tail

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

func TestPlan(t *testing.T) {
	type at struct {
		epoch  uint64
		offset int64
		match  match
		file   int
	}
	for _, c := range []struct {
		name    string
		n       int
		at      []at
		numbers []uint64
		gaps    string // files before which there is one
		file    int
		offset  int64
	}{
		{"one", 3, []at{{5, 9, exact, 0}}, []uint64{5, 6, 7}, "", 0, 9},
		{"two of one file", 1, []at{{5, 3, exact, 0}, {5, 9, exact, 0}}, []uint64{5}, "", 0, 3},
		{"all are there", 3, []at{{5, 9, exact, 0}, {7, 1, exact, 2}}, []uint64{5, 6, 7}, "", 0, 9},
		{"one between is gone", 3, []at{{5, 9, exact, 0}, {8, 1, exact, 2}}, []uint64{5, 7, 8}, "[1]", 0, 9},
		{"all between are gone", 3, []at{{5, 9, exact, 0}, {8, 1, exact, 1}}, []uint64{5, 8, 9}, "[1]", 0, 9},
		{"the first is gone", 3, []at{{5, 9, other, 0}, {8, 1, exact, 2}}, []uint64{6, 7, 8}, "[0]", 0, 0},
		{"what is older than the first, which is gone", 3, []at{{5, 9, other, 0}, {6, 1, exact, 2}}, []uint64{3, 4, 6}, "[2]", 2, 0},
		{"all are gone", 2, []at{{5, 9, other, 0}, {8, 1, other, 0}}, []uint64{9, 10}, "[0]", 0, 0},
		{"one in the middle is gone", 4, []at{{5, 9, exact, 0}, {7, 500, other, 0}, {9, 1, exact, 3}}, []uint64{5, 6, 8, 9}, "[2]", 0, 9},
		{"and nothing else", 3, []at{{5, 9, exact, 0}, {7, 500, other, 0}, {8, 1, exact, 2}}, []uint64{5, 6, 8}, "[2]", 0, 9},
		{"the last is gone", 3, []at{{5, 9, exact, 0}, {9, 1, other, 0}}, []uint64{5, 10, 11}, "[1]", 0, 9},
		{"cut", 2, []at{{5, 9, cut, 1}}, []uint64{6, 7}, "[1]", 1, 0},
		{"more than were counted", 4, []at{{5, 9, exact, 0}, {6, 1, exact, 3}}, []uint64{7, 8, 9, 10}, "", 0, 9},
		{"the other way round", 3, []at{{5, 9, exact, 2}, {6, 1, exact, 0}}, []uint64{7, 8, 9}, "", 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var positions []agent.Position
			var places []place
			for _, a := range c.at {
				positions = append(positions, agent.Position{Epoch: a.epoch, Offset: a.offset})
				places = append(places, place{a.match, a.file})
			}
			p := newPlan(c.n, positions, places)
			var gaps []int
			for i, g := range p.gaps {
				if g && i >= p.file {
					gaps = append(gaps, i)
				}
			}
			got := ""
			if gaps != nil {
				got = fmt.Sprint(gaps)
			}
			if fmt.Sprint(p.numbers) != fmt.Sprint(c.numbers) || p.file != c.file || p.pos.Offset != c.offset || got != c.gaps {
				t.Errorf("%v from %d:%d, gaps %s; want %v from %d:%d, gaps %s", p.numbers, p.file, p.pos.Offset, got, c.numbers, c.file, c.offset, c.gaps)
			}
		})
	}
}

// Whatever of a log's files is gone, and wherever its consumers stand: each gets
// all that it lacks and that is still there; and nothing again where nothing is
// gone.
func TestPlanLosesNothing(t *testing.T) {
	for seed := range uint64(20_000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		const size = 100
		files := 1 + rnd.IntN(8)
		var there []uint64 // numbers of the files that are there
		for e := 1; e <= files; e++ {
			if rnd.IntN(3) > 0 || e == files {
				there = append(there, uint64(e))
			}
		}
		index := map[uint64]int{}
		for i, e := range there {
			index[e] = i
		}
		var positions []agent.Position
		for range 1 + rnd.IntN(4) {
			positions = append(positions, agent.Position{Epoch: 1 + uint64(rnd.IntN(files)), Offset: int64(1 + rnd.IntN(size))})
		}
		positions = sorted(positions)
		var places []place
		for _, p := range positions {
			if i, ok := index[p.Epoch]; ok {
				places = append(places, place{exact, i})
			} else {
				places = append(places, place{})
			}
		}
		p := newPlan(len(there), positions, places)
		for _, c := range positions {
			for i, truth := range there {
				lacks := int64(0) // of this file, from here on
				switch {
				case truth < c.Epoch:
					lacks = size
				case truth == c.Epoch:
					lacks = c.Offset
				}
				gets := int64(0)
				switch {
				case i < p.file || p.numbers[i] < c.Epoch:
					gets = size
				case p.numbers[i] == c.Epoch:
					gets = c.Offset
				case i == p.file:
					gets = p.pos.Offset
				}
				if gets > lacks || gets < lacks && len(there) == files {
					t.Fatalf("seed %d: files %v, positions %v: plan %+v: the consumer at %v lacks file %d from %d on and gets it from %d on", seed, there, positions, p, c, truth, lacks, gets)
				}
			}
		}
	}
}

func sorted(all []agent.Position) []agent.Position {
	var out []agent.Position
	for len(all) > 0 {
		low := 0
		for i := range all {
			if all[i].Before(all[low]) {
				low = i
			}
		}
		if p := all[low]; len(out) == 0 || out[len(out)-1].Before(p) {
			out = append(out, p)
		}
		all = append(all[:low:low], all[low+1:]...)
	}
	return out
}
