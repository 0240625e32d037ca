package rules

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A window says what one says that keeps a sorted list of the newest.
func TestWindow(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		size, width := 1+rnd.IntN(8), int64(1+rnd.IntN(20))
		var w window
		var list []int64
		now := int64(100)
		for step := range 300 {
			now += rnd.Int64N(6)
			at := now
			switch rnd.IntN(10) {
			case 0:
				at -= rnd.Int64N(2 * width)
			case 1:
				at -= 5 * width
			}
			if n := len(list); n > 0 && at < list[n-1]-width {
				list = nil
			}
			list = append(list, at)
			slices.Sort(list)
			list = list[max(0, len(list)-size):]
			want := len(list) == size && list[size-1]-list[0] <= width
			if got := w.add(at, size, time.Duration(width)); got != want || !slices.Equal(w.times(), list) || w.oldest() != list[0] {
				t.Fatalf("seed %d, step %d: %v %v, want %v %v", seed, step, got, w.times(), want, list)
			}
			if cap(w.buf) > 8*size+8 {
				t.Fatalf("room for %d where %d count", cap(w.buf), size)
			}
		}
	}
}
