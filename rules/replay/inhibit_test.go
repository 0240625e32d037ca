package replay

import (
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/notify"
	"github.com/webgrip/logkeel/rules"
)

// toldRules gives the notices with the rules of what they have of news.
func toldRules(d *diary, o *Options) {
	o.Began, o.Ended = nil, nil
	o.Told = func(_ int, at time.Time, n *notify.Notice) {
		names := ""
		for i := range n.Alerts {
			names += " " + n.Alerts[i].Rule.Name
		}
		d.note(at, "%v%s", n.Kind, names)
	}
}

// TestDatabaseDown: statements that are slow while the database goes down are
// told of once that is over, and not before; whichever comes first.
func TestDatabaseDown(t *testing.T) {
	set, err := rules.Load(rules.Config{Packs: []string{"samples"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	const m = time.Minute
	for _, c := range []struct {
		name           string
		downAt, upAt   time.Duration
		slowAt, fastAt time.Duration
		slowTarget     string
		want           []string
	}{
		{"down first", 0, 20 * m, 5 * m, 15 * m, "main", []string{"1m1s firing DatabaseDown", "20m31s resolved DatabaseDown"}},
		{"slow first", 3 * m, 20 * m, 0, 15 * m, "main", []string{"4m1s firing DatabaseDown", "20m31s resolved DatabaseDown"}},
		{"slow first, and told", 10 * m, 20 * m, 0, 15 * m, "main", []string{"3m31s firing SlowStatements", "11m1s firing DatabaseDown", "15m31s resolved SlowStatements", "20m31s resolved DatabaseDown"}},
		{"slow for longer", 0, 10 * m, 5 * m, 20 * m, "main", []string{"1m1s firing DatabaseDown", "10m31s resolved DatabaseDown", "10m31s firing SlowStatements", "20m31s resolved SlowStatements"}},
		{"another database", 0, 20 * m, 5 * m, 15 * m, "other", []string{"1m1s firing DatabaseDown", "8m31s firing SlowStatements", "15m31s resolved SlowStatements", "20m31s resolved DatabaseDown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d diary
			o := d.options(set, defaults())
			toldRules(&d, &o)
			r := must(t, o)
			for at := time.Duration(0); at < 40*m; at += 15 * time.Second {
				up, slow := 1.0, 0.1
				if at >= c.downAt && at < c.upAt {
					up = 0
				}
				if at >= c.slowAt && at < c.fastAt {
					slow = 3
				}
				r.Samples(start.Add(at), "mysql", []agent.Sample{
					{Name: "mysql_up", Value: up, Labels: []agent.Label{{Name: "target", Value: "main"}}},
					{Name: "logkeel_mysql_statement_seconds_recent", Value: slow, Labels: []agent.Label{{Name: "target", Value: c.slowTarget}, {Name: "schema", Value: "shop"}}},
				})
			}
			r.Settle(24 * time.Hour)
			d.check(t, c.want...)
		})
	}
}
