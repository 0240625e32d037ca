package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Schedule says when periods end. The times are local, whatever the clock is
// put forward or back by in summer.
type Schedule struct {
	Every        Unit
	Weekday      time.Weekday // of Week
	Day          int          // of Month, 1 to 28
	Hour, Minute int
}

// A Unit is how long a period is.
type Unit int

// The units.
const (
	Week Unit = iota
	Day
	Month
)

func (u Unit) String() string { return [...]string{"week", "day", "month"}[u] }

// ParseSchedule reads what people write: every is week, day or month; on a
// weekday, or a month's day from 1 to 28; at HH:MM. The error's first word is
// the key that is wrong.
func ParseSchedule(every, on, at string) (s Schedule, err error) {
	switch every {
	case "week":
		day, ok := weekday(on)
		if !ok {
			return s, fmt.Errorf("on: %q is no weekday", on)
		}
		s.Weekday = day
	case "day":
		s.Every = Day
		if on != "" {
			return s, fmt.Errorf("on: %q, and a report each day", on)
		}
	case "month":
		s.Every, s.Day = Month, 1
		if on != "" {
			if s.Day, err = strconv.Atoi(on); err != nil || s.Day < 1 || s.Day > 28 {
				return s, fmt.Errorf("on: %q is no day that each month has", on)
			}
		}
	default:
		return s, fmt.Errorf("every: %q is none of week, day and month", every)
	}
	t, err := time.Parse("15:04", at)
	if err != nil {
		return s, fmt.Errorf("at: %q is no time of day", at)
	}
	s.Hour, s.Minute = t.Hour(), t.Minute()
	return s, nil
}

// weekday knows monday and mon; "" is monday.
func weekday(name string) (time.Weekday, bool) {
	if name == "" {
		return time.Monday, true
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if full := strings.ToLower(d.String()); strings.EqualFold(name, full) || strings.EqualFold(name, full[:3]) {
			return d, true
		}
	}
	return 0, false
}

// String is the schedule in words, the same for the same one.
func (s Schedule) String() string {
	at := fmt.Sprintf("%02d:%02d", s.Hour, s.Minute)
	switch s.Every {
	case Day:
		return "every day at " + at
	case Month:
		return fmt.Sprintf("every month on the %d. at %s", s.Day, at)
	}
	return fmt.Sprintf("every week on %s at %s", s.Weekday, at)
}

// Next is the first time after t, in t's zone.
func (s Schedule) Next(t time.Time) time.Time {
	for i := range 40 {
		// A day's noon is there in every zone, which its midnight is not.
		day := time.Date(t.Year(), t.Month(), t.Day()+i, 12, 0, 0, 0, t.Location())
		if s.Every == Week && day.Weekday() != s.Weekday || s.Every == Month && day.Day() != s.Day {
			continue
		}
		next := time.Date(day.Year(), day.Month(), day.Day(), s.Hour, s.Minute, 0, 0, t.Location())
		if next.After(t) {
			return next
		}
	}
	return t.AddDate(0, 1, 0) // never: no day of a month is forty days away
}
