package report

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestNext(t *testing.T) {
	const form = "2006-01-02 15:04 -0700"
	for _, tt := range []struct{ zone, every, on, at, after, want string }{
		{"Europe/Berlin", "week", "", "08:00", "2026-11-23 07:59", "2026-11-23 08:00 +0100"},
		{"Europe/Berlin", "week", "", "08:00", "2026-11-23 08:00", "2026-11-30 08:00 +0100"},
		{"Europe/Berlin", "week", "sunday", "00:00", "2026-11-23 08:00", "2026-11-29 00:00 +0100"},
		// The clock goes forward on 29 March, and back on 25 October.
		{"Europe/Berlin", "week", "mon", "08:00", "2026-03-23 08:00", "2026-03-30 08:00 +0200"},
		{"Europe/Berlin", "week", "mon", "08:00", "2026-10-19 08:00", "2026-10-26 08:00 +0100"},
		{"Europe/Berlin", "day", "", "08:00", "2026-03-28 08:00", "2026-03-29 08:00 +0200"},
		{"Europe/Berlin", "day", "", "02:30", "2026-03-29 03:30", "2026-03-30 02:30 +0200"},
		{"Europe/Berlin", "day", "", "02:30", "2026-10-24 02:30", "2026-10-25 02:30 +0100"},
		{"Europe/Berlin", "month", "", "08:00", "2026-01-31 09:00", "2026-02-01 08:00 +0100"},
		{"Europe/Berlin", "month", "28", "08:00", "2026-02-28 08:00", "2026-03-28 08:00 +0100"},
		// There, no midnight was on the day on which it went forward.
		{"America/Sao_Paulo", "week", "sunday", "00:00", "2018-10-28 00:00", ""},
	} {
		s, err := ParseSchedule(tt.every, tt.on, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		after, err := time.ParseInLocation("2006-01-02 15:04", tt.after, zone(t, tt.zone))
		if err != nil {
			t.Fatal(err)
		}
		next := s.Next(after)
		if got := next.Format(form); tt.want != "" && got != tt.want {
			t.Errorf("%v after %s is %s; want %s", s, tt.after, got, tt.want)
		}
		if d := next.Sub(after); tt.want == "" && (d < 166*time.Hour || d > 169*time.Hour) {
			t.Errorf("%v after %s is %s", s, tt.after, next)
		}
	}
}

// Each day of some years has one report, whatever the clocks do.
func TestNextIsOnceADay(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Beirut", "UTC"} {
		z := zone(t, name)
		for _, at := range []string{"00:00", "00:30", "01:45", "02:00", "02:30", "08:00", "23:59"} {
			s, err := ParseSchedule("day", "", at)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Date(2015, 1, 1, 12, 0, 0, 0, z)
			days, end := 0, start.AddDate(4, 0, 0)
			for next := s.Next(start); next.Before(end); next = s.Next(next) {
				days++
			}
			if want := 4*365 + 1; days != want {
				t.Errorf("%s at %s: %d in four years; want %d", name, at, days, want)
			}
		}
	}
}

func TestParseSchedule(t *testing.T) {
	for _, tt := range []struct{ every, on, at, want, says string }{
		{every: "week", at: "08:00", want: "every week on Monday at 08:00"},
		{every: "week", on: "Fri", at: "8:05", want: "every week on Friday at 08:05"},
		{every: "day", at: "23:59", want: "every day at 23:59"},
		{every: "month", on: "28", at: "00:00", want: "every month on the 28. at 00:00"},
		{every: "year", at: "08:00", says: `every: "year" is none of week, day and month`},
		{every: "week", on: "someday", at: "08:00", says: `on: "someday" is no weekday`},
		{every: "day", on: "monday", at: "08:00", says: `on: "monday", and a report each day`},
		{every: "month", on: "29", at: "08:00", says: `on: "29" is no day that each month has`},
		{every: "week", at: "24:00", says: `at: "24:00" is no time of day`},
		{every: "week", at: "", says: `at: "" is no time of day`},
	} {
		s, err := ParseSchedule(tt.every, tt.on, tt.at)
		switch {
		case err != nil && err.Error() != tt.says:
			t.Errorf("%v: %v", tt, err)
		case err == nil && (tt.says != "" || s.String() != tt.want):
			t.Errorf("%v: %s", tt, s)
		}
	}
}

func FuzzParseSchedule(f *testing.F) {
	f.Add("week", "monday", "08:00", int64(1e9))
	f.Add("month", "28", "23:59", int64(1<<40))
	f.Fuzz(func(t *testing.T, every, on, at string, unix int64) {
		s, err := ParseSchedule(every, on, at)
		if err != nil {
			if key, _, _ := strings.Cut(err.Error(), ":"); key != "every" && key != "on" && key != "at" {
				t.Errorf("%v names no key", err)
			}
			return
		}
		after := time.Unix(unix%(1<<40), 0).In(zone(t, "Europe/Berlin"))
		if next := s.Next(after); !next.After(after) || next.Sub(after) > 32*24*time.Hour {
			t.Errorf("%v after %v is %v", s, after, next)
		}
	})
}
