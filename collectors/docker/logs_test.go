package docker

import (
	"fmt"
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
		if e.times() != 2 {
			t.Errorf("in a quiet hour it asked %d times", e.times())
		}

		e.stop(box)
		settle(time.Hour)
		if n := e.times(); n > 4 {
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
		if e.times() != 1 || strings.Count(w.log.String(), "driver=syslog") != 1 || strings.Count(w.log.String(), "WARN") != 1 {
			t.Errorf("it asked %d times, and said\n%s", e.times(), w.log)
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
			e.events = append(e.events, event{kind: changed, id: box})
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
			e.events = append(e.events, event{kind: changed, id: box})
		})
		settle(time.Second)
		e.write(box, agent.Stdout, "three\n")
		settle(time.Minute)
		w.want("a container that is not to be read")
		w.stop()
	})
}
