package postgres

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// maxSeries bounds a snapshot: a server has some 350 settings and statistics,
// a database has 60 and a statement has 8.
const maxSeries = 500 + 60*(maxDatabases+2) + 2*maxStatements*8

// A page is one snapshot. It has each series once: of two, the values are added,
// or the greater one counts.
type page struct {
	samples []agent.Sample
	at      map[string]int
	texts   map[string]string // of statements, by queryid
	hidden  bool              // the user may not see what others do
	dropped int               // series beyond maxSeries
}

func newPage() *page { return &page{at: map[string]int{}} }

func (p *page) add(s agent.Sample, twice func(a, b float64) float64) {
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return
	}
	var key strings.Builder
	key.WriteString(s.Name)
	for _, l := range s.Labels {
		key.WriteByte(0)
		key.WriteString(l.Value)
	}
	if i, ok := p.at[key.String()]; ok {
		p.samples[i].Value = twice(p.samples[i].Value, s.Value)
		return
	}
	if len(p.samples) >= maxSeries {
		p.dropped++
		return
	}
	p.at[key.String()] = len(p.samples)
	p.samples = append(p.samples, s)
}

func sum(a, b float64) float64 { return a + b }

func (p *page) gauge(name, help string, value float64, labels ...agent.Label) {
	p.add(agent.Sample{Name: name, Help: help, Value: value, Labels: labels}, sum)
}

// most is a gauge of which the greatest counts.
func (p *page) most(name, help string, value float64, labels ...agent.Label) {
	p.add(agent.Sample{Name: name, Help: help, Value: value, Labels: labels}, math.Max)
}

func (p *page) counter(name, help string, value float64, labels ...agent.Label) {
	p.add(agent.Sample{Name: name, Help: help, Type: agent.Counter, Value: value, Labels: labels}, sum)
}

// end says what could not be told in full.
func (p *page) end() error {
	if p.dropped > 0 {
		return fmt.Errorf("%d series are left out, for a snapshot has %d at most", p.dropped, maxSeries)
	}
	return nil
}

// number reads a number or a boolean as the server writes it.
func number(text string) (v float64, ok bool) {
	switch text {
	case "t", "on":
		return 1, true
	case "f", "off":
		return 0, true
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// label is text of the server's as the value of a label: a database in SQL_ASCII
// may hold anything.
func label(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// records are the numbers of the server as a whole, those of each database, and
// those of each statement, with its text.
func (p *page) records(yield func([]agent.Field)) {
	var order []string
	groups := map[string][]agent.Field{}
	for i := range p.samples {
		s := &p.samples[i]
		if leftOut(s.Name) {
			continue
		}
		var of []agent.Field
		var key strings.Builder
		for _, l := range s.Labels {
			if l.Name == "datid" { // some have it beside the name, and some have not
				continue
			}
			of = append(of, agent.Field{Name: l.Name, Value: l.Value})
			key.WriteString(l.Name + "\x00" + l.Value + "\x00")
		}
		k := key.String()
		if _, ok := groups[k]; !ok {
			order = append(order, k)
			if text, ok := p.texts[queryID(s.Labels)]; ok {
				of = append(of, agent.Field{Name: "query", Value: text})
			}
			groups[k] = of
		}
		groups[k] = append(groups[k], agent.Field{Name: s.Name, Value: s.Value})
	}
	for _, k := range order {
		yield(groups[k])
	}
}

// leftOut are series that would be a record each, and settings.
func leftOut(name string) bool {
	for _, prefix := range []string{"pg_settings_", "pg_locks_", "pg_stat_activity_", "pg_stat_statements_query_id"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func queryID(labels []agent.Label) string {
	for _, l := range labels {
		if l.Name == "queryid" {
			return l.Value
		}
	}
	return ""
}
