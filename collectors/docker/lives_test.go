package docker

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A story is a lives and a clock.
type story struct {
	*lives
	at time.Time
}

func newStory() *story { return &story{newLives(), time.Unix(1e9, 0)} }

// made is a container that the engine describes, made now.
func (s *story) made(digit, name string, labels map[string]string) {
	s.at = s.at.Add(time.Second)
	s.seen(&described{container: &agent.Container{ID: id(digit), Name: name, Labels: labels}, audit: audit{created: s.at, stop: "SIGUSR1"}})
}

func (s *story) event(kind eventKind, digit string, code int) {
	s.at = s.at.Add(time.Second)
	s.happened(event{kind: kind, id: id(digit), line: "app", code: code, at: s.at})
}

// signal and end are what the engine sends for a stop.
func (s *story) end(digit string, signal syscall.Signal, code int) {
	s.event(signalled, digit, int(signal))
	s.event(died, digit, code)
}

func (s *story) want(t *testing.T, when, digit string, crashed bool, want counts) {
	t.Helper()
	l, got := s.report(&agent.Container{ID: id(digit)}, &state{})
	if got != want || l.crashed != crashed {
		t.Errorf("%s: %+v, crashed %v, want %+v, %v", when, got, l.crashed, want, crashed)
	}
}

func TestCrashes(t *testing.T) {
	for _, c := range []struct {
		name    string
		does    func(s *story)
		crashes uint64
		down    bool
	}{
		{"nothing", func(*story) {}, 0, false},
		{"it is done", func(s *story) { s.event(died, "1", 0) }, 0, false},
		{"it fails", func(s *story) { s.event(died, "1", 1) }, 1, true},
		{"killed from without", func(s *story) { s.event(died, "1", 137) }, 1, true},
		{"docker stop", func(s *story) { s.end("1", syscall.SIGTERM, 143) }, 0, false},
		{"its stop signal", func(s *story) { s.end("1", syscall.SIGUSR1, 3) }, 0, false},
		{"docker stop that has to kill", func(s *story) { s.event(signalled, "1", 15); s.end("1", syscall.SIGKILL, 137) }, 0, false},
		{"reload, and an end", func(s *story) { s.end("1", syscall.SIGHUP, 1) }, 1, true},
		{"a signal that was ignored", func(s *story) {
			s.event(signalled, "1", 15)
			s.at = s.at.Add(askedFor)
			s.event(died, "1", 1)
		}, 1, true},
		{"stopped, started, and it fails", func(s *story) { s.end("1", syscall.SIGTERM, 143); s.event(changed, "1", 0); s.event(died, "1", 2) }, 1, true},
		{"it fails, and is stopped while it waits", func(s *story) { s.event(died, "1", 2); s.event(stopped, "1", 0) }, 1, false},
		{"three times", func(s *story) { s.event(died, "1", 2); s.event(died, "1", 2); s.event(died, "1", 2) }, 3, true},
		{"another one ends", func(s *story) { s.event(signalled, "2", 15); s.event(died, "1", 1) }, 1, true},
		{"the engine sends it once more", func(s *story) {
			s.event(died, "1", 1)
			s.happened(event{kind: subscribed})
			s.happened(event{kind: died, id: id("1"), line: "app", code: 1, at: s.at})
		}, 1, true},
	} {
		s := newStory()
		s.made("1", "app", nil)
		c.does(s)
		s.want(t, c.name, "1", c.down, counts{crashes: c.crashes})
	}
	// One that was gone before the engine was asked for it.
	s := newStory()
	s.event(died, "9", 1)
	s.event(removed, "9", 0)
	s.made("1", "app", nil)
	s.want(t, "gone at once", "1", false, counts{crashes: 1})
	if len(s.of) != 1 {
		t.Errorf("%d containers are known", len(s.of))
	}
}

func compose(more ...string) map[string]string {
	const p = "com.docker.compose."
	l := map[string]string{p + "project": "shop", p + "service": "web", p + "container-number": "1", p + "oneoff": "False"}
	for i := 0; i < len(more); i += 2 {
		l[p+more[i]] = more[i+1]
	}
	return l
}

