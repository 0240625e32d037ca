package docker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
)

var box = id("1")

// world runs the test in a bubble, with a container that runs.
func inWorld(t *testing.T, test func(w *logWorld, e *logEngine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newLogEngine()
		e.run(box)
		w := newLogWorld(t, e)
		w.now = func() int64 {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.now().UnixNano()
		}
		test(w, e)
	})
}

func numbered(from, to int) (lines, texts []string) {
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprintf("line %d", i))
		lines = append(lines, fmt.Sprintf("line %d\n", i))
	}
	return lines, texts
}

func TestLogs(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		e.write(box, agent.Stdout, "before\n")
		w.start()
		settle(time.Second)
		if !w.logs.CaughtUp() {
			t.Error("it has not caught up")
		}
		e.write(box, agent.Stdout, "one\n", "two\r\n", "\n")
		e.write(box, agent.Stderr, "three\n")
		synctest.Wait()
		streams := ""
		for _, r := range w.a.records {
			streams += r.Stream.String() + " "
		}
		if streams != "stdout stdout stdout stdout stderr " {
			t.Errorf("streams %s", streams)
		}
		w.want("lines", "before", "one", "two", "", "three")
		if n := w.metric("logkeel_docker_logs_following"); n != 1 {
			t.Errorf("%v are followed", n)
		}
		settle(time.Hour)
		if len(e.asked) != 2 {
			t.Errorf("in a quiet hour it asked %d times", len(e.asked))
		}

		e.stop(box)
		settle(time.Hour)
		if n := len(e.asked); n > 4 {
			t.Errorf("a container that has stopped was asked for %d times", n)
		}
		e.run(box)
		e.write(box, agent.Stdout, "again\n")
		settle(time.Second)
		w.want("after a start", "again")

		w.stop()
		e.write(box, agent.Stdout, "missed\n")
		w.start()
		settle(time.Second)
		w.want("after a restart of the agent", "missed")
		e.restart()
		e.write(box, agent.Stdout, "meanwhile\n")
		settle(10 * time.Second)
		w.want("after a restart of the engine", "meanwhile")

		e.write(box, agent.Stdout, "last\n")
		e.remove(box)
		settle(10 * time.Second)
		if p := w.led.Consumer("a").Position("docker-api/" + box); !p.IsZero() {
			t.Errorf("a container that is gone has the position %+v", p)
		}
		w.stop()
		if strings.Contains(w.log.String(), "level=WARN") && !strings.Contains(w.log.String(), "unexpected EOF") {
			t.Errorf("it warned:\n%s", w.log)
		}
	})
}

// Lines over 16 KiB come in parts, with what the other stream has between them.
func TestLogsParts(t *testing.T) {
	long := strings.Repeat("x", 2*partSize) + "end"
	for _, tty := range []bool{false, true} {
		inWorld(t, func(w *logWorld, e *logEngine) {
			e.boxes[box].tty = tty
			w.options.MaxLine = 100 << 10
			w.start()
			settle(time.Second)
			e.write(box, agent.Stdout, "a\n", long+"\n", "b\n", long+"1999-01-02T03:04:05.000000000Z \n")
			synctest.Wait()
			w.want("joined", "a", long, "b", long+"1999-01-02T03:04:05.000000000Z ")

			e.write(box, agent.Stdout, long[:partSize])
			settle(partPause / 2)
			w.want("half a line")
			w.kill()
			w.start()
			settle(partPause / 2)
			w.want("half a line, after a kill")
			settle(partPause)
			w.want("half a line that does not go on", long[:partSize])

			if !tty {
				e.write(box, agent.Stdout, long[:partSize])
				e.write(box, agent.Stderr, "between\n")
				e.write(box, agent.Stdout, "rest\n")
				synctest.Wait()
				w.want("around the other stream", "between", long[:partSize]+"rest")
			}
			e.write(box, agent.Stdout, "no end")
			e.stop(box)
			settle(3 * time.Second)
			w.want("an output without a line end", "no end")
			e.run(box)
			time.Sleep(time.Millisecond)
			e.write(box, agent.Stdout, "next\n")
			settle(3 * time.Second)
			w.want("what follows it", "next")
			w.kill()
			w.start()
			settle(3 * time.Second)
			w.want("after a restart")

			huge := strings.Repeat("y", 250<<10)
			e.write(box, agent.Stdout, huge+"\n", "after\n")
			settle(3 * time.Second)
			w.a.mu.Lock()
			var joined, cut string
			for i, text := range w.a.got {
				joined += text
				if w.a.records[i].Flags&agent.Cut != 0 {
					cut += "c"
				}
			}
			w.a.mu.Unlock()
			if joined != huge+"after" || cut != "cc" {
				t.Errorf("tty=%v: a line that is too long came as %d bytes, %s", tty, len(joined), cut)
			}
			w.stop()
		})
	}
}

