package email

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

func TestVisible(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{
		{"plain", 10, "plain"},
		{"", 10, ""},
		{"exactly", 7, "exactly"},
		{"too long", 7, "too lo…"},
		{"größer", 4, "grö…"},
		{"\x1b[31m", 20, `\x1b[31m`},
		{"a\tb\u00a0c\u2003d", 20, "a b c d"},
		{"\r\n", 20, `\x0d\x0a`},
		{"\u202e\u2066\U000e0041", 30, `\u202e\u2066\U000e0041`},
		{"\xff\xc3", 20, `\xff\xc3`},
		{"\ufffd", 20, "\ufffd"},
		{"ab\x00", 5, "ab…"}, // what is shown is not cut in the middle
		{"世界", 2, "世界"},
	} {
		if got := visible(tt.in, tt.most); got != tt.want {
			t.Errorf("visible(%q, %d) is %q; want %q", tt.in, tt.most, got, tt.want)
		}
	}
}

// FuzzVisible: whatever was logged, what is shown of it is inert.
func FuzzVisible(f *testing.F) {
	a := hostile()
	for _, l := range append(a.First, a.Latest...) {
		f.Add(l.Text, 500)
	}
	f.Add(a.Source, 3)
	f.Add(a.Rule.Name, 0)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = max(1, min(most, 1000))
		for name, got := range map[string]string{"visible": visible(s, most), "oneLine": oneLine(s, most)} {
			if !utf8.ValidString(got) || utf8.RuneCountInString(got) > most {
				t.Errorf("%s of %q gives %q", name, s, got)
			}
			for _, r := range got {
				if !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
					t.Errorf("%s of %q has %U", name, s, r)
				}
			}
		}
		if clean := strings.TrimFunc(s, unicode.IsPrint) == ""; clean && utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && visible(s, most) != s {
			t.Errorf("%q has nothing to hide and became %q", s, visible(s, most))
		}
		if got := headerText(s, most); strings.ContainsAny(got, "\r\n") || strings.Contains(got, "=?") {
			t.Errorf("headerText of %q gives %q", s, got)
		}
	})
}

// FuzzMail: no log makes a mail that is unsound, or too large.
func FuzzMail(f *testing.F) {
	f.Add("shop-app-1", "a line", "summary", uint64(3), int64(time.Second))
	f.Add("evil\r\nBcc: x", "\r\n.\r\n", "=?utf-8?q?x?=", uint64(1<<63), int64(-1))
	f.Add(hostileText, hostileText, hostileText, uint64(0), int64(1<<62))
	f.Fuzz(func(t *testing.T, source, line, summary string, count uint64, step int64) {
		a := hostile()
		a.Source, a.Rule.Summary, a.First[0].Text, a.Condition = source, summary, line, source
		a.Rule.Name, a.Rule.Class, a.Rule.Severity, a.Rule.File, a.Rule.Runbook, a.Inhibited, a.End = line, source, summary, source, line, summary, source
		a.First = append(a.First, agent.Line{Time: time.Unix(step, 0), Source: line, Text: source, Context: true})
		a.Key, a.Count, a.Value, a.Starts = []agent.Label{{Name: line, Value: source}}, count, float64(step), time.Unix(0, step)
		a.Shapes = []agent.Shape{{Text: line, Count: count}, {Text: summary, Count: count}}
		a.Timeline = &agent.Timeline{Start: time.Unix(step, 0), Step: time.Duration(step), Counts: []uint64{count, 1, count}}
		a.Around = []agent.Fact{{Name: source, Value: line}, {Name: summary, Value: source}}
		for kind := notify.Firing; kind <= notify.HeldBack; kind++ {
			n := &notify.Notice{ID: source, Thread: line, Kind: kind, Alerts: []agent.Alert{a, a}, Group: []agent.Label{{Name: summary, Value: source}}, Late: count%2 == 1}
			n.Held = &notify.Held{Cap: int(step), Within: time.Duration(step), Until: time.Unix(step, 0), Groups: int(step), Alerts: int(step), Findings: count}
			m, err := newComposer(t).compose(n, clock(0, 0))
			if err != nil {
				t.Fatal(err)
			}
			inert(t, kind.String(), parse(t, m.data))
		}
	})
}

