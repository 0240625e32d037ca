package email

import (
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
)

// incident is an alert with all that there can be to say of one.
func incident() agent.Alert {
	a := appError("i", "app", 37)
	line := func(minute, second int, context bool, text string) agent.Line {
		return agent.Line{Time: clock(minute, second), Source: a.Source, Text: text, Context: context}
	}
	a.First = []agent.Line{
		line(12, 41, true, "[2025-01-09 01:12:41] production.INFO: order 4711 paid"),
		line(12, 43, true, "[2025-01-09 01:12:43] production.WARNING: the connection to db is slow (1204 ms)"),
		line(12, 44, false, "[2025-01-09 01:12:44] production.ERROR: SQLSTATE[HY000] [2002] Connection refused (SQL: select * from `carts` where `id` = 42)"),
		line(12, 44, true, "#0 /app/vendor/laravel/framework/Connection.php(742)"),
		line(12, 45, true, "#1 /app/app/Http/Controllers/CartController.php(28)"),
	}
	a.Latest = []agent.Line{
		line(15, 1, true, "[2025-01-09 01:15:01] production.INFO: retry 3 of 3"),
		line(15, 2, false, "[2025-01-09 01:15:02] production.ERROR: can't write the session: the server has gone away"),
	}
	a.Shapes = []agent.Shape{
		{Text: "production.ERROR: SQLSTATE[HY000] [<n>] Connection refused (SQL: select * from `carts` where `id` = <n>)", Count: 31},
		{Text: "production.ERROR: can't write the session: the server has gone away", Count: 5},
		{Text: "(other)", Count: 1},
	}
	a.Timeline = &agent.Timeline{Start: clock(12, 40), Step: 10 * time.Second, Counts: []uint64{1, 2, 4, 9, 7, 5, 0, 0, 1, 3, 2, 1, 0, 1, 1}}
	a.Around = []agent.Fact{
		{Name: "slowest statement", Value: "SELECT … FROM `carts`, 2.3 s in the mean (db)"},
		{Name: "CPU of shop-db-1", Value: "198 %"},
		{Name: "https://shop.example/checkout", Value: "5.0 s, of these 4.9 s until the first byte"},
	}
	return a
}

// pageSlow is an alert on a sample with a limit.
func pageSlow() agent.Alert {
	a := redisDown()
	a.ID, a.Rule.Name, a.Rule.Severity, a.Rule.Summary = "slow", "PageSlow", "warning", "the page takes long"
	a.Rule.Class, a.Source, a.Labels = "slow", "shop", []agent.Label{{Name: "target", Value: "shop"}}
	a.Condition, a.Value = "probe_duration_seconds > 1.5 for 3m", 2.3456789
	a.Around = []agent.Fact{{Name: "CPU of shop-app-1", Value: "97 %"}}
	return a
}

// quiet is an alert for a digest.
func quiet(rule, class, container string, count uint64, line string) agent.Alert {
	a := appError(rule+container, container, count)
	a.Rule.Name, a.Rule.Class, a.Rule.Severity = rule, class, "info"
	a.First, a.Latest = []agent.Line{{Time: a.Starts, Source: a.Source, Text: line}}, nil
	return a
}

// hostileText is what somebody may log who wishes nobody well.
const hostileText = "\x1b[31m</td><script>alert(1)</script>\r\nBcc: x@example.com\r\n\r\n.\r\n\u202e\u2066\u200b\ufeff\x00\xff\xc3( ';$(touch /tmp/x)`id`\"!! 👍"

// hostileFields is an alert that is hostile in what hostile is not.
func hostileFields() agent.Alert {
	a := incident()
	a.Source = "app" + hostileText
	a.Inhibited, a.Condition, a.Value = "Down"+hostileText, "probe_duration_seconds"+hostileText+" > 1 for 3m", 5
	a.Key = []agent.Label{{Name: "k" + hostileText, Value: hostileText}}
	a.Labels = append(a.Labels, agent.Label{Name: hostileText, Value: hostileText}, agent.Label{Name: "path", Value: "a b;c"})
	a.Shapes = []agent.Shape{{Text: hostileText, Count: 1 << 63}, {Text: strings.Repeat("long", 1<<18), Count: 1 << 63}}
	a.Around = []agent.Fact{{Name: hostileText, Value: hostileText}, {Name: strings.Repeat("n", 1<<20), Value: strings.Repeat("\xff", 1<<20)}}
	a.Timeline.Counts = append(make([]uint64, 200), 1<<63, 1<<63, 1<<63)
	a.First = []agent.Line{
		{Time: a.Starts, Source: a.Source, Text: "before" + hostileText, Context: true},
		{Time: a.Starts, Source: a.Source, Text: "-" + hostileText},
		{Time: a.Starts, Source: "x" + hostileText, Text: strings.Repeat("\x1b", 1<<20), Context: true},
	}
	a.Latest = nil
	return a
}

// richNotices are those of the newer kinds and fields.
func richNotices() map[string]*notify.Notice {
	explained := ended(incident(), time.Time{}, "")
	explained.ID, explained.Inhibited, explained.Rule.Name = "e", "RedisDown", "SlowRequests"
	explained.First, explained.Latest, explained.Shapes, explained.Timeline, explained.Around = explained.First[:3], nil, nil, nil, nil
	return map[string]*notify.Notice{
		"incident":  {ID: "8", Thread: "8", Group: []agent.Label{{Name: "rule", Value: "ApplicationError"}}, Alerts: []agent.Alert{incident()}},
		"measured":  {ID: "9", Thread: "9", Alerts: []agent.Alert{pageSlow()}},
		"inhibited": {ID: "10", Thread: "10", Kind: notify.Update, Previous: clock(13, 0), Alerts: []agent.Alert{redisDown(), explained}},
		"digest": {ID: "11", Thread: "11", Kind: notify.Digest, More: 2, MoreFindings: 9, Alerts: []agent.Alert{
			quiet("Deprecated", "error", "app", 2000, "PHP Deprecated: strlen(): passing null in /app/a.php on line 12"),
			quiet("LoginFailed", "security", "app", 12, "login of root failed from 192.0.2.7"),
			quiet("Deprecated", "error", "worker", 31, "PHP Deprecated: utf8_encode() in /app/b.php on line 3"),
			func() agent.Alert { a := pageSlow(); a.Rule.Severity = "info"; return a }(),
		}},
		"held": {ID: "12", Thread: "12", Kind: notify.HeldBack, Alerts: []agent.Alert{incident()}, More: 29, MoreFindings: 4086, Held: &notify.Held{
			Cap: 10, Within: time.Hour, Until: clock(50, 0), Groups: 14, Alerts: 30, Findings: 4123,
		}},
		"fields": {ID: "13", Thread: "13", Alerts: []agent.Alert{hostileFields()}},
	}
}
