package jobs

import (
	"strings"
	"testing"
	"time"
)

// The times are those of Debian's cron, by its manual.
func TestSchedule(t *testing.T) {
	for _, tt := range []struct {
		schedule, zone, after string
		want                  string
	}{
		{"0 2 * * *", "UTC", "2026-05-01T01:59:59Z", "01T02:00Z 02T02:00Z"},
		{"0 2 * * *", "UTC", "2026-05-01T02:00:00Z", "02T02:00Z"},
		{"0 3 * * 0", "UTC", "2026-05-01T00:00:00Z", "03T03:00Z 10T03:00Z"},
		{"0 3 * * 7", "UTC", "2026-05-01T00:00:00Z", "03T03:00Z"},
		{"0 3 * * sun", "UTC", "2026-05-01T00:00:00Z", "03T03:00Z"},
		{"0 3 1 * *", "UTC", "2026-05-01T04:00:00Z", "01T03:00Z 01T03:00Z"},
		{"0 0 1 * 1", "UTC", "2026-05-01T04:00:00Z", "04T00:00Z 11T00:00Z"}, // either
		{"@daily", "Europe/Berlin", "2026-05-01T12:00:00Z", "02T00:00+02:00"},
		{"@hourly", "UTC", "2026-05-01T12:00:00Z", "01T13:00Z"},
		{"CRON_TZ=America/New_York 0 2 * * *", "", "2026-05-01T12:00:00Z", "02T02:00-04:00"},
		{"30 2 29 2 *", "UTC", "2026-05-01T12:00:00Z", "29T02:30Z"},
		// the clock goes from 2 to 3
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "29T03:00+02:00 30T02:30+02:00"},
		{"0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "29T03:00+02:00 30T03:00+02:00"},
		{"0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", "29T01:00+01:00 29T03:00+02:00 29T04:00+02:00"},
		{"*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "30T02:00+02:00"},
		{"0 2-4 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", "29T03:00+02:00 29T04:00+02:00 30T02:00+02:00"},
		// and from 3 to 2
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "25T02:30+02:00 26T02:30+01:00"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "26T02:30+01:00"}, // in the second 2 o'clock
		{"0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "25T03:00+01:00"},
		{"0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", "25T02:00+02:00 25T02:00+01:00 25T03:00+01:00"},
		{"*/20 2 * * *", "Europe/Berlin", "2026-10-25T00:15:00Z", "25T02:20+02:00 25T02:40+02:00 25T02:00+01:00"},
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "04T01:00-02:00 05T00:00-02:00"},    // no midnight
		{"15 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "05T01:15+11:00 06T01:15+10:30"}, // half an hour
	} {
		s, err := parseSchedule(tt.schedule, tt.zone)
		if err != nil {
			t.Errorf("%s: %v", tt.schedule, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range strings.Fields(tt.want) {
			at = s.next(at)
			got = append(got, at.Format("02T15:04Z07:00"))
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s (%s) after %s: %s, want %s", tt.schedule, tt.zone, tt.after, got, tt.want)
		}
	}
}

func TestScheduleErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "it has 0 fields",
		"0 2 * *":                        "it has 4 fields",
		"0 0 2 * * *":                    "it has 6 fields",
		"61 2 * * *":                     "61",
		"0 2 30 2 *":                     "no such day",
		"@every 1h":                      "*/15 * * * *",
		"@reboot":                        "leave schedule out",
		"@fortnightly":                   "fortnightly",
		"CRON_TZ=":                       "it has 0 fields",
		"TZ=0":                           "no time zone",
		"CRON_TZ=Mars/Olympus 0 2 * * *": "no time zone",
	} {
		if _, err := parseSchedule(text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if _, err := parseSchedule("CRON_TZ=UTC 0 2 * * *", "Europe/Berlin"); err == nil {
		t.Error("two time zones are taken")
	}
}

// No text makes it panic, and what comes next is later.
func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"0 2 * * *", "*/5 1-3,7 1 jan mon-fri", "@daily", "CRON_TZ=UTC 0 0 * * *", "TZ=", "0-59/0 * * * *", "? ? ? ? ?", "0 0 L * 5#3"} {
		f.Add(s, int64(1774746000))
	}
	f.Fuzz(func(t *testing.T, text string, at int64) {
		s, err := parseSchedule(text, "")
		if err != nil {
			return
		}
		s.zone, _ = time.LoadLocation("Europe/Berlin")
		after := time.Unix(at%4e9, 0)
		if next := s.next(after); !next.IsZero() && !next.After(after) {
			t.Errorf("%q: %s comes after %s", text, next, after)
		}
	})
}
