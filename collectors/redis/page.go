package redis

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// maxSeries bounds the series of one metric: a server has some 250 commands and
// 16 databases.
const maxSeries = 1000

// A page is one snapshot. It has each series once.
type page struct {
	yield func(agent.Sample)
	seen  map[string]struct{}
	count map[string]int // series by metric

	keys    float64         // in all databases
	main    []agent.Field   // the record of the server as a whole
	records [][]agent.Field // further ones

	dropped    int    // series beyond maxSeries
	unreadable int    // fields that should be numbers and are not
	field      string // that is read
	examples   []string
}

func newPage(yield func(agent.Sample)) *page {
	return &page{yield: yield, seen: map[string]struct{}{}, count: map[string]int{}}
}

func (p *page) add(s agent.Sample) {
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		p.unreadable++
		return
	}
	var key strings.Builder
	key.WriteString(s.Name)
	for _, l := range s.Labels {
		key.WriteByte(0)
		key.WriteString(l.Value)
	}
	if _, ok := p.seen[key.String()]; ok {
		return
	}
	if p.count[s.Name] >= maxSeries {
		p.dropped++
		return
	}
	p.seen[key.String()] = struct{}{}
	p.count[s.Name]++
	if len(s.Labels) == 0 && mainNumbers[s.Name] {
		p.main = append(p.main, agent.Field{Name: s.Name, Value: s.Value})
	}
	if s.Name == "redis_db_keys" {
		p.keys += s.Value
	}
	p.yield(s)
}

func (p *page) record(fields []agent.Field) { p.records = append(p.records, fields) }

func (p *page) gauge(name, help string, value float64, labels ...agent.Label) {
	p.add(agent.Sample{Name: name, Help: help, Value: value, Labels: labels})
}

func (p *page) counter(name, help string, value float64, labels ...agent.Label) {
	p.add(agent.Sample{Name: name, Help: help, Type: agent.Counter, Value: value, Labels: labels})
}

// number reads a value, and notes one that is none.
func (p *page) number(text string) (float64, bool) {
	switch text {
	case "ok", "true":
		return 1, true
	case "err", "fail", "false":
		return 0, true
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		if p.unreadable++; len(p.examples) < 5 {
			p.examples = append(p.examples, short(p.field+":"+text))
		}
		return 0, false
	}
	return v, true
}

// end says what could not be told in full.
func (p *page) end() error {
	examples := strings.Join(p.examples, " ")
	if examples != "" {
		p.main = append(p.main, agent.Field{Name: "unreadable", Value: examples})
	}
	p.add(agent.Sample{Name: "logkeel_redis_info_unreadable", Help: "Fields of INFO that should be numbers and are not.", Value: float64(p.unreadable), Note: examples})
	if p.dropped > 0 {
		return fmt.Errorf("INFO: %d series are left out, for one metric has %d at most", p.dropped, maxSeries)
	}
	return nil
}
