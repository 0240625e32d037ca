package report

import (
	"slices"
	"testing"
	"time"
)

// waiting are the periods that wait, the oldest first, and are told then.
func (w *world) tell() (told []string) {
	w.t.Helper()
	for {
		p, _, _ := w.book.Waiting()
		if p == nil {
			return told
		}
		const form = "2 Jan 15:04"
		told = append(told, p.Start.In(w.o.Zone).Format(form)+" - "+p.End.In(w.o.Zone).Format(form))
		if err := w.book.Told(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) tells(want ...string) {
	w.t.Helper()
	if got := w.tell(); !slices.Equal(got, want) {
		w.t.Errorf("at %s: %q are due; want %q", w.now.In(w.o.Zone), got, want)
	}
}

// Weeks end on Monday at 8, also where the clock goes back in between.
func TestWeeks(t *testing.T) {
	w := newWorld(t, "2026-10-20 12:00")
	w.until("2026-10-26 07:59", 47*time.Minute)
	w.values[finding] = 3
	w.pass(30*time.Second, 30*time.Second)
	w.tells()
	w.pass(time.Minute, time.Minute)
	w.tells("20 Oct 12:00 - 26 Oct 08:00")
	w.tells()
	w.values[finding] = 10
	w.until("2026-11-02 08:00", 47*time.Minute)
	p, before, _ := w.book.Waiting()
	if n := p.sum("logkeel_findings_total", nil); n != 7 {
		t.Errorf("%v findings; want 7", n)
	}
	if n := before.sum("logkeel_findings_total", nil); n != 3 {
		t.Errorf("%v findings before; want 3", n)
	}
	if d := p.length(w.now); d != 7*24*time.Hour {
		t.Errorf("it took %v", d)
	}
	w.tells("26 Oct 08:00 - 2 Nov 08:00")
}

// What is due while nobody is there is told once after the start.
func TestMissed(t *testing.T) {
	w := newWorld(t, "2026-11-03 12:00")
	w.until("2026-11-07 12:00", time.Hour)
	w.now = w.now.Add(3 * 7 * 24 * time.Hour) // it was off, and three times passed
	w.start()
	w.tells("3 Nov 12:00 - 9 Nov 08:00")
	w.pass(time.Hour, time.Minute)
	w.tells()
	if got := w.book.s.Current.Start.In(w.o.Zone).Format("2 Jan 15:04"); got != "23 Nov 08:00" {
		t.Errorf("what goes on began at %s", got)
	}
	w.until("2026-11-30 08:00", time.Hour)
	w.tells("23 Nov 08:00 - 30 Nov 08:00")
}

// A machine that sleeps over the time is late, once.
func TestAsleep(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.until("2026-11-29 22:00", time.Hour)
	w.now = w.now.Add(20 * time.Hour) // and the clock that never jumps stands
	w.pass(time.Minute, time.Minute)
	w.tells("24 Nov 12:00 - 30 Nov 08:00")
}

// What waits survives a kill at any time, with who has it.
func TestWaitsOnDisk(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.until("2026-11-30 08:00", time.Hour)
	if err := w.book.Took("a@x"); err != nil {
		t.Fatal(err)
	}
	w.start()
	p, _, taken := w.book.Waiting()
	if p == nil || !slices.Equal(taken, []string{"a@x"}) {
		t.Fatalf("%v waits, %v have it", p, taken)
	}
	w.tells("24 Nov 12:00 - 30 Nov 08:00")
	w.start()
	w.tells()
}

// While nobody takes them, the newest five wait.
func TestManyWait(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.o.Schedule = Schedule{Every: Day, Hour: 8}
	w.start()
	w.until("2026-12-02 09:00", time.Hour)
	if w.book.Dropped() != 3 || w.book.Unsent() != 5 {
		t.Errorf("%d dropped, %d wait", w.book.Dropped(), w.book.Unsent())
	}
	w.tells("27 Nov 08:00 - 28 Nov 08:00", "28 Nov 08:00 - 29 Nov 08:00", "29 Nov 08:00 - 30 Nov 08:00", "30 Nov 08:00 - 1 Dec 08:00", "1 Dec 08:00 - 2 Dec 08:00")
	if n := len(w.book.s.Past); n != 2 {
		t.Errorf("%d are kept", n)
	}
}

// Another schedule is for what goes on; nothing is due by that alone.
func TestOtherSchedule(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.until("2026-11-26 12:00", time.Hour)
	w.o.Schedule = Schedule{Every: Day, Hour: 8}
	w.start()
	w.tells()
	w.until("2026-11-27 08:00", time.Hour)
	w.tells("24 Nov 12:00 - 27 Nov 08:00")
}

// A clock that is wrong at the start, or jumps and jumps back, makes no report.
func TestClockJumps(t *testing.T) {
	w := newWorld(t, "2026-11-24 12:00")
	w.until("2026-11-26 12:00", time.Hour)
	right := w.now
	// No clock: it begins in 1970, and is set after ten minutes.
	w.now = time.Unix(0, 0)
	w.start()
	w.pass(10*time.Minute, time.Minute)
	w.tells()
	w.now = right.Add(10 * time.Minute)
	w.pass(time.Hour, time.Minute)
	w.tells()
	w.until("2026-11-30 07:59", time.Hour)
	w.tells()
	// Back by a little, just when it is due, and again.
	w.pass(time.Minute, time.Minute)
	w.tells("24 Nov 12:00 - 30 Nov 08:00")
	w.now = w.now.Add(-4 * time.Minute)
	w.pass(10*time.Minute, time.Minute)
	w.tells()
	// Set back by a day, for good: nothing for an hour, and the next on the next Monday there is.
	w.now = w.now.Add(-24 * time.Hour)
	w.pass(2*time.Hour, 10*time.Minute)
	w.tells()
	if start := w.book.s.Current.Start; start.After(w.now) {
		t.Errorf("it begins at %v, which is to come", start)
	}
	// Ahead by years and back: one, for who knows; then the old rhythm.
	w.now = w.now.AddDate(12, 0, 0)
	w.pass(time.Minute, time.Minute)
	if n := len(w.tell()); n != 1 {
		t.Errorf("%d are due after a jump by years; want 1", n)
	}
	w.now = w.now.AddDate(-12, 0, 0)
	w.pass(3*time.Hour, 10*time.Minute)
	w.tells()
	if next := w.book.s.Next; next.Sub(w.now) > 7*24*time.Hour {
		t.Errorf("the next is due at %v; it is %v", next, w.now)
	}
}
