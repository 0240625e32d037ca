package rules

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

const (
	// defaultWindow is for how long a rule without one stays firing after its
	// last finding.
	defaultWindow = 5 * time.Minute
	// maxThreshold bounds what is remembered of each key: so many times.
	maxThreshold = 10_000
)

// A policy says when a rule's findings are an alert: threshold of them within
// window, counted apart for each key.
type policy struct {
	threshold int
	spike     float64 // and so many times as many as in the window before; 0: whatever there were
	window    time.Duration
	by        []keyPart       // what makes the key; none: all findings are counted together
	absent    time.Duration   // it is an alert that nothing came for so long; 0: that something did
	named     [][]agent.Label // keys that are waited for also where they never were
	quiet     bool            // findings make no alert
	byLog     bool            // the default: each log, or each series, is counted apart
}

// A keyPart is a label of the source; or, in the record, a named group of the
// rule's expressions or a field.
type keyPart struct {
	name  string
	group bool
}

// A change says which differences from the snapshot before count.
type change uint8

const (
	anyChange change = iota + 1
	upward
	downward
)

// A measure is the condition of a rule on samples: all that is set must hold,
// for as long as hold.
type measure struct {
	sample               string
	above, below, equals *float64
	changed              change // 0: not asked for
	hold                 time.Duration
	rate, delta          time.Duration // compared is the rate, or the difference, over that time; 0: the value

	labels   []string      // one of these has another value than it had
	expected []expectation // one of these does not hold
	absent   time.Duration // the series is missing for so long; 0: not asked for
}

// remembers reports whether it is to be known of what was there before what it was.
func (m *measure) remembers() bool { return len(m.labels) > 0 || m.absent > 0 }

// String is the condition as people read it: "redis_up == 0 for 1m".
func (m *measure) String() string {
	if m.absent > 0 {
		return fmt.Sprintf("no %s for %s", m.sample, conf.Duration(m.absent))
	}
	var parts []string
	limit := func(op string, v *float64) {
		if v != nil {
			parts = append(parts, op+" "+formatNumber(*v))
		}
	}
	limit(">", m.above)
	limit("<", m.below)
	limit("==", m.equals)
	switch m.changed {
	case anyChange:
		parts = append(parts, "changed")
	case upward:
		parts = append(parts, "went up")
	case downward:
		parts = append(parts, "went down")
	}
	name := m.sample
	switch {
	case m.rate > 0:
		name = fmt.Sprintf("rate(%s[%s])", name, conf.Duration(m.rate))
	case m.delta > 0:
		name = fmt.Sprintf("delta(%s[%s])", name, conf.Duration(m.delta))
	}
	said := m.labelsText()
	switch {
	case said == "":
		name += " "
	case len(parts) == 0:
		name += ": " + said
	default:
		parts, name = append(parts, said), name+" "
	}
	return m.held(name + strings.Join(parts, " and "))
}

// held adds for how long it has to be so.
func (m *measure) held(s string) string {
	if m.hold > 0 {
		s += fmt.Sprintf(" for %s", conf.Duration(m.hold))
	}
	return s
}

// holds judges one value; before is that of the snapshot before, where known.
func (m *measure) holds(v, before float64, known bool) bool {
	if m.above != nil && !(v > *m.above) || m.below != nil && !(v < *m.below) || m.equals != nil && v != *m.equals {
		return false
	}
	switch m.changed {
	case anyChange:
		return known && v != before
	case upward:
		return known && v > before
	case downward:
		return known && v < before
	}
	return true
}

// formatNumber writes v without an exponent where that can be read.
func formatNumber(v float64) string {
	if a := math.Abs(v); a >= 1e-6 && a < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
