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
)

const (
	shownAlerts     = 50               // in one notice
	defaultCooldown = 15 * time.Minute // where a rule says nothing
	lateAtMost      = time.Hour        // a notice of the late group waits for more to come
	retryRefused    = time.Hour
	dropRefused     = 24 * time.Hour // after all of its incident is over

	lateKey   = "late"   // of the group of late alerts: other keys begin with a quote
	digestKey = "digest" // of that of alerts that are not urgent

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

// hidden reports whether people are not to know of it for now: of what is news.
// An end is told of whatever they know of.
func (e *entry) hidden(mute mute) bool { return e.news() && mute(&e.alert) }

// A mute says which alerts are silenced.
type mute func(*agent.Alert) bool

func nobody(*agent.Alert) bool { return false }

// inhibited is the mute of those that another alert explains.
func inhibited(a *agent.Alert) bool { return a.Inhibited != "" }

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
	digest   bool
	route    string // its key; "": none
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
	route, rest := parseKey(key)
	return &group{
		key: key, labels: labels, route: route, late: rest == lateKey, digest: rest == digestKey,
		incident: incident, entries: map[string]*entry{}, tried: math.MinInt64,
	}
}

func newIncident() string { return strings.ToLower(rand.Text()) }

// incidentAfter is the incident of what came while the end of another one was
// told. It can be told again from that one, for it may not get to the disk.
func incidentAfter(incident string) string {
	sum := sha256.Sum256([]byte(incident))
	return hex.EncodeToString(sum[:13])
}

// pending says since when there is something that was not told; ok is false
// where there is not.
func (g *group) pending(by *terms) (since time.Duration, ok bool) {
	if g.digest {
		due := g.digestDue(by) // before which it is not late
		return due, due <= by.now.at
	}
	since = never
	for _, e := range g.entries {
		if e.news() && !e.hidden(by.mute) {
			since = min(since, e.since.at)
		}
	}
	if over, isOver := g.over(by.mute); isOver && g.told > 0 {
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

// tell makes the notice of the group as it stands, but for what is hidden.
func (g *group) tell(by *terms) *telling {
	n := &Notice{
		ID: noticeID(g.incident, g.told+1), Thread: noticeID(g.incident, 1),
		Group: g.labels, Late: g.late, Kind: Resolved, Previous: g.toldAt.wall, Route: by.config.routeOf(g.route),
	}
	t := &telling{notice: n, group: g}
	list := make([]*entry, 0, len(g.entries))
	fresh := g.told == 0
	for _, e := range g.entries {
		if e.hidden(by.mute) || g.digest && !e.forDigest() {
			continue
		}
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
	switch {
	case g.digest:
		n.Kind = Digest
	case n.Kind == Firing && g.told > 0:
		n.Kind, n.Reminder = Update, !fresh
	}
	n.show(list)
	return t
}

// show puts the alerts into the notice.
func (n *Notice) show(list []*entry) {
	slices.SortFunc(list, byInterest)
	for _, e := range list {
		if len(n.Alerts) < shownAlerts {
			n.Alerts = append(n.Alerts, e.alert)
			continue
		}
		n.More++
		n.MoreFindings += e.alert.Count
	}
}

// giveUp makes a telling of what nobody will be told. No cooldown begins with it.
func (g *group) giveUp(by *terms) *telling {
	t := g.tell(by)
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
