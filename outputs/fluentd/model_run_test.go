package fluentd

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestModel lets everything happen in any order: no record is lost, each source
// first arrives in order, nothing acknowledged is repeated, no position goes
// past what is not safe, also after a kill.
func TestModel(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 20
	}
	halved, givenUp := 0, 0
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			defer func() { halved, givenUp = halved+int(w.o.lanes[0].q.halved), givenUp+w.givenUp }()
			steps, kills := 400, 4
			if w.poison {
				steps, kills = 1500, 40
			}
			// Some worlds have a receiver that lags, others a disk that does.
			weights := [5]int{4 + w.rng.IntN(8), 2 + w.rng.IntN(8), 1 + w.rng.IntN(8), 1 + w.rng.IntN(6), 1}
			for range steps {
				switch pick(w.rng, weights[:]) {
				case 0:
					w.put()
				case 1:
					w.next()
				case 2:
					w.ack()
				case 3:
					w.spill()
				default:
					if w.rng.IntN(kills) == 0 {
						w.kill()
					} else {
						w.unsend()
					}
				}
				w.check()
			}
			w.finish()
		})
	}
	if halved == 0 || givenUp == 0 {
		t.Errorf("%d chunks were halved, %d records given up", halved, givenUp)
	}
}

func pick(rng *rand.Rand, weights []int) int {
	total := 0
	for _, n := range weights {
		total += n
	}
	x := rng.IntN(total)
	for i, n := range weights {
		if x -= n; x < 0 {
			return i
		}
	}
	return 0
}
