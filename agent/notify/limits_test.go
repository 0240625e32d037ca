package notify

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// TestFolding has more alerts than are told apart.
func TestFolding(t *testing.T) {
	inWorld(t, func(w *world) {
		const alerts = 2500
		var all []agent.Alert
		total := uint64(0)
		for i := range alerts {
			a := w.alert(fmt.Sprintf("rule%d", i%2), fmt.Sprintf("k%d", i), 3)
			all = append(all, a)
			total += 3
		}
		w.notify(all[:1500]...)
		if n := w.metric("logkeel_alerts_folded_total"); n != 500 {
			t.Errorf("%v folded", n)
		}
		w.restart()
		w.notify(all...)
		w.notify(all[1200:]...) // once more: counts nothing twice
		for i := range all {
			if i%5 == 0 {
				all[i].Count, all[i].Revision, total = 10, 100_000+uint64(i), total+7
			}
		}
		w.notify(all...)
		w.restart()
		w.sleep(time.Minute)
		w.sum(2, total)
		// As another one of a rule that is folded.
		w.version = 1_000_000
		w.notify(w.alert("rule0", "new", 6))
		total += 6
		for i := range all {
			w.version++
			all[i] = w.ended(all[i])
		}
		w.notify(all[:2000]...)
		w.sleep(time.Minute)
		w.expect() // of each rule some of the many still fire
		w.restart()
		w.notify(all...)
		w.notify(w.ended(w.alert("rule0", "new", 6)))
		w.sleep(time.Minute)
		w.sum(2, total)
		w.notify(all...)
		w.sleep(time.Hour)
		w.expect()
		w.notify(w.alert("rule0", "again", 1))
		w.sleep(time.Minute)
		w.expect("firing rule=rule0: rule0/again 1")
		if n := strings.Count(w.said(), "too many alerts to tell apart"); n < 1 || n > 4 {
			t.Errorf("said %d times", n)
		}
	})
}

// sum wants so many notices, which have so many findings and one alert for many.
func (w *world) sum(notices int, findings uint64) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	got, others := uint64(0), 0
	for _, n := range w.told {
		got += n.MoreFindings
		for _, a := range n.Alerts {
			got += a.Count
			if a.Source == otherName && a.Key[0].Value == otherName {
				others++
			}
		}
	}
	if len(w.told) != notices || got != findings || others != notices {
		w.t.Errorf("%d notices with %d findings and %d for many, want %d with %d", len(w.told), got, others, notices, findings)
	}
	w.told = nil
}

// What stands for many says as they do whether there is a value, and the newest.
func TestManyOfSamples(t *testing.T) {
	c := &Config{}
	c.SetDefaults()
	w := &world{t: t}
	for _, labelled := range []bool{false, true} {
		p := newPlan(newState(), c, stamp{wall: time.Now()})
		for i, value := range []float64{91, 95} {
			a := w.alert("rule", fmt.Sprintf("k%d", i), 1)
			a.Condition, a.Value, a.Labelled = "memory_percent > 90", value, labelled
			p.foldIn(&a)
		}
		if len(p.others) != 1 {
			t.Fatalf("%d stand for many", len(p.others))
		}
		for _, e := range p.others {
			if e.alert.Measured() == labelled || e.alert.Value != 95 {
				t.Errorf("labelled %t: measured %t, value %g", labelled, e.alert.Measured(), e.alert.Value)
			}
		}
	}
}

// TestFoldsAreBounded has more alerts than there is room for their IDs.
func TestFoldsAreBounded(t *testing.T) {
	s, c := newState(), &Config{}
	c.SetDefaults()
	w := &world{t: t}
	var all []agent.Alert
	for i := range maxAlerts + maxFolds + 500 {
		all = append(all, w.alert("rule", fmt.Sprintf("k%d", i), 1))
	}
	take := func() {
		p := newPlan(s, c, stamp{wall: time.Now()})
		for i := range all {
			p.take(&all[i])
		}
		p.carryOut()
	}
	take()
	for i := range all {
		all[i] = w.ended(all[i])
	}
	take()
	count := uint64(0)
	for _, e := range s.entries {
		count += e.alert.Count
		if e.alert.Firing() {
			t.Errorf("%s still fires", e.alert.ID)
		}
	}
	if len(s.entries) != maxAlerts+1 || len(s.folds) != maxFolds || count != uint64(len(all)) {
		t.Errorf("%d alerts, %d folds, %d findings of %d", len(s.entries), len(s.folds), count, len(all))
	}
}