// TestSize: the largest notice of the worst characters fits, and shows what it can.
func TestSize(t *testing.T) {
	for name, filler := range map[string]string{"ascii": "x", "html": "<", "wide": "\U0001f44d", "escaped": "\xff", "words": "= "} {
		long := strings.Repeat(filler, 1000)
		a := appError("a", "app", 5)
		a.Source, a.Rule.Name, a.Rule.Summary, a.Rule.Runbook, a.Rule.File, a.Condition, a.End = long, long, long, strings.Repeat(long+"\n", 30), long, long, long
		a.Ended = a.Last
		for i := range 20 {
			a.Labels = append(a.Labels, agent.Label{Name: long + fmt.Sprint(i), Value: long})
			a.Key = append(a.Key, agent.Label{Name: fmt.Sprint(i), Value: long})
			a.First = append(a.First, agent.Line{Text: long, Source: "x" + long})
			a.Latest = append(a.Latest, agent.Line{Text: long, Source: "x" + long})
			for range 5 {
				a.First = append(a.First, agent.Line{Text: long, Source: "x" + long, Context: true})
			}
			a.Shapes = append(a.Shapes, agent.Shape{Text: long, Count: 1 << 60})
			a.Around = append(a.Around, agent.Fact{Name: long, Value: long})
		}
		a.Inhibited, a.Rule.Class = long, long
		a.Timeline = &agent.Timeline{Start: a.Starts, Step: time.Second, Counts: slices.Repeat([]uint64{1, 1 << 60}, 30)}
		n := &notify.Notice{ID: "1", Thread: "1", Group: a.Labels, More: 100, MoreFindings: 1e6}
		for i := range 50 {
			a.Key = append(a.Key[:20:20], agent.Label{Name: fmt.Sprint(i)})
			n.Alerts = append(n.Alerts, a)
		}
		for i := range 4 {
			n.Late, n.Kind = i == 1, []notify.Kind{notify.Firing, notify.Firing, notify.Digest, notify.HeldBack}[i]
			m, err := newComposer(t).compose(n, clock(0, 0))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			p := parse(t, m.data)
			inert(t, name, p)
			if len(m.data) > maxMail || !strings.Contains(p.text, "not shown here") && !n.Late {
				t.Errorf("%s: %d bytes:\n%s", name, len(m.data), p.text)
			}
			t.Logf("%s, %s, late %v: %d bytes, subject %d", name, n.Kind, n.Late, len(m.data), len(p.header.Get("Subject")))
		}
	}
}

// TestMessageID: it tells apart what a receiver must not take for the same.
func TestMessageID(t *testing.T) {
	c := newComposer(t)
	n := notice("1", appError("a", "app", 5))
	first := c.messageID(n)
	n.Alerts[0].Count, n.Alerts[0].Revision = 37, 12
	if got := c.messageID(n); got != first {
		t.Errorf("the same alert has %s and %s", first, got)
	}
	for name, other := range map[string]*notify.Notice{
		"another notice":  notice("2", appError("a", "app", 5)),
		"another alert":   notice("1", appError("a", "app", 5), appError("b", "app", 5)),
		"an alert's end":  notice("1", ended(appError("a", "app", 5), clock(1, 1), "")),
		"resolved":        {ID: "1", Thread: "1", Kind: notify.Resolved, Alerts: n.Alerts},
		"what is in More": {ID: "1", Thread: "1", More: 1, Alerts: n.Alerts},
	} {
		if c.messageID(other) == first {
			t.Errorf("%s has the same Message-ID", name)
		}
	}
}

func notice(id string, alerts ...agent.Alert) *notify.Notice {
	return &notify.Notice{ID: id, Thread: "1", Alerts: alerts}
}

func TestSubject(t *testing.T) {
	slow := func(container string) agent.Alert {
		a := appError("s"+container, container, 5)
		a.Rule.Name, a.Rule.Severity = "SlowRequest", "warning"
		return a
	}
	db := redisDown()
	db.Source = "cache-2:6379"
	for _, tt := range []struct {
		n    *notify.Notice
		want string
	}{
		{notice("1", appError("a", "app", 37)), "[critical 37x] ApplicationError [shop-app-1]"},
		{notice("1", slow("app")), "[warning 5x] SlowRequest [shop-app-1]"},
		{notice("1", appError("a", "app", 30), appError("b", "worker", 7)), "[critical 37x] ApplicationError [2 logs]"},
		{notice("1", redisDown(), db), "[critical] RedisDown [2 targets]"},
		{notice("1", slow("app"), appError("a", "app", 1)), "[critical 6x] 2 alerts [shop-app-1]"},
		{notice("1", slow("app"), appError("a", "worker", 1)), "[critical 6x] 2 alerts of 2 rules"},
		{notice("1", slow("app"), ended(appError("a", "worker", 1), clock(1, 1), "")), "[warning 5x] SlowRequest [shop-app-1]"},
		{notice("1", func() agent.Alert { a := slow("app"); a.Rule.Severity = "dire"; return a }()), "[critical 5x] SlowRequest [shop-app-1]"},
		{&notify.Notice{Kind: notify.Update, Reminder: true, Alerts: []agent.Alert{slow("app")}}, "[still warning 5x] SlowRequest [shop-app-1]"},
		{&notify.Notice{}, "[info] 0 alerts"},
	} {
		if got := newComposer(t).subject(tt.n); got != "[logkeel] "+tt.want {
			t.Errorf("%s; want %s", got, tt.want)
		}
	}
	long := appError("a", strings.Repeat("x", 500), 5)
	if got := newComposer(t).subject(notice("1", long)); utf8.RuneCountInString(got) > maxSubj {
		t.Errorf("%d runes: %s", utf8.RuneCountInString(got), got)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond: "0s", 59 * time.Second: "59s", 138 * time.Second: "2m18s", time.Hour: "1h0m",
		26*time.Hour + 31*time.Minute: "1d3h", 90 * time.Minute: "1h30m",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %s; want %s", d, got, want)
		}
	}
}
