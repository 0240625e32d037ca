package notify

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

const (
	shownAlerts     = 50               // in one notice
	defaultCooldown = 15 * time.Minute // where a rule says nothing
	lateAtMost      = time.Hour        // a notice of the late group waits for more to come
	retryRefused    = time.Hour
	dropRefused     = 24 * time.Hour // after all of its incident is over

	lateKey = "late" // of the group of late alerts: no other key starts with a letter

	never = time.Duration(math.MaxInt64)
)

// An entry is one alert that goes on, or of which there is something to tell.
type entry struct {
	alert    agent.Alert
	group    *group
	incident string // of its group when it was written to the journal
	key      string // what its cooldown goes by
	since    stamp  // when it came, or came again after its end was told
	over     stamp  // when its end came
	changed  time.Duration
	told     *mark // as it was last told; nil: never

	// Of an alert that stands for those that were too many.
	other bool
	base  uint64 // findings of those whose IDs are not kept
	open  int    // of those whose IDs are kept: how many fire
}

// news reports whether people do not know of it.
func (e *entry) news() bool {
	return e.told == nil || e.told.Over && e.alert.Revision > e.told.Revision && !e.settled()
}

// settled reports whether there is nothing to tell of it any more: it is over,
// and was told so. After a crash an alert may come again with a newer revision
// and nothing new in it.
func (e *entry) settled() bool {
	return !e.alert.Firing() && e.told != nil && e.told.Over &&
		(e.alert.Revision <= e.told.Revision || e.alert.Count <= e.told.Count)
}

func cooldown(r *agent.Rule) time.Duration {
	if r.Cooldown > 0 {
		return r.Cooldown
	}
	return defaultCooldown
}

// A group is the alerts that are told together. It is there as long as it has
// an entry; its incident goes on until a notice has told that all is over.
type group struct {
	key      string
	labels   []agent.Label
	late     bool
	incident string
	entries  map[string]*entry // by the alert's ID
	told     int               // notices of this incident
	toldAt   stamp             // of the last of them

	// How it goes with its next notice. A restart tries it anew.
	turned    time.Duration // when an alert last began or ended
	tried     time.Duration // when it was last sent, without success
	sending   bool
	failed    bool
	refused   bool
	refusedAt time.Duration
}

func newGroup(key string, labels []agent.Label, incident string) *group {
	return &group{key: key, labels: labels, late: key == lateKey, incident: incident, entries: map[string]*entry{}, tried: math.MinInt64}
}

func newIncident() string { return strings.ToLower(rand.Text()) }

// incidentAfter is the incident of what came while the end of another one was
// told. It can be told again from that one, for it may not get to the disk.
func incidentAfter(incident string) string {
	sum := sha256.Sum256([]byte(incident))
	return hex.EncodeToString(sum[:13])
}

// timing is a Config's times.
type timing struct{ wait, interval, repeat time.Duration }

func (c *Config) timing() timing {
	return timing{time.Duration(c.GroupWait), time.Duration(c.GroupInterval), time.Duration(c.RepeatInterval)}
}

// due says when the group is to be told; never where there is nothing to tell.
func (g *group) due(t timing, cools map[string]*cool) time.Duration {
	at := min(g.newsDue(t, cools), g.overDue(t), g.reminderDue(t))
	if !g.refused || at == never {
		return at
	}
	// What was refused is refused again, unless something is different.
	again := g.refusedAt + retryRefused
	if g.turned > g.refusedAt {
		again = min(again, max(g.turned+t.wait, g.refusedAt+t.interval))
	}
	return max(at, again)
}

// newsDue is when what people do not know is to be told.
func (g *group) newsDue(t timing, cools map[string]*cool) time.Duration {
	at := never
	changed := time.Duration(math.MinInt64)
	for _, e := range g.entries {
		if !e.news() {
			continue
		}
		ready := e.since.at + t.wait
		if c := cools[e.key]; c != nil && !g.late {
			ready = max(ready, c.At.at+cooldown(&e.alert.Rule))
		}
		at = min(at, ready)
		changed = max(changed, e.changed)
	}
	if at == never {
		return never
	}
	if g.late {
		// Old logs are read for a while: one notice when that comes to a rest.
		at = max(at, min(changed+t.wait, at-t.wait+lateAtMost))
	}
	if g.told > 0 {
		at = max(at, g.toldAt.at+t.interval)
	}
	return at
}

// overDue is when the end of what was told is to be told.
func (g *group) overDue(t timing) time.Duration {
	if over, ok := g.over(); ok && g.told > 0 {
		return over + t.wait
	}
	return never
}