func TestPrune(t *testing.T) {
	s := newState()
	for i := range 3 * maxMarks {
		id := fmt.Sprint(i)
		at := stamp{at: time.Duration(i)}
		s.marks[id] = &mark{ID: id, At: at}
		s.cools[id] = &cool{Key: id, At: at, For: time.Hour}
	}
	s.marks["kept"] = &mark{ID: "kept", Keep: 2 * time.Hour}
	s.put(&entry{alert: agent.Alert{ID: "0"}}, "", nil)
	s.prune(time.Second)
	if len(s.marks) > maxMarks || len(s.marks) < maxMarks/2 || len(s.cools) > maxCools || s.marks["0"] == nil {
		t.Errorf("%d marks, %d cools", len(s.marks), len(s.cools))
	}
	s.marks["kept"] = &mark{ID: "kept", Keep: 2 * time.Hour}
	s.prune(keepMarks + time.Second)
	if len(s.marks) != 2 || len(s.cools) != 0 {
		t.Errorf("%d marks, %d cools", len(s.marks), len(s.cools))
	}
}

func TestCompaction(t *testing.T) {
	inWorld(t, func(w *world) {
		w.c.RepeatInterval = conf.Duration(24 * time.Hour)
		w.restart()
		told := w.alert("told", "web", 1)
		over := w.alert("over", "web", 1)
		w.notify(told, over)
		w.sleep(time.Minute)
		w.take()
		over = w.ended(over)
		w.notify(over)
		w.sleep(time.Minute)
		w.expect("resolved rule=over: over/web 1 over")
		w.answers(func(*Notice) error { return errDown })
		text := strings.Repeat("x", 20_000)
		most := 0.0
		for i := range uint64(1000) { // 20 MB
			a := w.alert("errors", "web", i)
			a.First[0].Text = text
			w.notify(a)
			most = max(most, w.metric("logkeel_spool_bytes"))
		}
		if most < journalMin/2 || most > 2*journalMin {
			t.Errorf("the journal had %v bytes", most)
		}
		w.restart()
		w.answers(nil)
		w.notify(told, over)
		w.sleep(10 * time.Minute)
		w.expect("firing rule=errors: errors/web 999")
		w.notify(w.ended(told))
		w.sleep(time.Minute)
		w.expect("resolved rule=told: told/web 1 over")
		w.notify(w.alert("over", "web2", 1)) // its cooldown is still known
		w.sleep(time.Minute)
		w.expect()
	})
}

func TestCorruptFrame(t *testing.T) {
	inWorld(t, func(w *world) {
		for _, name := range []string{"a", "b", "c"} {
			w.notify(w.alert(name, "web", 1))
		}
		w.kill()
		name := w.segments()[0]
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(string(data), `"b/web"`)
		data[at+1]++
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		w.restart()
		w.sleep(time.Minute)
		w.expect("firing rule=a: a/web 1", "firing rule=c: c/web 1")
	})
}

// TestNotJSON has frames that are whole and mean nothing.
func TestNotJSON(t *testing.T) {
	inWorld(t, func(w *world) {
		w.notify(w.alert("a", "web", 1))
		w.q.journal.append(nil)
		for _, text := range []string{"", "null", "{", "[1]", `{"alert":null,"told":[null],"groups":[{}],"cools":[{}],"folds":[{}]}`} {
			if _, err := w.q.journal.spool.Append(rawFrame(text)); err != nil {
				t.Fatal(err)
			}
		}
		w.restart()
		w.sleep(time.Minute)
		w.expect("firing rule=a: a/web 1")
		if !strings.Contains(w.said(), "cannot be read") || !strings.Contains(w.said(), "frames=3") {
			t.Errorf("said %s", w.said())
		}
	})
}

func TestNumbersWithoutJSON(t *testing.T) {
	inWorld(t, func(w *world) {
		for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1.5} {
			a := w.alert(fmt.Sprint(i), "web", 0)
			a.Value = v
			w.notify(a)
			w.restart()
			w.sleep(time.Minute)
			if got := w.last().Alerts[0].Value; math.Float64bits(got) != math.Float64bits(v) {
				t.Errorf("%v is told as %v", v, got)
			}
		}
	})
}

// TestClockJumps has a clock that is wrong, at a start or while the queue runs.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{-30 * 24 * time.Hour, 30 * 24 * time.Hour} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(jump, restart), func(t *testing.T) {
				inWorld(t, func(w *world) {
					a := w.alert("errors", "web", 1)
					w.notify(a)
					w.sleep(time.Minute)
					w.notify(w.alert("slow", "db", 1))
					w.kill()
					at := time.Now()
					w.wall = func() time.Time { return time.Now().Add(jump) }
					if restart {
						w.restart()
					} else {
						w.q.wall = w.wall
						w.start()
					}
					w.sleep(31 * time.Second)
					got := w.take()
					if !restart && len(got) != 2 || restart && (len(got) < 2 || len(got) > 3) {
						t.Errorf("told %q", got)
					}
					w.notify(w.ended(a), a)
					w.sleep(time.Minute)
					if n := w.last(); restart && n.Previous.After(w.wall()) || !restart && !n.Previous.Before(at) {
						t.Errorf("the notice before was told at %v", n.Previous)
					}
					w.expect("resolved rule=errors: errors/web 1 over")
					w.notify(w.alert("errors", "web2", 1))
					w.sleep(16 * time.Minute)
					w.expect("firing rule=errors: errors/web2 1")
				})
			})
		}
	}
}
