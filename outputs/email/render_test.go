package email

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// clock is some minutes after three in the night, two hours east.
func clock(minute, second int) time.Time {
	return time.Date(2025, 1, 9, 1, minute, second, 0, time.UTC)
}

func newComposer(t testing.TB) *composer {
	t.Helper()
	page, err := parseHTML()
	if err != nil {
		t.Fatal(err)
	}
	return &composer{
		renderer: renderer{prefix: "[logkeel]", host: "web-1", zone: time.FixedZone("", 2*60*60)},
		name:     "ops", page: page,
		from: &mail.Address{Name: "logkeel", Address: "logkeel@shop.example"},
		to:   []*mail.Address{{Address: "ops@shop.example"}, {Name: "On Call", Address: "oncall@shop.example"}},
	}
}

// appError is an alert of a log.
func appError(id, container string, count uint64) agent.Alert {
	source := "shop-" + container + "-1"
	return agent.Alert{
		ID: id,
		Rule: agent.Rule{
			Name: "ApplicationError", Group: "operations", Class: "error", Severity: "critical",
			Summary: "the application logged an error",
			Runbook: "See what came before it: docker compose logs --since 15m SERVICE\nIs everything up: docker compose ps\n",
			File:    "pack:operations", Line: 7,
		},
		Key:    []agent.Label{{Name: "container", Value: source}},
		Labels: []agent.Label{{Name: "project", Value: "shop"}, {Name: "service", Value: container}, {Name: "container", Value: source}},
		Source: source,
		Starts: clock(12, 44), Last: clock(15, 2), Seen: clock(12, 45), Count: count,
		First: []agent.Line{
			{Time: clock(12, 44), Source: source, Text: "[2025-01-09 01:12:44] production.ERROR: SQLSTATE[HY000] [2002] Connection refused (SQL: select * from `carts` where `id` = 42)"},
			{Time: clock(12, 45), Source: source, Text: "#0 /app/vendor/laravel/framework/Connection.php(742)"},
		},
		Latest: []agent.Line{{Time: clock(15, 2), Source: source, Text: "[2025-01-09 01:15:02] production.ERROR: the 37th"}},
	}
}

func redisDown() agent.Alert {
	return agent.Alert{
		ID:     "redis",
		Rule:   agent.Rule{Name: "RedisDown", Class: "availability", Severity: "critical", Summary: "Redis does not answer", File: "/etc/logkeel/rules/redis.yaml", Line: 12},
		Labels: []agent.Label{{Name: "instance", Value: "cache:6379"}, {Name: "note", Value: "two words"}},
		Source: "cache:6379",
		Starts: clock(20, 0), Last: clock(21, 15), Seen: clock(20, 0),
		Condition: "redis_up == 0 for 1m",
	}
}

func ended(a agent.Alert, at time.Time, why string) agent.Alert {
	a.Ended, a.End = at, why
	return a
}

func hostile() agent.Alert {
	a := appError("h", "app", 3)
	a.Source = "evil\r\nBcc: everyone@example.com\x1b]0;title\a"
	a.Rule.Name = "Rule=?utf-8?q?=0D=0ABcc:x?="
	a.Rule.Summary = "<b>bold</b>\r\n.\r\nQUIT"
	a.Rule.Runbook = "<a href=\"https://evil.example\">fix</a>\n\u202eexe.txt"
	a.Labels = []agent.Label{{Name: "x", Value: "<script>alert(1)</script>"}, {Name: "y", Value: "a\nb"}}
	a.First = []agent.Line{
		{Time: clock(12, 44), Source: a.Source, Text: "\x1b[31mred\x1b[0m \x00 \x7f \u009b2J"},
		{Time: clock(12, 44), Source: a.Source, Text: "bidi \u202e\u2066\u2069\u200e\u200f\u061c zero\u200bwidth \ufeff \u2028 end"},
		{Time: clock(12, 44), Source: a.Source, Text: "not UTF-8: \xff\xfe\xc3("},
		{Time: clock(12, 44), Source: a.Source, Text: "</pre></div><img src=http://evil.example/x.png onerror=alert(1)>"},
		{Time: clock(12, 44), Source: "other.log", Text: "."},
		{Time: clock(12, 44), Source: a.Source, Text: "\r\n--boundary\r\nContent-Type: text/html"},
		{Time: clock(12, 44), Source: a.Source, Text: strings.Repeat("long ", 400)},
	}
	a.Latest = []agent.Line{{Time: clock(12, 44), Source: a.Source, Text: "héllo, 世界 — שלום 👍"}}
	return a
}

func lateAlert(id string, minute int) agent.Alert {
	a := ended(appError(id, id, 12), clock(minute+5, 0), "")
	a.Late, a.Starts, a.Last, a.Seen = true, clock(minute, 0), clock(minute+4, 0), clock(minute, 0).Add(9*time.Hour)
	return a
}

