package fluentd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// picky is a receiver that drops whole messages that have a record for which bad
// holds, and takes all others.
func picky(bad func(event) bool) func(int, *peer) error {
	return func(n int, p *peer) error {
		for p != nil {
			m, err := readMessage(p.r)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(m.events, bad) {
				continue
			}
			p.rx.mu.Lock()
			p.rx.events = append(p.rx.events, m.events...)
			p.rx.mu.Unlock()
			if err := p.ack(m.chunk); err != nil {
				return err
			}
		}
		return nil
	}
}

func (r *rig) deadLetterFile() string { return filepath.Join(r.state.dir, "dead-letter", "main.jsonl") }

// deadLetters reads the file.
func (r *rig) deadLetters() (all []deadLetter) {
	r.t.Helper()
	b, err := os.ReadFile(r.deadLetterFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var l deadLetter
		if err := json.Unmarshal(line, &l); err != nil {
			r.t.Fatalf("%q: %v", line, err)
		}
		all = append(all, l)
	}
	return all
}

// apart wants the records for which bad holds in the dead-letter file, once, and
// all others to have arrived, whatever the order. They arrive once, but for those
// whose acknowledgement came in the moment in which the connection was given up.
func (r *rig) apart(bad func(event) bool) {
	r.t.Helper()
	r.rx.mu.Lock()
	defer r.rx.mu.Unlock()
	arrived := map[string]int{}
	for _, e := range r.rx.events {
		arrived[fmt.Sprint(e.source(), e.number())] = 1
	}
	aside := map[string]int{}
	for _, l := range r.deadLetters() {
		e := event{record: l.Record}
		aside[fmt.Sprint(e.source(), e.number())]++
	}
	for i, src := range r.sources {
		for n := range r.next[i] {
			e := event{record: map[string]any{"compose_service": src.Container.Service, "log": fmt.Sprint(n)}}
			key := fmt.Sprint(e.source(), n)
			want := [2]int{1, 0}
			if bad(e) {
				want = [2]int{0, 1}
			}
			if got := [2]int{arrived[key], aside[key]}; got != want {
				r.t.Fatalf("%s: arrived %d, and %d times in the file; want %v", key, got[0], got[1], want)
			}
		}
	}
}

// TestRefusedRecords: what the receiver does not take is found and put aside;
// all else arrives, from memory as well as from the spool.
func TestRefusedRecords(t *testing.T) {
	for _, after := range []time.Duration{100 * time.Millisecond, time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			bad := func(e event) bool {
				return e.source() == "a" && e.number()%250 == 77 || e.source() == "b" && e.number() == 0
			}
			c := config(func(c *Config) { c.Spool.After = conf.Duration(after) })
			inBubble(t, c, picky(bad), func(r *rig) {
				r.write(3, 1) // b's is by itself
				time.Sleep(50 * time.Millisecond)
				r.write(30, 100)
				for range 300 {
					time.Sleep(2 * time.Second)
					r.write(3, 1)
				}
				r.settle()
				r.apart(bad)
				if n := r.state.log.count("the receiver does not take some records"); n != 1 {
					t.Errorf("said %d times\n%s", n, r.state.log)
				}
				if n := r.state.log.count("level=WARN"); n > 4 {
					t.Errorf("%d warnings\n%s", n, r.state.log)
				}
				letters := r.deadLetters()
				if n := len(letters); uint64(n) != r.o.dead.count.Load() || n != 6 {
					t.Errorf("%d are in the file and %d counted", n, r.o.dead.count.Load())
				}
				for _, l := range letters {
					e := event{record: l.Record}
					if l.Tag != "docker.app-"+e.source()+"-1" || l.Time.Unix() != 1_700_000_000+int64(e.number()) || l.Why != unwanted || l.At.IsZero() || l.Record["stream"] != "stdout" {
						t.Errorf("%+v", l)
					}
				}
				for i, src := range r.sources {
					if p := r.o.Consumer().Position(src.ID); p.Offset != int64(r.next[i]) {
						t.Errorf("%s stands at %d; want %d", src.ID, p.Offset, r.next[i])
					}
				}
				if len(r.o.lanes[0].q.suspects) > 0 {
					t.Errorf("%d suspects are left", len(r.o.lanes[0].q.suspects))
				}
				r.bounded(bound)
			})
		})
	}
}

