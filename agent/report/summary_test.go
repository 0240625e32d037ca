package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// grow adds to counters, and sets what is no counter.
func (w *world) grow(by map[string]float64) {
	for name, v := range by {
		w.values[name] += v
	}
}

func (w *world) summary() *Summary {
	w.t.Helper()
	p, before, _ := w.book.Waiting()
	if p == nil {
		w.t.Fatal("nothing waits")
	}
	return Summarize(p, before, View{Zone: w.o.Zone, Now: w.now, Top: 5})
}

// lines are the summary's items, one a line.
func (s *Summary) lines() (all []string) {
	for _, sec := range s.Sections {
		for _, it := range sec.Items {
			all = append(all, fmt.Sprintf("%s | %s | %s | %s | %s | %d", sec.Title, it.Name, it.Value, it.Change, it.Detail, it.Trend))
		}
	}
	return all
}

func (s *Summary) has(t *testing.T, want ...string) {
	t.Helper()
	all := s.lines()
	for _, line := range want {
		if !slices.Contains(all, line) {
			t.Errorf("not there: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("there is:\n%s", strings.Join(all, "\n"))
	}
}

const (
	alertsFired = `logkeel_alerts_fired_total{rule=%s,class=%s,severity=%s}`
	lineCount   = `logkeel_source_lines_total{source=docker,project=shop,service=%s,container=shop-%[1]s-1}`
	stmts       = `mysql_perf_schema_events_statements_%s{target=db,schema=shop,digest=%s,digest_text=%s}`
	container   = `{name=%s,image=i,project=shop,service=s%s}`
)

// weeks are two with numbers that are known: so much a minute, in the second
// week other numbers.
func twoWeeks(t *testing.T) *world {
	w := newWorld(t, "2026-11-16 08:00")
	w.values[`node_filesystem_size_bytes{target=h,mountpoint=/,device=a}`] = 100 << 30
	up := func(name string, v float64) { w.values[name] = v }
	week := func(errors, fired, lines, quiet, slowTimes, slowSeconds, page, free float64) {
		for i := range 168 {
			if i >= 160 {
				quiet = 0
			}
			w.grow(map[string]float64{
				finding: errors, fmt.Sprintf(lineCount, "app"): lines, fmt.Sprintf(lineCount, "cron"): quiet,
				fmt.Sprintf(stmts, "total", "d1", "SELECT 1"): slowTimes, fmt.Sprintf(stmts, "seconds_total", "d1", "SELECT 1"): slowSeconds,
				fmt.Sprintf(stmts, "total", "d2", ""): 1000, fmt.Sprintf(stmts, "seconds_total", "d2", ""): 20,
			})
			if i < int(fired) {
				w.grow(map[string]float64{fmt.Sprintf(alertsFired, "AppError", "error", "critical"): 1})
			}
			up(`probe_duration_seconds{target=shop}`, page)
			up(`probe_success{target=shop}`, 1)
			if i == 100 {
				up(`probe_duration_seconds{target=shop}`, 10*page)
				up(`probe_success{target=shop}`, 0)
			}
			up(`node_filesystem_avail_bytes{target=h,mountpoint=/,device=a}`, free-float64(i)/167*float64(4<<30))
			w.pass(time.Hour, time.Hour)
		}
	}
	up(`logkeel_container_running`+fmt.Sprintf(container, "app", ""), 1)
	up(`container_start_time_seconds`+fmt.Sprintf(container, "app", ""), 1000)
	up(`logkeel_container_restarts_total`+fmt.Sprintf(container, "app", ""), 3)
	up(`logkeel_container_health`+fmt.Sprintf(container, "app", ",status=unhealthy"), 0)
	up(`logkeel_container_health`+fmt.Sprintf(container, "app", ",status=healthy"), 1)
	up(`logkeel_container_running`+fmt.Sprintf(container, "web", ""), 1)
	w.look()
	week(2, 0, 100, 5, 10, 5, 0.2, 50<<30)
	if got := w.summary(); got.Level != Worse { // the page was down for one hour of 167
		t.Errorf("the first week is %d", got.Level)
	}
	w.tells("16 Nov 08:00 - 23 Nov 08:00")
	up(`container_start_time_seconds`+fmt.Sprintf(container, "app", ""), 2000)
	up(`logkeel_container_restarts_total`+fmt.Sprintf(container, "app", ""), 5)
	up(`logkeel_backup_last_success_timestamp_seconds{target=b,job=nightly}`, float64(w.now.Unix()))
	up(`logkeel_backup_size_bytes{target=b,job=nightly}`, 3<<20)
	w.values[`logkeel_tail_gaps_total{source=laravel}`] = 2
	w.values[`logkeel_email_sent_total{output=ops}`] = 4
	w.values[`logkeel_notifications_held{output=ops}`] = 9
	w.values[`logkeel_alerts_muted_total{output=ops}`] = 2
	w.values[`logkeel_notifications_total{output=ops,result=failed}`] = 6
	week(5, 3, 150, 0, 10, 20, 0.3, 46<<30)
	return w
}

// The numbers are those that one computes oneself.
func TestSummary(t *testing.T) {
	w := twoWeeks(t)
	s := w.summary()
	s.has(t,
		// An hour's samples come at its end, when at eight the week has turned: the
		// second has 167 hours of its own, and one with the numbers of the first.
		"Incidents | critical | 3 | ▲ was 0 |  | 2",
		"Incidents | AppError | 3 | ▲ was 0 |  | 0",
		"Findings, by class | error | 837 | ▲ 151 %, was 334 |  | 1",
		"Findings, by rule | A | 837 | ▲ 151 %, was 334 |  | 0",
		"Containers | app | 2 restarts | ▲ was 0 |  | 1",
		"Disks | / | 58 % used | +4 points | 42 GiB of 100 GiB are free, full in about 74 d | 0",
		"Pages | shop | 315 ms | ▲ 50 %, was 211 ms | at worst 3.0 s | 1",
		"Pages | shop, as expected | 99.40 % of the time | was 99.40 % |  | 1",
		"Slowest statements, by their mean time | SELECT 1 | 2.0 s | ▲ was 500 ms | 1,680 times, 56 min in all, on db in shop | 1",
		"Slowest statements, by all their time | digest d2 | 56 min | ▲ 1 %, was 55 min | 168,000 times, 20 ms each, on db in shop | 0",
		"Backups | b nightly last success ago | 6 d 23 h |  |  | 2",
		"Silent logs | shop-cron-1 | no line | was 800 |  | 1",
		"Mails and other notices | sent | 4 | ▲ was 0 |  | 0",
		"Mails and other notices | tries that failed | 6 | ▲ was 0 |  | 1",
		"Mails and other notices | held back by the limit, at most at once | 9 | ▲ was 0 |  | 1",
		"Mails and other notices | alerts not told: silenced, or another one explains them | 2 | ▲ was 0 |  | 0",
		"The agent | gaps: places where lines may be missing | 2 | ▲ was 0 | the agent's log says where | 2",
	)
	if s.Title != "week of 23 Nov" || s.Headline != "3 incidents, 2 restarts, disk +4 %, backup 6 d 23 h old, 1 silent log" {
		t.Errorf("%s: %s", s.Title, s.Headline)
	}
}

// Weeks of other lengths are not compared, and the report says why.
func TestUncompared(t *testing.T) {
	w := newWorld(t, "2026-11-20 08:00")
	w.until("2026-11-23 08:00", 6*time.Hour)
	if got := w.summary().Intro; !slices.Contains(got, "It is the first; the next one is compared with it.") {
		t.Errorf("%q", got)
	}
	w.tells("20 Nov 08:00 - 23 Nov 08:00")
	w.values[finding] = 3
	w.until("2026-11-26 08:00", 6*time.Hour)
	w.now = w.now.Add(24 * time.Hour)
	w.start()
	w.until("2026-11-30 08:00", 6*time.Hour)
	s := w.summary()
	for _, want := range []string{
		"Nothing alarming, but some things got worse.", "Mon 23 Nov 08:00 to Mon 30 Nov 08:00. The agent was not there for 1 d of it.",
		"Nothing is compared: the week before was measured for 3 d, this one for 7 d.",
	} {
		if !slices.Contains(s.Intro, want) {
			t.Errorf("not there: %s\n%q", want, s.Intro)
		}
	}
	s.has(t, "Findings, by rule | A | 3 |  |  | 0", "The agent | up | 86 % |  | started once | 1")
	if s.Headline != "no incidents" {
		t.Error(s.Headline)
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		count(1234567): "1,234,567", count(999): "999", of(1, "gap"): "1 gap", of(2, "gap"): "2 gaps",
		span(26 * time.Hour): "1 d 2 h", span(59 * time.Second): "1 min", span(25 * time.Minute): "25 min", span(61 * time.Minute): "1 h 1 min",
		seconds(0.0004): "400 µs", seconds(0.25): "250 ms", seconds(2.34): "2.3 s", seconds(7200): "2 h",
		size(512): "512 B", size(1536): "1.5 KiB", size(42 << 30): "42 GiB",
		percent(0.99999): "99.99 %", percent(1): "100 %", percent(0.5): "50 %", percent(0): "0 %",
		change(5, 5, count): "as before", change(5, 0, count): "▲ was 0", change(0, 5, count): "▼ 100 %, was 5",
		change(15, 10, count): "▲ 50 %, was 10", change(100, 10, count): "▲ was 10", change(1000, 1001, count): "as before",
	} {
		if got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
}

// What goes on is shown beside the week before, and not judged by it.
func TestSoFar(t *testing.T) {
	w := twoWeeks(t)
	w.tell()
	w.values[finding] += 4
	w.pass(24*time.Hour, 24*time.Hour)
	s := Summarize(w.book.s.Current, w.book.s.Past[0], View{Zone: w.o.Zone, Now: w.now, Top: 5})
	if want := "The week before, of 7 d, is beside it; nothing is judged by it before this one is over."; !slices.Contains(s.Intro, want) {
		t.Errorf("%q", s.Intro)
	}
	// Of the hour in which the week turned there are five.
	s.has(t, "Findings, by rule | A | 9 | before: 837 |  | 0", "Incidents | critical | 0 | before: 3 |  | 0")
	if s.Title != "week of 30 Nov, so far" || s.Headline != "no incidents, backup 8 d old" {
		t.Errorf("%s: %s", s.Title, s.Headline)
	}
}

// Of very many logs, statements and containers the report of a period that is over
// has what matters, however little of it there was: it is as it was while it went on.
func TestVeryMany(t *testing.T) {
	w := newWorld(t, "2026-11-09 08:00")
	week := func(end string, more map[string]float64) {
		for i := range 3 {
			w.now, w.elapsed = w.now.Add(time.Minute), w.elapsed+time.Minute
			for n := range 300 {
				name := fmt.Sprintf("s%03d", n)
				w.grow(map[string]float64{
					fmt.Sprintf(lineCount, name): float64(1000 - n), running + fmt.Sprintf(container, name, ""): float64(1 - min(i, 1)),
					fmt.Sprintf(stmts, "total", name, name): 1000, fmt.Sprintf(stmts, "seconds_total", name, name): 0.1 * float64(min(n, 280)+1),
					oomKilled + fmt.Sprintf(container, name, ""): 0,
				})
			}
			if i == 1 {
				w.grow(more)
			}
			w.look()
		}
		w.until(end, 24*time.Hour)
	}
	week("2026-11-16 08:01", nil)
	if err := w.book.Told(); err != nil {
		t.Fatal(err)
	}
	more := map[string]float64{
		fmt.Sprintf(stmts, "total", "rare", "rare"): 1, fmt.Sprintf(stmts, "seconds_total", "rare", "rare"): 20,
		oomKilled + fmt.Sprintf(container, "s299", ""): 1,
	}
	w.grow(map[string]float64{fmt.Sprintf(stmts, "total", "rare", "rare"): 0, fmt.Sprintf(stmts, "seconds_total", "rare", "rare"): 0})
	week("2026-11-23 08:01", more)
	s := w.summary()
	for _, sec := range s.Sections {
		if sec.Title == "Silent logs" {
			t.Errorf("silent: %v", sec.Items)
		}
	}
	lines := strings.Join(s.lines(), "\n")
	for _, want := range []string{"by their mean time | rare | 20.0 s", "out-of-memory kill", "lines read | 765,450 "} {
		if !strings.Contains(lines, want) {
			t.Errorf("not there: %s", want)
		}
	}
	if t.Failed() {
		t.Log(lines)
	}
	if err := w.book.Told(); err != nil {
		t.Fatal(err)
	}
	_, past, err := Read(w.path)
	if err != nil || len(past) != 2 || len(past[0].of(sourceLines)) != 300 || len(past[1].of(sourceLines)) != maxKept {
		t.Errorf("%d periods, %v", len(past), err)
	}
}
