package jobs

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// A schedule is when cron runs a job, as a crontab's five fields say it. Where the
// clock is set for summer it is as with Debian's and ISC's cron: a job at a time that is
// passed over runs right after, one at a time that comes twice runs once, and one whose minute
// or hour begins with * runs by the time that has passed.
type schedule struct {
	fields cron.Schedule // asked with local times as if they were UTC
	zone   *time.Location
	wild   bool
}

// parseSchedule reads a schedule, which may begin with CRON_TZ=ZONE.
func parseSchedule(text, zone string) (schedule, error) {
	text = strings.TrimSpace(text)
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			name, fields, _ := strings.Cut(rest, " ")
			if zone != "" && zone != name {
				return schedule{}, fmt.Errorf("the time zone is %s here and %s in timezone", name, zone)
			}
			zone, text = name, strings.TrimSpace(fields)
		}
	}
	loc, err := location(zone)
	if err != nil {
		return schedule{}, err
	}
	switch {
	case strings.HasPrefix(text, "@every"):
		return schedule{}, errors.New("@every counts from nowhere; write */15 * * * *")
	case text == "@reboot":
		return schedule{}, errors.New("nobody knows when @reboot is due; leave schedule out")
	case !strings.HasPrefix(text, "@") && len(strings.Fields(text)) != 5:
		return schedule{}, fmt.Errorf("it has %d fields, a crontab has 5: minute hour day month weekday", len(strings.Fields(text)))
	}
	p, err := cron.TryNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)
	if err != nil {
		return schedule{}, err
	}
	fields, err := p.Parse(text)
	if err != nil {
		return schedule{}, err
	}
	s := schedule{fields: fields, zone: loc, wild: text == "@hourly"}
	if f := strings.Fields(text); len(f) == 5 {
		s.wild = f[0][0] == '*' || f[1][0] == '*'
	}
	if s.next(time.Unix(0, 0)).IsZero() {
		return schedule{}, errors.New("there is no such day")
	}
	return s, nil
}

func location(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return time.Local, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone; write it as Europe/Amsterdam", name)
	}
	return loc, nil
}

// isZero reports whether there is no schedule.
func (s schedule) isZero() bool { return s.fields == nil }

// next is the first time after t; zero where there is none.
func (s schedule) next(t time.Time) time.Time {
	at := t.In(s.zone)
	start, end := at.ZoneBounds()
	_, offset := at.Zone()
	after := clock(at, offset)
	if !s.wild && !start.IsZero() {
		// What the clock showed before it was set back does not come again.
		_, before := start.Add(-time.Second).In(s.zone).Zone()
		if shown := clock(start, before).Add(-time.Second); shown.After(after) {
			after = shown
		}
	}
	const changes = 64 // of the zone's time; a schedule is within five years
	for range changes {
		due := s.fields.Next(after)
		if due.IsZero() {
			return due
		}
		if real := due.Add(-time.Duration(offset) * time.Second); end.IsZero() || real.Before(end) {
			return time.Unix(real.Unix(), 0).In(s.zone)
		}
		_, then := end.In(s.zone).Zone()
		switch from, to := clock(end, offset), clock(end, then); {
		case s.wild:
			after = to.Add(-time.Second)
		case due.Before(to):
			return end // was passed over
		case to.Before(from):
			after = from.Add(-time.Second)
		default:
			after = to.Add(-time.Second)
		}
		offset = then
		_, end = end.In(s.zone).ZoneBounds()
	}
	return time.Time{}
}

// clock is what a clock with that offset to UTC shows, as if it were UTC.
func clock(t time.Time, offset int) time.Time {
	return t.UTC().Add(time.Duration(offset) * time.Second)
}