// TestLargeChunkRefused: a receiver that breaks the connection off where a
// message is larger than it likes gets smaller ones, in order.
func TestLargeChunkRefused(t *testing.T) {
	script := func(n int, p *peer) error {
		for p != nil {
			m, err := readMessage(p.r)
			if err != nil {
				return err
			}
			if len(m.events) > 30 {
				return nil
			}
			p.rx.mu.Lock()
			p.rx.events = append(p.rx.events, m.events...)
			p.rx.mu.Unlock()
			if err := p.ack(m.chunk); err != nil {
				return err
			}
		}
		return nil
	}
	inBubble(t, config(nil), script, func(r *rig) {
		r.write(9, 100)
		r.settle()
		r.arrived(true)
		if r.deadLetters() != nil {
			t.Error("there is a dead-letter file")
		}
	})
}

// TestRecordEndsConnections: a record on which the receiver closes the
// connection is put aside as well, with one source as with several.
func TestRecordEndsConnections(t *testing.T) {
	bad := func(e event) bool { return e.source() == "a" && e.number() == 7 }
	script := func(n int, p *peer) error {
		for p != nil {
			m, err := readMessage(p.r)
			if err != nil || slices.ContainsFunc(m.events, bad) {
				return err
			}
			p.rx.mu.Lock()
			p.rx.events = append(p.rx.events, m.events...)
			p.rx.mu.Unlock()
			if err := p.ack(m.chunk); err != nil {
				return err
			}
		}
		return nil
	}
	for _, sources := range []int{1, 3} {
		t.Run(fmt.Sprint(sources), func(t *testing.T) {
			inBubble(t, config(nil), script, func(r *rig) {
				for range 30 {
					for k := range sources {
						b := newBatch(r.sources[k], r.next[k], r.next[k]+10, 50, nil)
						if err := r.o.Write(r.t.Context(), b, 0); err != nil {
							t.Fatal(err)
						}
						r.next[k] += 10
					}
					time.Sleep(3 * time.Second)
				}
				r.settle()
				r.apart(bad)
				if n := len(r.o.lanes[0].q.suspects); n > 0 {
					t.Errorf("%d suspects are left", n)
				}
			})
		})
	}
}

// TestAwayIsNoRefusal: a receiver that takes nothing at all refuses no record,
// however long that lasts.
func TestAwayIsNoRefusal(t *testing.T) {
	tests := map[string]struct {
		away    func(n int, p *peer) error
		exactly bool
	}{
		"refuses connections": {func(int, *peer) error { return errRefuse }, true},
		"a proxy that closes": {func(_ int, p *peer) error { return nil }, true},
		"never acknowledges": {func(_ int, p *peer) error {
			for p != nil {
				if _, err := p.read(); err != nil {
					return err
				}
			}
			return nil
		}, false},
		"never reads": {func(_ int, p *peer) error {
			if p != nil {
				time.Sleep(time.Minute)
			}
			return nil
		}, true},
		"acknowledges one, then dies": {func(_ int, p *peer) error {
			if p == nil {
				return nil
			}
			m, err := p.read()
			if err == nil {
				p.ack(m.chunk)
			}
			return err
		}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var back atomic.Bool
			script := func(n int, p *peer) error {
				if back.Load() {
					return acks(n, p)
				}
				return tt.away(n, p)
			}
			inBubble(t, config(nil), script, func(r *rig) {
				for range 60 {
					r.write(7, 5)
					time.Sleep(time.Minute)
				}
				back.Store(true)
				r.settle()
				r.arrived(tt.exactly)
				if r.deadLetters() != nil {
					t.Error("there is a dead-letter file")
				}
				if n := len(r.o.lanes[0].q.suspects); n > 0 {
					t.Errorf("%d suspects are left", n)
				}
			})
		})
	}
}