func TestMadeAnew(t *testing.T) {
	// Compose 1: the old one gets another name, and goes when the new one is there.
	s := newStory()
	s.made("1", "shop_web_1", compose())
	old := s.at
	s.end("1", syscall.SIGTERM, 143)
	s.made("2", "shop_web_1", compose())
	s.seen(&described{container: &agent.Container{ID: id("1"), Name: "1111_shop_web_1", Labels: compose()}, audit: audit{created: old}})
	s.event(removed, "1", 0)
	s.want(t, "compose 1", "2", false, counts{recreated: 1})

	// Compose 2: the new one has another name until the old one is gone.
	s.made("3", "3333_shop-web-1", compose("replace", "shop-web-1"))
	s.end("2", syscall.SIGTERM, 1)
	s.event(removed, "2", 0)
	s.seen(&described{container: &agent.Container{ID: id("3"), Name: "shop-web-1", Labels: compose()}, audit: audit{created: s.at}})
	s.want(t, "compose 2", "3", false, counts{recreated: 2})

	// The next one of the service is another line; a one-off is none.
	s.made("4", "shop-web-2", compose("container-number", "2"))
	s.want(t, "scaled", "4", false, counts{})
	s.made("5", "shop-web-run-1", compose("oneoff", "True"))
	s.happened(event{kind: died, id: id("5"), code: 1, at: s.at})
	s.want(t, "one-off", "5", true, counts{})
	s.want(t, "one-off", "3", false, counts{recreated: 2})

	// By hand, with time in between.
	s.made("6", "db", nil)
	s.event(removed, "6", 0)
	s.keep(map[string]bool{})
	s.made("7", "db", nil)
	s.want(t, "by hand", "7", false, counts{recreated: 1})
}

func TestKillsForMemory(t *testing.T) {
	run := time.Unix(2e9, 0)
	s := newStory()
	k := &agent.Container{ID: id("1"), Name: "app"}
	see := func(started time.Time, oom bool) {
		s.seen(&described{container: k, state: state{started: started, oomKilled: oom}})
	}
	ooms := func(started time.Time, oom bool, want uint64) {
		t.Helper()
		if _, c := s.report(k, &state{started: started, oomKilled: oom}); c.ooms != want {
			t.Errorf("%d OOM kills, want %d", c.ooms, want)
		}
	}
	see(run, true) // before the agent began to look
	ooms(run, true, 0)
	next := run.Add(time.Hour)
	s.at = next
	see(next, false)
	ooms(next, false, 0)
	s.event(killedForMemory, "1", 0)
	ooms(next, true, 1) // the same one
	s.event(killedForMemory, "1", 0)
	ooms(next, true, 2) // another process

	third := s.at.Add(time.Hour)
	see(third, false)
	ooms(third, true, 3) // its event did not come
	ooms(third, true, 3)
	s.at = third
	s.event(killedForMemory, "1", 0) // or comes late
	ooms(third, true, 3)
	s.event(killedForMemory, "1", 0)
	ooms(third, true, 4)
}

func TestLinesAreBounded(t *testing.T) {
	s := newStory()
	s.made("1", "stays", nil)
	for i := range 2 * maxLines {
		one := fmt.Sprintf("%064x", i+100)
		s.at = s.at.Add(time.Second)
		s.seen(&described{container: &agent.Container{ID: one, Name: fmt.Sprint("run-", i)}, audit: audit{created: s.at}})
		s.happened(event{kind: removed, id: one, at: s.at})
	}
	if len(s.line) > maxLines || len(s.of) != 1 || s.line["stays"] == nil {
		t.Errorf("%d lines, %d containers, the one that is there: %v", len(s.line), len(s.of), s.line["stays"])
	}
}

func TestSignalOf(t *testing.T) {
	for in, want := range map[string]syscall.Signal{
		"": 15, "SIGQUIT": 3, "quit": 3, "3": 3, "SIGWINCH": 28, "SIGRTMIN+3": 37, "RTMIN": 34, "what": 15,
	} {
		if got := signalOf(in); got != want {
			t.Errorf("%q is %d, want %d", in, got, want)
		}
	}
}

func TestLoop(t *testing.T) {
	at := time.Unix(1e9, 0)
	up, waits, down := &state{running: true}, &state{status: restarting}, &state{status: "exited"}
	l := loop{}.next(7, false, at) // what was before is not known
	step := func(after time.Duration, restarts int, s *state, want bool) {
		t.Helper()
		at = at.Add(after)
		l = l.next(restarts, true, at)
		if got := l.turning(s, at); got != want {
			t.Errorf("after %v, %d restarts: %v", at.Sub(time.Unix(1e9, 0)), restarts, got)
		}
	}
	step(time.Minute, 7, up, false)
	step(time.Minute, 8, up, false)
	step(time.Minute, 9, waits, false)
	step(time.Minute, 10, waits, true)
	step(time.Minute, 10, down, false) // stopped by hand
	step(6*time.Minute, 10, up, true)
	step(2*time.Minute+time.Second, 10, up, false) // ten minutes since the first of them
	step(time.Minute, 99, up, true)                // many between two snapshots
	step(time.Minute, 0, up, false)                // started by hand
	step(time.Minute, 2, up, false)
	step(time.Minute, 3, up, true)
}
