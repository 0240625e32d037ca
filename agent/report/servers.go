package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	pageTime  = "probe_duration_seconds"
	pageGood  = "probe_success"
	stmtCount = "mysql_perf_schema_events_statements_total"
	stmtTime  = "mysql_perf_schema_events_statements_seconds_total"
)

// pages are how fast they were, and how often they were right.
func (s *summarizer) pages() {
	var items []Item
	for _, key := range slices.Sorted(maps.Keys(s.p.of(pageTime))) {
		one := s.p.of(pageTime)[key]
		it := Item{Name: key, Value: seconds(one.Mean())}
		if was := s.before.of(pageTime)[key]; was != nil {
			it = s.item(key, one.Mean(), was.Mean(), 0.02, seconds)
		}
		it.Detail = "at worst " + seconds(one.High)
		items = append(items, it)
		if good := s.p.of(pageGood)[key]; good != nil && good.Mean() < 1 {
			items = append(items, s.share(key+", as expected", good, s.before.of(pageGood)[key]))
		}
	}
	items, note := s.cut(items, "")
	s.section("Pages", strings.TrimSpace("Mean times. "+note), items)
}

// share is how much of the time something was so.
func (s *summarizer) share(name string, now, was *Series) Item {
	it := Item{Name: name, Value: percent(now.Mean()) + " of the time", Trend: away(now.Mean())}
	switch {
	case was == nil:
	case was.Mean() == now.Mean():
		it.Change = "as before"
	default:
		it.Change = "was " + percent(was.Mean())
	}
	return it
}

// away says how bad it is not to have been there all the time.
func away(share float64) Trend {
	switch {
	case share < 0.99:
		return Bad
	case share < 1:
		return Worse
	}
	return Same
}

// servers are how much of the time they were there.
func (s *summarizer) servers() {
	var items []Item
	for _, metric := range []string{"mysql_up", "redis_up", "pg_up"} {
		for _, key := range slices.Sorted(maps.Keys(s.p.of(metric))) {
			kind, _, _ := strings.Cut(strings.Replace(metric, "pg_", "postgres_", 1), "_")
			items = append(items, s.share(kind+" "+key+", up", s.p.of(metric)[key], s.before.of(metric)[key]))
		}
	}
	items, note := s.cut(items, "")
	s.section("Servers", note, items)
}

// A statement is what one comes to in a period.
type statement struct {
	key          string
	times, taken float64
}

func (t statement) mean() float64 { return t.taken / t.times }

func statements(p *Period) (all []statement) {
	for key, n := range p.of(stmtCount) {
		if took := p.of(stmtTime)[key]; took != nil && n.Sum >= 1 && !strings.HasPrefix(key, other) {
			all = append(all, statement{key, n.Sum, took.Sum})
		}
	}
	return all
}

// statements are the slowest, by the mean and by all the time that they took.
func (s *summarizer) statements() {
	all := statements(s.p)
	was := map[string]statement{}
	for _, t := range statements(s.before) {
		was[t.key] = t
	}
	list := func(title string, by func(statement) float64, rest func(statement) string, least float64) {
		slices.SortFunc(all, func(a, b statement) int { return cmp.Or(cmp.Compare(by(b), by(a)), cmp.Compare(a.key, b.key)) })
		var items []Item
		for _, t := range all[:min(len(all), s.Top)] {
			it := Item{Name: t.name(), Value: seconds(by(t))}
			if before, ok := was[t.key]; ok {
				it = s.item(it.Name, by(t), by(before), least, seconds)
			}
			it.Detail = rest(t)
			items = append(items, it)
		}
		s.section(title, "", items)
	}
	list("Slowest statements, by their mean time", statement.mean, func(t statement) string {
		return of(t.times, "time") + ", " + seconds(t.taken) + " in all" + t.where()
	}, 0.1)
	list("Slowest statements, by all their time", func(t statement) float64 { return t.taken }, func(t statement) string {
		return of(t.times, "time") + ", " + seconds(t.mean()) + " each" + t.where()
	}, 600)
}

// name is the text, or where that is not collected the digest.
func (t statement) name() string {
	l := labels(t.key)
	if l[3] != "" {
		return l[3]
	}
	return "digest " + l[2]
}

func (t statement) where() string {
	l := labels(t.key)
	return ", on " + l[0] + " in " + l[1]
}

// backups are shown as they are measured, by the endings of their names.
func (s *summarizer) backups() {
	var items []Item
	for _, metric := range slices.Sorted(maps.Keys(s.p.Series)) {
		what, ok := strings.CutPrefix(metric, backups)
		if !ok || s.beside(what) {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(s.p.of(metric))) {
			if (what == "problem" && s.p.of(metric)[key].Last == 0) || (what == "ok" && s.p.of(metric)[key].Last == 1) {
				continue // all is well
			}
			items = append(items, s.backup(what, metric, key))
		}
	}
	items, note := s.cut(items, "")
	s.section("Backups", note, items)
}

// beside says that a metric of backups says nothing more than others do, or only
// how the sampler is with its work.
func (s *summarizer) beside(what string) bool {
	switch what {
	case "up", "unverified_files", "verified_bytes_total", "verify_seconds", "size_ratio", "newest_timestamp_seconds":
		return true
	case "age_seconds":
		return len(s.p.of(backups+"last_success_timestamp_seconds")) > 0
	}
	return false
}

func (s *summarizer) backup(what, metric, key string) Item {
	one := s.p.of(metric)[key]
	age := func(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
	old := func(d time.Duration) (string, Trend) {
		// The oldest is to be old, and a restore is tested once a month.
		if d >= 48*time.Hour && !strings.HasPrefix(what, "oldest") && !strings.HasPrefix(what, "restore_test") {
			return span(d), Bad
		}
		return span(d), Same
	}
	it := Item{}
	show := count
	bad := false
	switch {
	case what == "problem":
		it.Value, bad = "yes", true
	case what == "ok":
		it.Value, bad = "no", true
	case strings.HasSuffix(what, "_timestamp_seconds"):
		what = strings.TrimSuffix(what, "_timestamp_seconds") + " ago"
		it.Value, it.Trend = old(one.Seen.Sub(time.Unix(int64(one.Last), 0)))
	case strings.HasSuffix(what, "age_seconds"):
		what = strings.TrimSuffix(what, "_seconds")
		it.Value, it.Trend = old(age(one.Last))
	case strings.HasSuffix(what, "_seconds"):
		what, show = strings.TrimSuffix(what, "_seconds"), seconds
	case strings.HasSuffix(what, "_bytes"):
		what, show = strings.TrimSuffix(what, "_bytes"), size
	}
	if it.Trend == Bad {
		s.head = append(s.head, "backup "+it.Value+" old")
	}
	if it.Value == "" {
		it.Value = show(one.Last)
		if was := s.before.of(metric)[key]; was != nil {
			it.Change = change(one.Last, was.Last, show)
		}
	}
	if bad {
		it.Trend = Bad
	}
	it.Name = strings.TrimSpace(strings.Join(labels(key), " ") + " " + strings.ReplaceAll(what, "_", " "))
	return it
}