// over says since when all of the group is over; ok is false while something
// fires.
func (g *group) over() (since time.Duration, ok bool) {
	since = math.MinInt64
	for _, e := range g.entries {
		if e.alert.Firing() {
			return 0, false
		}
		since = max(since, e.over.at)
	}
	return since, len(g.entries) > 0
}

// reminderDue is when people are to be reminded of what still fires.
func (g *group) reminderDue(t timing) time.Duration {
	if g.told == 0 {
		return never
	}
	after := never
	for _, e := range g.entries {
		if !e.alert.Firing() || e.news() {
			continue
		}
		repeat := t.repeat
		if e.alert.Rule.Cooldown > 0 {
			repeat = max(e.alert.Rule.Cooldown, shortest)
		}
		after = min(after, repeat)
	}
	if after == never {
		return never
	}
	return g.toldAt.at + after
}

// pending says since when there is something that was not told; ok is false
// where there is not.
func (g *group) pending() (since time.Duration, ok bool) {
	since = never
	for _, e := range g.entries {
		if e.news() {
			since = min(since, e.since.at)
		}
	}
	if over, isOver := g.over(); isOver && g.told > 0 {
		since = min(since, over)
	}
	return since, since != never
}

// A telling is a notice with what settles it.
type telling struct {
	notice *Notice
	group  *group
	said   []said
}

// said is one alert as the notice has it.
type said struct {
	id       string
	revision uint64
	count    uint64
	over     bool
	news     bool
	key      string
	cooldown time.Duration
}

// tell makes the notice of the group as it stands.
func (g *group) tell() *telling {
	n := &Notice{
		ID: noticeID(g.incident, g.told+1), Thread: noticeID(g.incident, 1),
		Group: g.labels, Late: g.late, Kind: Resolved, Previous: g.toldAt.wall,
	}
	t := &telling{notice: n, group: g}
	list := make([]*entry, 0, len(g.entries))
	fresh := g.told == 0
	for _, e := range g.entries {
		list = append(list, e)
		if e.alert.Firing() {
			n.Kind = Firing
		}
		fresh = fresh || e.news()
		t.said = append(t.said, said{
			id: e.alert.ID, revision: e.alert.Revision, count: e.alert.Count, over: !e.alert.Firing(),
			news: e.news(), key: e.key, cooldown: cooldown(&e.alert.Rule),
		})
	}
	if n.Kind == Firing && g.told > 0 {
		n.Kind, n.Reminder = Update, !fresh
	}
	slices.SortFunc(list, byInterest)
	for _, e := range list {
		if len(n.Alerts) < shownAlerts {
			n.Alerts = append(n.Alerts, e.alert)
			continue
		}
		n.More++
		n.MoreFindings += e.alert.Count
	}
	return t
}

// giveUp makes a telling of what nobody will be told. No cooldown begins with it.
func (g *group) giveUp() *telling {
	t := g.tell()
	for i := range t.said {
		t.said[i].news = false
	}
	return t
}

// findings adds up those of all alerts.
func (g *group) findings() (n uint64) {
	for _, e := range g.entries {
		n += e.alert.Count
	}
	return n
}

func noticeID(incident string, n int) string { return incident + "." + strconv.Itoa(n) }

func byInterest(a, b *entry) int {
	firing := func(e *entry) int {
		if e.alert.Firing() {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(firing(a), firing(b)),
		cmp.Compare(rank(a.alert.Rule.Severity), rank(b.alert.Rule.Severity)),
		cmp.Compare(b.alert.Count, a.alert.Count),
		a.alert.Starts.Compare(b.alert.Starts),
		cmp.Compare(a.alert.ID, b.alert.ID),
	)
}

// groupOf is the group of a new alert: its key, and what is shown of it.
func groupOf(a *agent.Alert, by conf.Strings) (key string, labels []agent.Label) {
	if a.Late {
		return lateKey, nil
	}
	var b strings.Builder
	for _, name := range by {
		v := groupValue(a, name)
		labels = append(labels, agent.Label{Name: name, Value: v})
	}
	writeLabels(&b, labels)
	return b.String(), labels
}

func groupValue(a *agent.Alert, name string) string {
	switch name {
	case "rule":
		return a.Rule.Name
	case "class":
		return a.Rule.Class
	case "severity":
		return a.Rule.Severity
	case "source":
		return a.Source
	}
	for _, l := range slices.Concat(a.Key, a.Labels) {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// writeLabels writes labels so that no two lists of them read the same.
func writeLabels(b *strings.Builder, labels []agent.Label) {
	for _, l := range labels {
		b.WriteString(strconv.Quote(l.Name))
		b.WriteString(strconv.Quote(l.Value))
	}
}
