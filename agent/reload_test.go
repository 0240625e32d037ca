package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// A stage is a world in which parts say what happens to them.
type stage struct {
	t      *testing.T
	ledger *Ledger
	mu     sync.Mutex
	said   []string
	agent  *Agent
	parts  Parts
	lines  map[string]chan int // by collector
}

func newStage(t *testing.T) *stage {
	l := openLedger(t, t.TempDir())
	return &stage{t: t, ledger: l, parts: fixed(l, quiet, newWords("bad"), nil), lines: map[string]chan int{}}
}

func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, fmt.Sprintf(format, args...))
}

// heard returns what was said since it was called last.
func (s *stage) heard() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	said := s.said
	s.said = nil
	return said
}

// collector has a section, and emits the numbers that come on its channel.
func (s *stage) collector(name, section string) CollectorUnit {
	if s.lines[name] == nil {
		s.lines[name] = make(chan int)
	}
	src := &Source{ID: "log/" + name, Collector: name, Name: name}
	return CollectorUnit{Name: name, Section: section, Build: func() ([]Collector, error) {
		if section == "broken" {
			return nil, errors.New("no such thing")
		}
		return []Collector{&numbered{s: s, name: name, section: section, src: src}}, nil
	}}
}

// numbered is a CatchUp collector of a log of numbers: it has those below the one
// that it was given last, as if they were in a file.
type numbered struct {
	s             *stage
	name, section string
	src           *Source
}

func (c *numbered) Name() string   { return c.name }
func (c *numbered) CaughtUp() bool { return true }

func (c *numbered) Run(ctx context.Context, sink Sink) error {
	c.s.say("collector %s %s starts", c.name, c.section)
	defer c.s.say("collector %s %s ends", c.name, c.section)
	f := sink.Open(c.src)
	defer f.Close(false)
	at := int64(0)
	if all := f.Resume(); len(all) > 0 {
		at = all[0].Offset
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case n := <-c.s.lines[c.name]:
			b, err := f.Batch(ctx)
			if err != nil {
				return nil
			}
			for i := at + 1; i <= int64(n); i++ {
				start := int32(len(b.Buf))
				b.Buf = fmt.Appendf(b.Buf, "bad%d", i)
				b.Records = append(b.Records, Record{End: i, Body: Span{start, int32(len(b.Buf))}})
			}
			b.Pos = Position{Epoch: 1, Offset: int64(n)}
			if f.Emit(ctx, b) == nil {
				at = int64(n)
			}
		}
	}
}

// An outlet is an output that has room for so many records until the next one
// waits; what it has taken is safe when it is drained, if it can be.
type outlet struct {
	s             *stage
	name, section string
	consumer      *Consumer
	room          int
	stuck         bool // it cannot be drained
	patient       bool // to drain it takes until somebody gives up
	kept          string

	mu      sync.Mutex
	got     []string
	pending []func()
}

func (s *stage) output(name, section string, more func(*outlet)) OutputUnit {
	return OutputUnit{Name: name, Section: section, Build: func() (Output, error) {
		if section == "broken" {
			return nil, errors.New("no such thing")
		}
		o := &outlet{s: s, name: name, section: section, consumer: s.ledger.Consumer(name), room: 1000}
		if more != nil {
			more(o)
		}
		s.say("output %s %s opens", name, section)
		return o, nil
	}}
}

func (o *outlet) Name() string        { return o.name }
func (o *outlet) Consumer() *Consumer { return o.consumer }
func (o *outlet) Kept() string        { return o.kept }

func (o *outlet) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (o *outlet) Close() error {
	o.s.say("output %s %s closes", o.name, o.section)
	return nil
}