// An output without a line end may be followed at once by the next message.
func TestLogsTerminalWithoutLineEnd(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		e.boxes[box].tty = true
		e.write(box, agent.Stdout, "prompt> ")
		time.Sleep(time.Second)
		e.write(box, agent.Stdout, "next 2000-01-01T00:00:00.000000000Z x\n")
		w.start()
		settle(time.Second)
		w.want("both", "prompt> ", "next 2000-01-01T00:00:00.000000000Z x")
		w.stop()
	})
}

// Many lines with one timestamp, and consumers that stand between them: each gets
// what it lacks.
func TestLogsOneTimestamp(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.start()
		settle(time.Second)
		var all []string
		for i := range 20 {
			lines, texts := numbered(i*10, i*10+9)
			all = append(all, texts...)
			w.b.holding = i >= 7
			e.write(box, agent.Stdout, lines...)
			synctest.Wait()
			if i == 12 {
				w.kill()
				w.start()
				settle(time.Second)
			}
		}
		w.want("once each", all...)
		got := w.b.take()
		if want := append(slices.Clone(all[:130]), all[70:]...); !slices.Equal(got, want) {
			t.Errorf("the other got %d lines %.400q, want %d", len(got), got, len(want))
		}
		w.kill()
	})
}

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

		e.fail = errors.New("500 internal server error")
		e.restart()
		lines, texts = numbered(1, 5)
		e.write(box, agent.Stdout, lines...)
		settle(time.Hour)
		w.want("an engine with an error")
		if n := strings.Count(w.log.String(), "500 internal"); n != 1 {
			t.Errorf("the error was said %d times", n)
		}
		asked := len(e.asked)
		settle(time.Minute)
		if n := len(e.asked) - asked; n > 30 {
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
		e.hung = false // those that hang go on to hang
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

func TestLogsStartAtEnd(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.options.StartAtEnd = true
		e.run(id("2"))
		e.write(box, agent.Stdout, "old\n", "old\n", "old\n")
		w.start()
		settle(time.Second)
		e.write(box, agent.Stdout, "new\n")
		e.write(id("2"), agent.Stdout, "first\n")
		settle(time.Second)
		slices.Sort(w.a.got)
		w.want("from the end", "first", "new")
		w.stop()
		e.run(id("3"))
		e.write(id("3"), agent.Stdout, "appeared\n")
		w.start()
		settle(10 * time.Second)
		w.want("a log that appeared meanwhile", "appeared")
		w.stop()
	})
}

func TestLogsUnreadable(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		e.boxes[box].driver, e.fail = "syslog", errUnreadable
		e.run(id("2"))
		e.boxes[id("2")].driver = "none"
		w.start()
		settle(time.Hour)
		if len(e.asked) != 1 || strings.Count(w.log.String(), "driver=syslog") != 1 || strings.Count(w.log.String(), "WARN") != 1 {
			t.Errorf("it asked %d times, and said\n%s", len(e.asked), w.log)
		}
		e.fail = nil
		e.write(box, agent.Stdout, "one\n")
		e.run(box)
		settle(10 * time.Second)
		w.want("after it was started again", "one")
		w.stop()
	})
}

// Where more run than may be followed, the others are asked for what is new.
func TestLogsPolled(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.follow = 1
		e.run(id("2"))
		w.start()
		settle(time.Second)
		var all []string
		for i := range 10 {
			text := fmt.Sprint("line ", i)
			e.write(id(fmt.Sprint(1+i%2)), agent.Stdout, text+"\n")
			all = append(all, text)
			settle(10 * time.Second)
		}
		w.want("all", all...)
		w.stop()
	})
}

func TestLogsLabels(t *testing.T) {
	inWorld(t, func(w *logWorld, e *logEngine) {
		w.start()
		settle(time.Second)
		e.change(func() {
			c := *e.boxes[box].container
			c.Name = "renamed"
			e.boxes[box].container = &c
			e.events = append(e.events, event{changed, box})
		})
		e.write(box, agent.Stdout, "one\n")
		settle(time.Second)
		e.write(box, agent.Stdout, "two\n")
		settle(time.Second)
		w.want("lines", "one", "two")
		found := false
		w.pipe.Meter(func(s agent.Sample) {
			for _, l := range s.Labels {
				found = found || l == agent.Label{Name: "container", Value: "renamed"}
			}
		})
		if !found {
			t.Error("the new name is not among the metrics")
		}
		e.change(func() {
			c := *e.boxes[box].container
			c.Labels = map[string]string{ignoreLabel: "true"}
			e.boxes[box].container = &c
			e.events = append(e.events, event{changed, box})
		})
		settle(time.Second)
		e.write(box, agent.Stdout, "three\n")
		settle(time.Minute)
		w.want("a container that is not to be read")
		w.stop()
	})
}

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