// TestKillAmongParts: a kill while a chunk is sent in parts loses nothing, and
// what was put aside stays aside.
func TestKillAmongParts(t *testing.T) {
	bad := func(e event) bool { return e.source() == "a" && e.number()%40 == 7 }
	inBubble(t, config(nil), picky(bad), func(r *rig) {
		r.write(9, 100)
		for range 40 {
			time.Sleep(5 * time.Second)
			r.write(3, 1)
			if r.o.lanes[0].q.measure().halved%4 == 3 {
				r.abandon()
				r.stop = nil
				r.o, _ = r.state.open(config(nil))
				r.o.dial = r.rx.dial
				for i, src := range r.sources {
					if p := r.o.Consumer().Position(src.ID); p.Offset != int64(r.next[i]) { // or it would be read again
						b := newBatch(src, int(p.Offset), r.next[i], r.padding, nil)
						if err := r.o.Write(r.t.Context(), b, 0); err != nil {
							t.Fatal(err)
						}
					}
				}
				r.start()
			}
		}
		for range 100 {
			time.Sleep(5 * time.Second)
			r.write(3, 1)
		}
		r.settle()
		seen := map[string]bool{}
		for _, e := range r.rx.events {
			seen[fmt.Sprint(e.source(), e.number())] = true
		}
		for _, l := range r.deadLetters() {
			e := event{record: l.Record}
			if !bad(e) {
				t.Errorf("%v is put aside", l.Record)
			}
			seen[fmt.Sprint(e.source(), e.number())] = true
		}
		for i, src := range r.sources {
			for n := range r.next[i] {
				if !seen[fmt.Sprint(src.Container.Service, n)] {
					t.Fatalf("%s %d is nowhere", src.ID, n)
				}
			}
		}
	})
}

// TestDeadLettersCannotBeWritten: what cannot be put aside is sent again, until
// it can.
func TestDeadLettersCannotBeWritten(t *testing.T) {
	bad := func(e event) bool { return e.source() == "a" && e.number() == 0 }
	inBubble(t, config(nil), picky(bad), func(r *rig) {
		inTheWay := filepath.Join(r.state.dir, "dead-letter")
		if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		feed := func() {
			for range 60 {
				r.write(3, 1)
				time.Sleep(2 * time.Second)
			}
		}
		feed()
		if r.o.lanes[0].spool.Empty() || r.o.dead.count.Load() > 0 {
			t.Error("the record is no more in the spool")
		}
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		feed()
		r.settle()
		r.apart(bad)
		for _, text := range []string{"cannot be put aside; they are sent again", "are put aside again"} {
			if n := r.state.log.count(text); n != 1 {
				t.Errorf("said %d times: %s\n%s", n, text, r.state.log)
			}
		}
	})
}

// letter is a chunk of one record with that text.
func letter(t *testing.T, text string) *chunk {
	t.Helper()
	o, _ := newState(t).open(config(nil))
	defer o.Close()
	b := &agent.Batch{
		Source: container("a"), Buf: []byte(text), Pos: agent.Position{Epoch: 1, Offset: 1},
		Records: []agent.Record{{Time: 1, Body: agent.Span{End: int32(len(text))}}},
	}
	if err := o.Write(t.Context(), b, 0); err != nil {
		t.Fatal(err)
	}
	o.lanes[0].q.seal(o.lanes[0].q.mem[0])
	return o.lanes[0].q.mem[0]
}

// TestDeadLetterFile: bounded, whole lines only, and nothing of a text is lost.
func TestDeadLetterFile(t *testing.T) {
	st := newState(t)
	d := newDeadLetters(st.dir, "main", st.log.logger())
	d.max = 4000
	binary := "\xff\x00binary\xfe"
	for i, text := range []string{binary, strings.Repeat("x", 100), "torn", strings.Repeat("y", 2000), strings.Repeat("z", 9000), "last"} {
		if text == "torn" {
			f, err := os.OpenFile(d.path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString(`{"at":"` + strings.Repeat("1", 100))
			f.Close()
		}
		if err := d.add([]*chunk{letter(t, text)}); err != nil {
			t.Fatal(i, err)
		}
	}
	var got []string
	for _, path := range []string{d.path + ".1", d.path} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			var l deadLetter
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			text := fmt.Sprint(l.Record["log"])
			if l.Log != nil {
				text = string(l.Log)
			}
			got = append(got, text[:min(10, len(text))])
		}
	}
	if want := []string{"zzzzzzzzzz", "last"}; !slices.Equal(got, want) {
		t.Errorf("%q; want %q", got, want)
	}
	many := []*chunk{letter(t, strings.Repeat("1", 1500)), letter(t, strings.Repeat("2", 1500)), letter(t, strings.Repeat("3", 1500))}
	if err := d.add(many); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{d.path, d.path + ".1"} {
		if info, err := os.Stat(path); err != nil || info.Size() > d.max {
			t.Errorf("%v, %v", info, err)
		}
	}
	if n := d.count.Load(); n != 9 {
		t.Errorf("%d are counted", n)
	}
	if n := st.log.count("they are put aside"); n != 1 {
		t.Errorf("said %d times\n%s", n, st.log)
	}
}
