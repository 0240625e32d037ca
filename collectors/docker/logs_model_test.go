package docker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Whatever happens, an output whose acknowledgements come at once gets each line
// once and in order, and any other one at least once.
func TestLogsModel(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 10
	}
	for seed := range uint64(seeds) {
		inWorld(t, func(w *logWorld, e *logEngine) { model(t, w, e, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func model(t *testing.T, w *logWorld, e *logEngine, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	e.strict = rnd.IntN(2) == 0
	e.boxes[box].tty = rnd.IntN(4) == 0
	tty := e.boxes[box].tty
	var all []string
	up, runs := false, true
	for range 150 {
		switch n := rnd.IntN(100); {
		case n < 45:
			if !runs {
				e.run(box)
				runs = true
			}
			for range 1 + rnd.IntN(20) {
				text := fmt.Sprintf("line %d ", len(all))
				if rnd.IntN(20) == 0 {
					text += strings.Repeat("x", rnd.IntN(3*partSize))
				}
				all = append(all, text)
				stream := agent.Stdout
				if !tty && rnd.IntN(3) == 0 {
					stream = agent.Stderr
				}
				e.write(box, stream, text+"\n")
				if rnd.IntN(3) == 0 {
					time.Sleep(time.Duration(rnd.IntN(3)))
				}
			}
		case n < 55:
			e.change(func() { e.cuts = append(e.cuts, rnd.IntN(2000), rnd.IntN(20000)) })
		case n < 60:
			e.restart()
		case n < 64:
			if runs {
				e.stop(box)
				runs = false
			}
		case n < 74:
			switch {
			case !up:
				w.start()
			case rnd.IntN(3) == 0:
				w.stop()
			default:
				w.kill()
			}
			up = !up
		case n < 78:
			time.Sleep(time.Duration(slack)) // from one step back to the next the clock comes to where it was
			back := time.Duration(rnd.IntN(int(1500 * time.Millisecond)))
			if !e.strict && rnd.IntN(2) == 0 {
				back = time.Duration(rnd.IntN(int(time.Hour)))
			}
			e.change(func() { e.skew -= back })
		case n < 80:
			e.change(func() { e.skew += time.Duration(rnd.IntN(int(time.Minute))) })
		case n < 84:
			w.b.mu.Lock()
			w.b.holding = !w.b.holding
			w.b.mu.Unlock()
		case n < 88:
			w.b.mu.Lock()
			if w.b.failing = nil; rnd.IntN(2) == 0 {
				w.b.failing = errNoRoom
			}
			w.b.mu.Unlock()
		default:
			time.Sleep(time.Duration(rnd.IntN(int(3 * time.Second))))
		}
	}
	w.b.mu.Lock()
	w.b.failing = nil
	w.b.mu.Unlock()
	e.change(func() { e.cuts = nil })
	if !up {
		w.start()
	}
	settle(2 * time.Minute)
	w.stop()
	if got := w.a.take(); !slices.Equal(got, all) {
		t.Errorf("got %d lines, want %d; the first difference is at %d", len(got), len(all), differ(got, all))
	}
	have := map[string]bool{}
	for _, text := range w.b.take() {
		have[text] = true
	}
	for _, text := range all {
		if !have[text] {
			t.Errorf("%.20q is missing", text)
		}
	}
	if n := w.metric("logkeel_docker_logs_gaps_total"); n != 0 {
		t.Errorf("%v gaps", n)
	}
}

func differ(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
