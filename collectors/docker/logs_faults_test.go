package docker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// An output that takes nothing for a while gets what it missed.
func TestLogsOutputFails(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.start()
		settle(time.Second)
		w.b.failing = errNoRoom
		lines, texts := numbered(1, 100)
		e.write(box, agent.Stdout, lines...)
		settle(20 * time.Second)
		w.b.mu.Lock()
		w.b.failing = nil
		w.b.mu.Unlock()
		settle(20 * time.Second)
		w.want("the other", texts...)
		if got := w.b.take(); !slices.Equal(got, texts) {
			t.Errorf("it got %q", got)
		}
		w.stop()
	})
}

// The engine breaks streams wherever they are, answers with errors, hangs.
func TestLogsFaults(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		lines, texts := numbered(1, 50)
		e.write(box, agent.Stdout, lines...)
		for n := range 120 {
			e.cuts = append(e.cuts, n)
		}
		w.start()
		settle(20 * time.Minute)
		w.want("streams that break", texts...)

		e.set(func() { e.fail = errors.New("500 internal server error") })
		e.restart()
		lines, texts = numbered(1, 5)
		e.write(box, agent.Stdout, lines...)
		settle(time.Hour)
		w.want("an engine with an error")
		if n := strings.Count(w.log.String(), "500 internal"); n != 1 {
			t.Errorf("the error was said %d times", n)
		}
		asked := e.times()
		settle(time.Minute)
		if n := e.times() - asked; n > 30 {
			t.Errorf("an engine with an error was asked %d times in a minute", n)
		}
		e.change(func() { e.fail = nil })
		settle(10 * time.Second)
		w.want("when it is over", texts...)
		if !strings.Contains(w.log.String(), "read from the engine again") {
			t.Error("that it is over was not said")
		}

		e.change(func() { e.down = true })
		settle(time.Minute)
		lines, texts = numbered(6, 9)
		e.change(func() { e.down = false })
		e.write(box, agent.Stdout, lines...)
		settle(time.Minute)
		w.want("an engine that was away", texts...)
		w.stop()
	})
}

// An engine that hangs is found out by the collector's own calls, and what was
// asked of it is asked anew.
func TestLogsHungEngine(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.start()
		settle(time.Second)
		e.change(func() { e.hung = true })
		e.write(box, agent.Stdout, "one\n")
		settle(10 * time.Minute)
		w.want("while it hangs")
		e.change(func() { e.hung = false })
		settle(2 * time.Minute)
		w.want("when it works again", "one")
		w.stop()
	})
}

// Streams that hang one by one in bulk are given up after a while.
func TestLogsSilentHistory(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		e.write(box, agent.Stdout, "one\n")
		e.cuts = []int{3}
		w.start()
		synctest.Wait()
		e.change(func() { e.hung = true })
		settle(2 * time.Second)
		e.set(func() { e.hung = false }) // those that hang go on to hang
		settle(5 * time.Minute)
		w.want("in the end", "one")
		w.stop()
	})
}

// The clock is set back, by little and by much, while the log is followed and
// while nobody does; also with engines that leave out what is older.
func TestLogsClock(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for _, step := range []time.Duration{-time.Millisecond, -time.Second, -time.Hour, time.Hour} {
			for _, down := range []bool{false, true} {
				t.Run(fmt.Sprint(strict, step, down), func(t *testing.T) {
					inWorld(t, func(w *logWorld, e *logEngine) {
						e.strict = strict
						w.start()
						settle(time.Second)
						e.write(box, agent.Stdout, "1\n", "2\n", "3\n")
						settle(time.Second)
						if down {
							w.stop()
						}
						e.change(func() { e.skew += step })
						e.write(box, agent.Stdout, "4\n")
						time.Sleep(100 * time.Millisecond)
						e.write(box, agent.Stdout, "5\n", "6\n")
						if down {
							w.start()
						}
						settle(10 * time.Second)
						w.want("after the step", "1", "2", "3", "4", "5", "6")
						e.write(box, agent.Stdout, "7\n")
						settle(time.Second)
						w.kill()
						w.start()
						e.write(box, agent.Stdout, "8\n")
						settle(2 * time.Hour)
						e.write(box, agent.Stdout, "9\n")
						w.kill()
						w.start()
						settle(10 * time.Second)
						w.want("later", "7", "8", "9")
						if w.metric("logkeel_docker_logs_gaps_total") != 0 {
							t.Error("a gap")
						}
						w.stop()
					})
				})
			}
		}
	}
}

// What the engine dropped before it was read is a gap, said with times.
func TestLogsGap(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.start()
		settle(time.Second)
		lines, texts := numbered(1, 10)
		for _, l := range lines {
			e.write(box, agent.Stdout, l)
			time.Sleep(time.Second)
		}
		w.want("before", texts...)
		w.stop()
		lines, texts = numbered(11, 20)
		for _, l := range lines {
			e.write(box, agent.Stdout, l)
			time.Sleep(time.Second)
		}
		e.boxes[box].rest = 15
		w.start()
		settle(10 * time.Second)
		w.want("after", texts[5:]...)
		if w.metric("logkeel_docker_logs_gaps_total") != 1 || !strings.Contains(w.log.String(), "from=2000-01-01T00:00:10Z to=2000-01-01T00:00:16Z") {
			t.Errorf("the gap was not said:\n%s", w.log)
		}
		w.stop()

		// Of many lines with one time some are gone: rather again than not.
		lines, texts = numbered(1, 10)
		w.start()
		settle(time.Second)
		e.write(box, agent.Stdout, lines[:6]...)
		synctest.Wait()
		w.want("half", texts[:6]...)
		w.stop()
		e.write(box, agent.Stdout, lines[6:]...)
		e.boxes[box].rest += 5 + 3
		w.start()
		settle(20 * time.Second)
		w.want("the rest", texts[6:]...)
		w.stop()
	})
}
