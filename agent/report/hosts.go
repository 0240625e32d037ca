package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	running   = "logkeel_container_running"
	startTime = "container_start_time_seconds"
	restarted = "logkeel_container_restarts_total"
	oomKilled = "logkeel_container_oom_killed"
	unhealthy = "logkeel_container_health"
	diskSize  = "node_filesystem_size_bytes"
	diskFree  = "node_filesystem_avail_bytes"
)

// newest is when the metric was measured last.
func (s *summarizer) newest(metric string) (at time.Time) {
	for _, one := range s.p.of(metric) {
		if one.Seen.After(at) {
			at = one.Seen
		}
	}
	return at
}

// restarts are those of the restart policy and those by hand. Of a container
// that ends again and again only the policy's count has all of them.
func restarts(p *Period, key string) float64 {
	var n float64
	if s := p.of(restarted)[key]; s != nil {
		n = s.Sum
	}
	if s := p.of(startTime)[key]; s != nil {
		n = max(n, float64(s.Turns))
	}
	return n
}

// containers are those of which there is anything to tell.
func (s *summarizer) containers() {
	if !s.p.has(running) {
		return
	}
	var items []Item
	total, ooms := 0.0, 0.0
	newest := s.newest(running)
	for _, key := range slices.Sorted(maps.Keys(s.p.of(running))) {
		it, n, killed := s.container(key, newest)
		total, ooms = total+n, ooms+killed
		if it.Value != "" {
			items = append(items, it)
		}
	}
	slices.SortStableFunc(items, func(a, b Item) int { return int(b.Trend) - int(a.Trend) })
	if total > 0 {
		s.head = append(s.head, of(total, "restart"))
	}
	if ooms > 0 {
		s.head = append(s.head, of(ooms, "out-of-memory kill"))
	}
	all := len(s.p.of(running))
	note := of(float64(all), "container") + "."
	if rest := all - len(items); len(items) > 0 && rest > 0 {
		note = of(float64(all), "container") + "; nothing to tell of " + strconv.Itoa(rest) + "."
	} else if len(items) == 0 {
		note += " No restarts, no kills for want of memory, and none unhealthy."
	}
	items, note = s.cut(items, note)
	s.sections = append(s.sections, Section{Title: "Containers", Note: note, Items: items})
}

// cut bounds a list, and says so.
func (s *summarizer) cut(items []Item, note string) ([]Item, string) {
	most := 4 * s.Top
	if len(items) <= most {
		return items, note
	}
	return items[:most], strings.TrimSpace(note + " The first " + strconv.Itoa(most) + " of " + strconv.Itoa(len(items)) + ".")
}

func (s *summarizer) container(key string, newest time.Time) (it Item, n, killed float64) {
	it.Name = labels(key)[1]
	var says []string
	if n = restarts(s.p, key); n > 0 {
		says = append(says, of(n, "restart"))
		it.Trend = Worse
		if s.before != nil {
			was := restarts(s.before, key)
			it.Change = s.item("", n, was, 1, count).Change
			if n <= was {
				it.Trend = Same
			}
		}
	}
	if o := s.p.of(oomKilled)[key]; o != nil && o.Rises > 0 {
		killed = float64(o.Rises)
		says = append(says, of(killed, "out-of-memory kill"))
		it.Trend = Bad
	}
	if h := s.p.of(unhealthy)[key]; h != nil && h.Sum > 0 {
		says = append(says, "unhealthy for "+percent(h.Mean())+" of the time")
		it.Trend = max(it.Trend, Worse)
		if h.Last > 0 && h.Seen.Equal(newest) {
			says[len(says)-1] = "unhealthy now"
			it.Trend = Bad
		}
	}
	if r := s.p.of(running)[key]; r.Last == 0 && r.High > 0 && r.Seen.Equal(newest) {
		says = append(says, "has ended")
		it.Trend = max(it.Trend, Worse)
	}
	it.Value = strings.Join(says, ", ")
	if m := s.p.of("container_memory_working_set_bytes")[key]; m != nil {
		it.Detail = "memory up to " + size(m.High)
		if share := s.p.of("logkeel_container_memory_percent")[key]; share != nil && share.High >= 90 {
			it.Detail += ", " + percent(share.High/100) + " of what it may have"
			if it.Value == "" {
				it.Value, it.Trend = "short of memory", Worse
			}
		}
	}
	return it, n, killed
}

// disks are how full they are, and when that will be all.
func (s *summarizer) disks() {
	var items []Item
	most, worst := 0.0, 0.0
	for _, key := range slices.Sorted(maps.Keys(s.p.of(diskFree))) {
		all, free := s.p.of(diskSize)[key], s.p.of(diskFree)[key]
		if all == nil || all.Last <= 0 || all.First <= 0 {
			continue
		}
		used, was := 1-free.Last/all.Last, 1-free.First/all.First
		by := (used - was) * 100
		it := Item{Name: labels(key)[1], Value: percent(used) + " used", Detail: size(free.Last) + " of " + size(all.Last) + " are free"}
		if math.Abs(by) >= 0.5 {
			it.Change = fmt.Sprintf("%+.0f points", by)
		} else {
			it.Change = "as before"
		}
		left := time.Duration(0)
		if days := s.p.Observed.Hours() / 24; by >= 1 && days >= 0.9 {
			left = time.Duration((1 - used) * 100 / by * days * 24 * float64(time.Hour))
			it.Detail += ", full in about " + span(left.Round(24*time.Hour))
		}
		switch {
		case used >= 0.9 || left > 0 && left < 14*24*time.Hour:
			it.Trend = Bad
		case used >= 0.8 || by >= 5 || left > 0 && left < 60*24*time.Hour:
			it.Trend = Worse
		}
		if math.Abs(by) > math.Abs(most) {
			most = by
		}
		worst = max(worst, used)
		items = append(items, it)
	}
	switch {
	case math.Abs(most) >= 0.5:
		s.head = append(s.head, fmt.Sprintf("disk %+.0f %%", most))
	case worst >= 0.9:
		s.head = append(s.head, "disk "+percent(worst)+" full")
	}
	items, note := s.cut(items, "")
	s.section("Disks", note, items)
}