func (o *outlet) Write(ctx context.Context, b *Batch, from int) error {
	if len(o.got)+len(b.Records)-from > o.room {
		o.s.say("output %s %s is full", o.name, o.section)
		<-ctx.Done()
		return ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := from; i < len(b.Records); i++ {
		o.got = append(o.got, string(b.Body(i)))
		o.s.say("%s %s gets %s", o.name, o.section, b.Body(i))
	}
	id, pos := b.Source.ID, b.Pos
	o.pending = append(o.pending, func() { o.consumer.Safe(id, pos) })
	return nil
}

func (o *outlet) Drain(ctx context.Context) error {
	o.mu.Lock()
	patient := o.patient
	o.mu.Unlock()
	if patient {
		<-ctx.Done()
		return ctx.Err()
	}
	if o.stuck { // at once: who waits for the gate holds up a bubble's clock
		return context.DeadlineExceeded
	}
	o.s.say("output %s %s is drained", o.name, o.section)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range o.pending {
		f()
	}
	o.pending = nil
	return nil
}

// run runs the agent while play changes it.
func (s *stage) run(play func()) {
	s.t.Helper()
	s.agent = newAgent(s.t, s.parts)
	stop := runAgent(s.t, s.agent)
	s.heard()
	play()
	stop()
}

func (s *stage) reload() error { return s.agent.Reload(s.t.Context(), s.parts) }

// wants compares what each part says, in its order: parts do not wait for each
// other.
func (s *stage) wants(what string, got []string, want ...string) {
	s.t.Helper()
	of := func(line string) string {
		words := strings.Fields(line)
		if words[0] == "rules" {
			return words[0]
		}
		return strings.Join(words[:min(3, len(words)-1)], " ")
	}
	order := func(a, b string) int { return strings.Compare(of(a), of(b)) }
	slices.SortStableFunc(got, order)
	slices.SortStableFunc(want, order)
	if !slices.Equal(got, want) {
		s.t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// on runs test in a bubble, in which nothing is waited for.
func on(t *testing.T, test func(s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newStage(t)) })
}

func TestReloadLeavesAloneWhatStays(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1"), s.collector("web", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", nil), s.output("copy", "1", nil)}
		s.run(func() {
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.wants("nothing has changed", s.heard())

			s.parts.Collectors = []CollectorUnit{s.collector("web", "1"), s.collector("app", "2"), s.collector("db", "1")}
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			got := s.heard()
			s.wants("one collector has changed and one is new", got,
				"collector app 1 ends", "collector app 2 starts", "collector db 1 starts")

			s.parts.Outputs = []OutputUnit{s.output("main", "2", nil), s.output("copy", "1", nil)}
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.wants("one output has changed", s.heard(),
				"output main 1 is drained", "output main 1 closes", "output main 2 opens")

			s.parts.Collectors = s.parts.Collectors[:1]
			s.parts.Outputs = s.parts.Outputs[:1]
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.lines["web"] <- 1
			got = s.heard()
			s.wants("two collectors and an output are gone", got,
				"collector app 2 ends", "collector db 1 ends", "main 2 gets bad1", "output copy 1 is drained", "output copy 1 closes")
		})
	})
}

// The old one is drained and closed before the new one is opened: they share a
// folder. Each gets what the other did not.
func TestReloadHandsAnOutputOver(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", nil)}
		s.run(func() {
			s.lines["app"] <- 2
			s.heard()
			s.parts.Outputs = []OutputUnit{s.output("main", "2", nil)}
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.lines["app"] <- 3
			s.wants("it is handed over", s.heard(),
				"output main 1 is drained", "output main 1 closes", "output main 2 opens", "main 2 gets bad3")
		})
		if n := count(s.agent, "logkeel_findings_total", "rule=bad"); n != 3 {
			t.Errorf("%v findings are counted, want 3", n)
		}
	})
}

// An output that waits for room, perhaps for ever, is replaced as well: what
// waits goes to the new one.
func TestReloadOfAnOutputThatIsFull(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", func(o *outlet) { o.room = 2 })}
		s.run(func() {
			s.lines["app"] <- 2
			s.lines["app"] <- 4
			s.heard()
			s.parts.Outputs = []OutputUnit{s.output("main", "2", nil)}
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.wants("what waited", s.heard(),
				"output main 1 is drained", "output main 1 closes", "output main 2 opens", "main 2 gets bad3", "main 2 gets bad4")
		})
		if n := count(s.agent, "logkeel_findings_total", "rule=bad"); n != 4 {
			t.Errorf("%v findings are counted, want 4", n)
		}
	})
}

