package notify

import (
	"time"

	"github.com/webgrip/logkeel/agent/silence"
)

// hushed is a silence of a rule, from when the queue has to know of it.
type hushed struct {
	rule        string
	from, until time.Time
}

// configure gives a model, by its seed, any of what a configuration may ask for.
func (m *model) configure(seed uint64) {
	m.silences = seed&1 != 0
	if seed&2 != 0 {
		m.c.Routes = []Route{{Match: matching(m.t, `container="a"`), GroupWait: minutes(1)}, {Match: matching(m.t, `rule="rule1"`), GroupInterval: minutes(2)}}
	}
	if seed&4 != 0 {
		m.c.Digest = DigestConfig{"info", hourly}
	}
	if seed&8 != 0 {
		m.c.MaxPerHour = 6
	}
	m.fills = seed&16 != 0
}

// hush silences a rule.
func (m *model) hush(rule string) {
	d := time.Duration(m.rng.IntN(20)+1) * time.Minute
	if _, err := silence.Open(m.book).Add(`rule="`+rule+`"`, time.Now(), d, "", ""); err != nil {
		m.t.Error(err)
	}
	m.hushed = append(m.hushed, hushed{rule, time.Now().Add(silence.Poll), time.Now().Add(d)})
	for id, a := range m.last {
		if a.Rule.Name == rule {
			m.quiet[id] = true
		}
	}
}

// checkNotice judges one notice by itself.
func (m *model) checkNotice(n *Notice, at time.Time) {
	switch {
	case n.Kind == HeldBack && (n.Held.Groups == 0 || n.Held.Alerts == 0 || !n.Held.Until.After(at)):
		m.t.Errorf("%s holds back nothing: %+v", line(n), n.Held)
	case n.Kind == HeldBack:
		return
	case len(n.Alerts) == 0:
		m.t.Errorf("%s tells nothing", n.ID)
	}
	for i := range n.Alerts {
		a := &n.Alerts[i]
		if gathered := m.c.Digest.Severity != "" && a.Rule.Severity == "info"; gathered != (n.Kind == Digest) {
			m.t.Errorf("%s has %s, which is %s", line(n), a.ID, a.Rule.Severity)
		}
		if len(m.c.Routes) > 0 && m.c.route(a) != n.Route {
			m.t.Errorf("%s has route %d, and %s that of %d", line(n), n.Route, a.ID, m.c.route(a))
		}
	}
}

// checkCap counts the notices of each hour. One that a kill kept from being noted
// may have come again as another.
func (m *model) checkCap() {
	if m.c.MaxPerHour == 0 {
		return
	}
	last := map[string]time.Time{}
	for i, n := range m.heard {
		if n.Kind != HeldBack {
			last[n.ID] = m.times[i]
		}
	}
	for _, from := range last {
		within := func(t time.Time) bool { return !t.Before(from) && t.Before(from.Add(capWithin)) }
		count, most := 0, m.c.MaxPerHour
		for _, at := range last {
			if within(at) {
				count++
			}
		}
		for _, at := range m.killsAt {
			if within(at) {
				most++
			}
		}
		if count > most {
			m.t.Errorf("%d notices in the hour from %s, no more than %d are allowed", count, from, most)
		}
	}
}

// checkSilences looks for what people hear of for the first time though it is
// silenced.
func (m *model) checkSilences() {
	known := map[string]bool{}
	for i, n := range m.heard {
		if n.Kind == HeldBack {
			continue
		}
		for _, a := range n.Alerts {
			for _, h := range m.hushed {
				if at := m.times[i]; !known[a.ID] && h.rule == a.Rule.Name && !at.Before(h.from) && at.Before(h.until) {
					m.t.Errorf("%s tells of %s, which was silenced at %s until %s", line(n), a.ID, h.from, h.until)
				}
			}
		}
		for _, a := range n.Alerts {
			known[a.ID] = true
		}
	}
}
