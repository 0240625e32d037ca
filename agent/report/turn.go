package report

import "time"

// Observe takes one minute's samples in, ends the period when it is time, and
// writes the file. now is the wall clock's time, elapsed that of a clock which
// never jumps.
func (b *Book) Observe(now time.Time, elapsed time.Duration) error {
	first := !b.looking
	if age := now.Sub(b.o.Started); age >= 0 && age < time.Minute {
		b.folder.blank = false // what this process has counted so far is of now
	}
	now = now.Round(0).In(b.o.Zone)
	if b.s.Current == nil {
		b.s.Current = &Period{Start: now}
	}
	if b.trusted(now, elapsed) {
		b.turn(now)
		b.s.Seen = now
	}
	if b.begins {
		b.s.Current.Begun++
		b.begins = false
	}
	if !first {
		b.s.Current.Observed += elapsed - b.looked
	}
	b.looking, b.looked = true, elapsed
	b.folder.fold(b.s.Current, b.o.Meter, now)
	return b.save()
}

// trusted reports whether the clock may be gone by. One that is behind what it
// was before is wrong, or was set back: that is known when it stays so.
func (b *Book) trusted(now time.Time, elapsed time.Duration) bool {
	if !now.Before(b.s.Seen.Add(-jitter)) {
		b.behind = false
		return true
	}
	if !b.behind {
		b.behind, b.since = true, elapsed
	}
	if elapsed-b.since < setBack {
		return false
	}
	b.behind = false
	b.s.Next = b.o.Schedule.Next(now)
	if b.s.Current.Start.After(now) {
		b.s.Current.Start = now
	}
	return true
}

// turn ends the period where its time has come. Of several that have passed
// while the agent was away there is one.
func (b *Book) turn(now time.Time) {
	if plan := b.o.Schedule.String(); plan != b.s.Schedule {
		b.s.Schedule, b.s.Next = plan, b.o.Schedule.Next(now)
	}
	if now.Before(b.s.Next) {
		return
	}
	const most = 100 // of days to walk through; a clock may be off by years
	end, start := b.s.Next, b.s.Next
	next := b.o.Schedule.Next(start.In(b.o.Zone))
	for i := 0; !next.After(now) && i < most; i++ {
		start, next = next, b.o.Schedule.Next(next)
	}
	if !next.After(now) {
		start, next = now, b.o.Schedule.Next(now)
	}
	b.s.Current.End = end
	if b.s.Unsent++; b.s.Unsent > maxUnsent {
		b.s.Unsent--
		b.done()
		b.dropped++
	}
	b.s.Past = append([]*Period{b.s.Current}, b.s.Past...)
	b.trim()
	b.s.Current, b.s.Next = &Period{Start: start}, next
}

// trim forgets what is told, but for what the next one is compared with. The newest
// stays whole, for it may be shown once more.
func (b *Book) trim() {
	keep := min(len(b.s.Past), max(2, b.s.Unsent+1))
	clear(b.s.Past[keep:])
	b.s.Past = b.s.Past[:keep]
	for _, p := range b.s.Past[min(keep, max(1, b.s.Unsent)):] {
		p.cut()
	}
}

// done forgets how far the telling of the oldest had come.
func (b *Book) done() { b.s.Taken, b.s.Refused = nil, time.Time{} }

// Waiting is the oldest period that is over and to be told, the one before it,
// and who has it already; nil where there is none.
func (b *Book) Waiting() (p, before *Period, taken []string) {
	if b.s.Unsent == 0 {
		return nil, nil, nil
	}
	p = b.s.Past[b.s.Unsent-1]
	if len(b.s.Past) > b.s.Unsent {
		before = b.s.Past[b.s.Unsent]
	}
	return p, before, b.s.Taken
}

// Took notes that some have what is waiting.
func (b *Book) Took(who ...string) error {
	b.s.Taken = append(b.s.Taken, who...)
	return b.save()
}

// Told notes that all have it who are to have it.
func (b *Book) Told() error {
	b.s.Unsent--
	b.done()
	b.trim()
	return b.save()
}

// RefusedFor notes that nobody, or not everybody, takes it, and says for how long that
// has been so.
func (b *Book) RefusedFor(now time.Time) time.Duration {
	if b.s.Refused.IsZero() || b.s.Refused.After(now) {
		b.s.Refused = now.Round(0)
	}
	return now.Sub(b.s.Refused)
}

// Dropped is how many periods were never told, since the book was opened.
func (b *Book) Dropped() int { return b.dropped }

// Unsent is how many periods wait to be told.
func (b *Book) Unsent() int { return b.s.Unsent }

// Read is what the file has of the period that goes on, and of those that are
// over, the newest first. The agent that writes it may run.
func Read(path string) (current *Period, past []*Period, err error) {
	s, err := readState(path)
	if err != nil {
		return nil, nil, err
	}
	return s.Current, s.Past, nil
}
