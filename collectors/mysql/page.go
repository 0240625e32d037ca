package mysql

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// maxSeries bounds a snapshot: a server has some 1,200 status and variables, and
// a statement has 16 series.
const maxSeries = 5000 + 2*maxStatements*16

// A page is one snapshot. It has each series once.
type page struct {
	yield   func(agent.Sample)
	seen    map[string]struct{}
	limit   int
	dropped int // series beyond it
	records recording
}

func newPage(yield func(agent.Sample)) *page {
	return &page{yield: yield, seen: map[string]struct{}{}, limit: maxSeries}
}

func (p *page) add(s agent.Sample) {
	var key strings.Builder
	key.WriteString(s.Name)
	for _, l := range s.Labels {
		key.WriteByte(0)
		key.WriteString(l.Value)
	}
	if _, ok := p.seen[key.String()]; ok {
		return
	}
	if len(p.seen) >= p.limit {
		p.dropped++
		return
	}
	p.seen[key.String()] = struct{}{}
	p.records.add(s)
	p.yield(s)
}

func (p *page) gauge(name, help string, value float64, labels ...agent.Label) {
	p.add(agent.Sample{Name: name, Help: help, Value: value, Labels: labels})
}

func (p *page) counter(name, help string, value float64, labels ...agent.Label) {
	p.add(agent.Sample{Name: name, Help: help, Type: agent.Counter, Value: value, Labels: labels})
}

// end says what could not be told in full.
func (p *page) end() error {
	if p.dropped > 0 {
		return fmt.Errorf("%d series are left out, for a snapshot has %d at most", p.dropped, p.limit)
	}
	return nil
}

// value reads a value as mysqld_exporter does: ON is 1, a date its Unix time. ok
// is false for text that is neither.
func value(text string) (v float64, ok bool) {
	switch strings.ToLower(text) {
	case "yes", "on", "primary":
		return 1, true
	case "no", "off", "disabled", "connecting", "non-primary", "disconnected":
		return 0, true
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	if !strings.Contains(text, ":") {
		return 0, false // most texts: what cannot be parsed is an error with a copy of it
	}
	for _, form := range []string{"Jan _2 15:04:05 2006 MST", time.DateTime} {
		if t, err := time.Parse(form, text); err == nil {
			return float64(t.Unix()), true
		}
	}
	return 0, false
}

// metricName makes a part of a metric's name of a variable's.
func metricName(variable string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '_'
	}, variable)
}
