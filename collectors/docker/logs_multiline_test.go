package docker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

func java(*agent.Source) *multiline.Format {
	f, _ := multiline.Preset("java")
	return f
}

var trace = []string{
	"java.lang.IllegalStateException: no\n",
	"\tat shop.Cart.add(Cart.java:17)\n",
	"\tat shop.Main.main(Main.java:3)\n",
}

var joined = strings.TrimSuffix(strings.Join(trace, ""), "\n")

func TestLogsMultiline(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.options.Format = java
		w.start()
		settle(time.Second)
		e.write(box, agent.Stdout, "before\n")
		synctest.Wait()
		w.want("an ordinary line, at once", "before")

		e.write(box, agent.Stderr, trace[0])
		e.write(box, agent.Stdout, "between\n")
		e.write(box, agent.Stderr, trace[1:]...)
		settle(joinPause - time.Millisecond)
		w.want("while it may go on")
		settle(2 * time.Millisecond)
		w.want("around the other stream", "between", joined)

		e.write(box, agent.Stdout, trace...)
		e.write(box, agent.Stdout, "after\n")
		synctest.Wait()
		w.want("when another line comes", joined, "after")

		e.write(box, agent.Stdout, trace[:2]...)
		settle(joinPause / 2)
		w.kill()
		e.write(box, agent.Stdout, trace[2], "after\n")
		w.start()
		settle(time.Second)
		w.want("a kill in the middle", joined, "after")

		e.write(box, agent.Stdout, trace[:2]...)
		synctest.Wait()
		e.restart()
		e.write(box, agent.Stdout, trace[2])
		settle(10 * time.Second)
		w.want("a stream that breaks in the middle", joined)

		// One stream whose record stays open does not hold up the other for long.
		e.write(box, agent.Stderr, trace[0])
		for range 100 {
			e.write(box, agent.Stdout, "busy\n")
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if got := w.a.take(); len(got) != 101 || slices.Index(got, strings.TrimSuffix(trace[0], "\n")) > 30 {
			t.Errorf("got %d lines, the open one at %d", len(got), slices.Index(got, strings.TrimSuffix(trace[0], "\n")))
		}

		e.write(box, agent.Stdout, trace[0])
		for range 2*maxJoined + 10 {
			e.write(box, agent.Stdout, trace[1])
		}
		e.write(box, agent.Stdout, "after\n")
		synctest.Wait()
		w.a.mu.Lock()
		for i, r := range w.a.records {
			lines := 1 + strings.Count(w.a.got[i], "\n")
			if want := []int{maxJoined, maxJoined, 11, 1}[i]; lines != want || (r.Flags&agent.Cut != 0) != (i < 2) {
				t.Errorf("record %d of a trace without end has %d lines, flags %b", i, lines, r.Flags)
			}
		}
		w.a.mu.Unlock()
		e.write(box, agent.Stdout, trace[:2]...)
		e.stop(box)
		settle(2 * time.Second)
		if got := w.a.take(); got[len(got)-1] != strings.TrimSuffix(trace[0]+trace[1], "\n") {
			t.Errorf("at the end of the container: %q", got)
		}
		w.stop()
	})
}

// What was ended by time stays so for whoever had it, though its lines are closer
// together by their own time; and for the others.
func TestLogsMultilineNotAgain(t *testing.T) {
	for _, restart := range []bool{false, true} {
		inWorld(t, func(w *logWorld, e *logEngine) {
			w.options.Format = java
			w.b.holding = true
			w.start()
			settle(time.Second)
			e.write(box, agent.Stdout, trace[:2]...)
			at := time.Now().Add(100 * time.Millisecond).UnixNano()
			settle(2 * joinPause)
			half, rest := strings.TrimSuffix(trace[0]+trace[1], "\n"), strings.TrimSuffix(trace[2], "\n")
			w.want("a trace of which the end is late", half)
			w.b.take()
			if restart {
				w.kill() // b had nothing
			}
			e.change(func() { // the engine was slow
				b := e.boxes[box]
				b.all = append(b.all, wrote{at, agent.Stdout, trace[2]}, wrote{at, agent.Stdout, "after\n"})
			})
			if restart {
				w.start()
			}
			settle(time.Second)
			w.want("what came late", rest, "after")
			if !restart {
				w.kill()
				w.b.take()
				w.start()
				settle(time.Second)
				w.want("what it had")
			}
			if got := w.b.take(); !slices.Equal(got, []string{half, rest, "after"}) && (restart || !slices.Equal(got, []string{joined, "after"})) {
				t.Errorf("the other one: %q", got)
			}
			w.stop()
		})
	}
}

