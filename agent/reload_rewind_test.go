package agent

import (
	"context"
	"errors"
	"testing"
	"time"
)

// What waits for room while the output before it loses what it has in memory
// must not get ahead of that.
func TestReloadOfAnOutputThatIsFullAndCannotBeDrained(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", func(o *outlet) { o.stuck, o.room = true, 2 }), s.output("copy", "1", nil)}
		s.run(func() {
			s.lines["app"] <- 2
			s.lines["app"] <- 4
			s.heard()
			s.parts.Outputs = []OutputUnit{s.output("main", "2", nil), s.output("copy", "1", nil)}
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.lines["app"] <- 5
			s.wants("it is read again", s.heard(),
				"output main 1 closes", "output main 2 opens", "collector app 1 ends", "collector app 1 starts",
				"main 2 gets bad1", "main 2 gets bad2", "main 2 gets bad3", "main 2 gets bad4", "main 2 gets bad5",
				"copy 1 gets bad3", "copy 1 gets bad4", "copy 1 gets bad5")
		})
		if n := count(s.agent, "logkeel_findings_total", "rule=bad"); n != 5 {
			t.Errorf("%v findings are counted, want 5", n)
		}
	})
}

// Something new that cannot be built changes nothing, and ends nothing.
func TestReloadOfSomethingNewThatCannotBeBuilt(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", nil)}
		s.run(func() {
			s.parts.Collectors = []CollectorUnit{s.collector("app", "2"), s.collector("web", "broken")}
			s.parts.Outputs = []OutputUnit{s.output("other", "1", nil), s.output("copy", "broken", nil)}
			const want = "the output copy cannot be added: no such thing\nthe collector web cannot be added: no such thing"
			if err := s.reload(); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			s.lines["app"] <- 1
			s.wants("all goes on as it was", s.heard(), "output other 1 opens", "output other 1 closes", "main 1 gets bad1")
		})
	})
}

// An output that is added begins at once: a log that says nothing does not keep
// back what the others have for it.
func TestReloadANewOutputOfAQuietLog(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", nil)}
		s.run(func() {
			s.lines["app"] <- 2
			s.heard()
			s.parts.Outputs = append(s.parts.Outputs, s.output("copy", "1", nil))
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			wantSafe(t, s.ledger, "copy", "log/app", Position{Epoch: 1, Offset: 2})
		})
	})
}

// A stop does not wait for what a reload waits for.
func TestStopDuringAReload(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.ShutdownTimeout = time.Hour
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		var out *outlet
		s.parts.Outputs = []OutputUnit{s.output("main", "1", func(o *outlet) { out, o.patient = o, true })}
		ctx, stop := context.WithCancel(s.t.Context())
		a := newAgent(s.t, s.parts)
		done := make(chan error)
		go func() { done <- a.Run(ctx) }()
		s.lines["app"] <- 2
		s.heard()
		reloaded := make(chan error, 1)
		s.parts.Outputs = []OutputUnit{s.output("main", "2", nil)}
		go func() { reloaded <- a.Reload(s.t.Context(), s.parts) }()
		s.wants("it waits", s.heard())
		out.mu.Lock()
		out.patient = false // from now on it can be drained
		out.mu.Unlock()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := <-reloaded; !errors.Is(err, errStopping) {
			t.Errorf("the reload ends with %v", err)
		}
		s.wants("it stops", s.heard(), "collector app 1 ends", "output main 1 is drained", "output main 1 closes")
	})
}