// What the old one has in memory and cannot bring away is read again.
func TestReloadOfAnOutputThatCannotBeDrained(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", func(o *outlet) { o.stuck = true }), s.output("copy", "1", nil)}
		s.run(func() {
			s.lines["app"] <- 2
			s.heard()
			s.parts.Outputs = []OutputUnit{s.output("main", "2", nil), s.output("copy", "1", nil)}
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.lines["app"] <- 3
			s.wants("it is read again", s.heard(),
				"output main 1 closes", "output main 2 opens", "collector app 1 ends", "collector app 1 starts",
				"main 2 gets bad1", "main 2 gets bad2", "main 2 gets bad3", "copy 1 gets bad3")
		})
		if n := count(s.agent, "logkeel_findings_total", "rule=bad"); n != 3 {
			t.Errorf("%v findings are counted, want 3", n)
		}
	})
}

func TestReloadRefusesToRemoveWhatIsKept(t *testing.T) {
	on(t, func(s *stage) {
		var out *outlet
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", func(o *outlet) { o.kept, out = "7 chunks", o })}
		s.run(func() {
			was := s.parts.Outputs
			s.parts.Outputs, s.parts.Collectors = nil, []CollectorUnit{s.collector("app", "2")}
			const want = "the output main cannot be removed, for it keeps 7 chunks that it could not send yet; keep it until that is sent, or stop the agent"
			if err := s.reload(); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			s.wants("nothing happens", s.heard())
			out.kept = ""
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.lines["app"] <- 2
			s.wants("it goes", s.heard(), "collector app 1 ends", "output main 1 is drained", "output main 1 closes", "collector app 2 starts")

			s.parts.Outputs = was // and what was meanwhile is none of its business
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.lines["app"] <- 3
			s.wants("it comes again", s.heard(), "output main 1 opens", "main 1 gets bad3")
		})
	})
}

func TestReloadANewOutputStartsNow(t *testing.T) {
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
			s.lines["app"] <- 3
			s.wants("both get what is new", s.heard(), "output copy 1 opens", "main 1 gets bad3", "copy 1 gets bad3")
		})
		wantSafe(t, s.ledger, "copy", "log/app", Position{Epoch: 1, Offset: 3})
	})
}

func TestReloadThatCannotBeBuilt(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", nil)}
		s.run(func() {
			s.parts.Collectors = []CollectorUnit{s.collector("app", "broken")}
			s.parts.Outputs = []OutputUnit{s.output("main", "broken", nil)}
			const want = "the output main goes on as it was: no such thing\nthe collector app goes on as it was: no such thing"
			if err := s.reload(); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			s.lines["app"] <- 1
			s.wants("all goes on as it was", s.heard(), "collector app 1 ends", "output main 1 is drained", "output main 1 closes",
				"output main 1 opens", "collector app 1 starts", "main 1 gets bad1")
		})
	})
}

// Rules are swapped between two batches. Those that stay go on counting.
func TestReloadOfRules(t *testing.T) {
	on(t, func(s *stage) {
		s.parts.Collectors = []CollectorUnit{s.collector("app", "1")}
		s.parts.Outputs = []OutputUnit{s.output("main", "1", nil)}
		s.run(func() {
			s.lines["app"] <- 2
			s.heard()
			s.parts.Rules = rulesOf(newWords("3", "bad"))
			if err := s.reload(); err != nil {
				t.Error(err)
			}
			s.lines["app"] <- 4
			s.wants("nothing is restarted", s.heard(), "main 1 gets bad3", "main 1 gets bad4")
			for rule, want := range map[string]float64{"bad": 4, "3": 1} {
				if n := count(s.agent, "logkeel_findings_total", "rule="+rule); n != want {
					t.Errorf("%v findings of %s, want %v", n, rule, want)
				}
			}
		})
	})
}