// A record is held for as long as it says and no longer, though the other stream is
// written to all the time.
func TestLogsMultilineHeld(t *testing.T) {
	for _, every := range []time.Duration{10 * time.Millisecond, 99 * time.Millisecond, joinPause - time.Millisecond} {
		inWorld(t, func(w *logWorld, e *logEngine) {
			w.options.Format = java
			w.start()
			settle(time.Second)
			e.write(box, agent.Stderr, trace[0])
			began := time.Now()
			for time.Since(began)+every < joinPause {
				settle(every)
				e.write(box, agent.Stdout, "busy\n")
			}
			settle(joinPause - time.Since(began) - 1)
			w.want("while it may go on")
			settle(time.Millisecond)
			if got := w.a.take(); !slices.Contains(got, strings.TrimSuffix(trace[0], "\n")) {
				t.Errorf("a line every %v on the other stream: %q after %v", every, got, time.Since(began))
			}
			w.stop()
		})
	}
}

// A configuration that says something else while a trace is open loses and repeats
// nothing: what was held is read as the new one says.
func TestLogsMultilineOtherFormat(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.options.Format = java
		w.start()
		settle(time.Second)
		e.write(box, agent.Stdout, trace[:2]...)
		settle(joinPause / 2)
		w.stop()
		w.want("held")
		w.options.Format = nil
		w.start()
		settle(joinPause / 2)
		w.want("without a format", strings.TrimSuffix(trace[0], "\n"), strings.TrimSuffix(trace[1], "\n"))
		w.stop()
		w.options.Format = java
		e.write(box, agent.Stdout, trace[2], trace[0], trace[1])
		w.start()
		settle(time.Second)
		w.want("with one", strings.TrimSuffix(trace[2], "\n"), strings.TrimSuffix(trace[0]+trace[1], "\n"))
		w.stop()
	})
}

// Records of several lines are whole, and come once, whatever breaks.
func TestLogsMultilineModel(t *testing.T) {
	for seed := range uint64(15) {
		inWorld(t, func(w *logWorld, e *logEngine) {
			rnd := rand.New(rand.NewPCG(seed, 2))
			w.options.Format = java
			var want []string
			w.start()
			for i := range 60 {
				switch rnd.IntN(6) {
				case 0:
					w.kill()
					w.b.holding = rnd.IntN(2) == 0 // then it needs it all again, from before a's place
					w.start()
				case 1:
					e.restart()
				case 2:
					e.change(func() { e.cuts = append(e.cuts, rnd.IntN(5000)) })
				default:
					var lines []string
					for j := range 1 + rnd.IntN(20) {
						if n := fmt.Sprintf("%d.%d", i, j); rnd.IntN(2) == 0 {
							lines = append(lines, "line "+n+"\n")
						} else {
							lines = append(lines, strings.Replace(trace[0], "no", n, 1), trace[1])
						}
					}
					e.write(box, agent.Stdout, lines...)
					want = append(want, strings.Split(strings.ReplaceAll(strings.TrimSuffix(strings.Join(lines, ""), "\n"), "\n\t", "\x00"), "\n")...)
				}
				settle(joinPause + time.Duration(rnd.IntN(1e9)))
			}
			settle(time.Minute)
			w.stop()
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], "\x00", "\n\t")
			}
			if got := w.a.take(); !slices.Equal(got, want) {
				t.Errorf("seed %d: got %d records, want %d; the first difference is at %d", seed, len(got), len(want), differ(got, want))
			}
		})
	}
}