func notices() map[string]*notify.Notice {
	reminder := &notify.Notice{ID: "r", Thread: "t", Kind: notify.Update, Reminder: true, Previous: clock(13, 0), Alerts: []agent.Alert{appError("a", "app", 2000)}}
	all := map[string]*notify.Notice{
		"single": {
			ID: "1", Thread: "1", Group: []agent.Label{{Name: "rule", Value: "ApplicationError"}},
			Alerts: []agent.Alert{appError("a", "app", 37)},
		},
		"several": {
			ID: "2", Thread: "1", Kind: notify.Update, Previous: clock(13, 14), Group: []agent.Label{{Name: "rule", Value: "ApplicationError"}},
			Alerts: []agent.Alert{
				appError("a", "app", 37),
				func() agent.Alert { a := appError("b", "worker", 5); a.Seen = clock(14, 0); return a }(),
				ended(appError("c", "cron", 1), clock(15, 0), "its log is gone"),
			},
			More: 12, MoreFindings: 340,
		},
		"sample":   {ID: "3", Thread: "3", Alerts: []agent.Alert{redisDown()}},
		"resolved": {ID: "4", Thread: "1", Kind: notify.Resolved, Previous: clock(15, 0), Alerts: []agent.Alert{ended(appError("a", "app", 37), clock(30, 2), "")}},
		"over":     {ID: "5", Thread: "5", Kind: notify.Resolved, Alerts: []agent.Alert{ended(redisDown(), clock(22, 0), "")}},
		"reminder": reminder,
		"late":     {ID: "6", Thread: "6", Late: true, Kind: notify.Resolved, Alerts: []agent.Alert{lateAlert("app", 12), lateAlert("worker", 20)}, More: 3, MoreFindings: 8},
		"hostile":  {ID: "7\r\n", Thread: "7\r\n", Alerts: []agent.Alert{hostile()}, Group: []agent.Label{{Name: "x", Value: "\x1b<i>"}}},
	}
	maps.Copy(all, richNotices())
	return all
}

// A parsed mail is what a mail reader makes of one.
type parsed struct {
	header     mail.Header
	subject    string
	text, html string
}

// parse reads a mail and fails the test where it is not a sound one of ours.
func parse(t testing.TB, data []byte) parsed {
	t.Helper()
	for i, line := range bytes.Split(data, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("line %d is not fit for the wire: %.100q", i+1, line)
		}
	}
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	p := parsed{header: m.Header}
	if p.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("Content-Type %s, %v", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for _, part := range []struct {
		kind string
		into *string
	}{{"text/plain; charset=UTF-8", &p.text}, {"text/html; charset=UTF-8", &p.html}} {
		raw, err := r.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if got := raw.Header.Get("Content-Type"); got != part.kind {
			t.Fatalf("a part of %s; want %s", got, part.kind)
		}
		if enc := raw.Header.Get("Content-Transfer-Encoding"); enc != "quoted-printable" {
			t.Fatalf("a part in %s", enc)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		*part.into = strings.ReplaceAll(string(b), "\r\n", "\n")
	}
	if _, err := r.NextRawPart(); err != io.EOF {
		t.Fatalf("a third part, %v", err)
	}
	return p
}

func composed(t testing.TB, n *notify.Notice) parsed {
	t.Helper()
	m, err := newComposer(t).compose(n, clock(59, 0))
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, m.data)
}

// TestGolden compares what mail readers show with testdata.
func TestGolden(t *testing.T) {
	for name, n := range notices() {
		p := composed(t, n)
		var heads strings.Builder
		for _, h := range []string{"From", "To", "Date", "Message-Id", "In-Reply-To", "References", "List-Id", "Auto-Submitted"} {
			fmt.Fprintf(&heads, "%s: %s\n", h, p.header.Get(h))
		}
		fmt.Fprintf(&heads, "Subject: %s\n\n", p.subject)
		golden(t, name+".txt", heads.String()+p.text)
		golden(t, name+".html", p.html)
		inert(t, name, p)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is rendered now; look at the difference and write it with -update. Rendered:\n%s", name, got)
	}
}

// inert fails the test where a mail has what could act on who reads it.
func inert(t testing.TB, name string, p parsed) {
	t.Helper()
	for part, text := range map[string]string{"subject": p.subject, "text": strings.ReplaceAll(p.text, "\n", ""), "html": strings.ReplaceAll(p.html, "\n", "")} {
		if !utf8.ValidString(text) {
			t.Errorf("%s: the %s is not UTF-8: %q", name, part, text)
		}
		for _, r := range text {
			if !unicode.IsPrint(r) {
				t.Errorf("%s: %U in the %s", name, r, part)
			}
		}
	}
	// The template has none of these, and what is shown cannot add any tag.
	for _, tag := range []string{"<script", "<img", "<a ", "<b>", "<i>", "ZgotmplZ"} {
		if strings.Contains(p.html, tag) {
			t.Errorf("%s: the page has %s", name, tag)
		}
	}
	for h := range p.header {
		switch h {
		case "From", "To", "Date", "Subject", "Message-Id", "In-Reply-To", "References", "List-Id", "Auto-Submitted",
			"X-Auto-Response-Suppress", "Mime-Version", "Content-Type":
		default:
			t.Errorf("%s: a header %s", name, h)
		}
	}
}

// What the agent does not see any more is not said to be well again.
func TestAnEndThatNobodySawIsNotCalledResolved(t *testing.T) {
	gone := ended(redisDown(), clock(22, 0), "it is no longer measured")
	for name, alerts := range map[string][]agent.Alert{"alone": {gone}, "with others": {ended(redisDown(), clock(22, 0), ""), gone}} {
		p := composed(t, &notify.Notice{ID: "2", Thread: "1", Kind: notify.Resolved, Previous: clock(21, 0), Alerts: alerts})
		if s := p.subject + p.text + p.html; strings.Contains(s, "resolved") || strings.Contains(s, "It is over.") || !strings.Contains(s, "it is no longer measured") {
			t.Errorf("%s: %s\n%s", name, p.subject, p.text)
		}
	}
}
