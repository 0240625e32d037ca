package email

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// measured is the value of an alert on a sample against its limit.
func measured(a *agent.Alert) string {
	unit := unitOf(a.Condition)
	s := quantity(a.Value, unit)
	var limits []string
	words := strings.Fields(a.Condition)
	for i := 1; i+1 < len(words); i++ {
		if words[i] != ">" && words[i] != "<" {
			continue
		}
		if v, err := strconv.ParseFloat(words[i+1], 64); err == nil {
			limits = append(limits, quantity(v, unit))
		}
	}
	if len(limits) > 0 {
		s += " (limit " + strings.Join(limits, " and ") + ")"
	}
	return s
}

// unitOf is the unit of what a condition is about, by the names that Prometheus
// wants metrics to have; "" is none that is known.
func unitOf(condition string) string {
	name, _, _ := strings.Cut(condition, " ")
	rate := strings.HasPrefix(name, "rate(")
	name = strings.TrimPrefix(strings.TrimPrefix(name, "rate("), "delta(")
	name, _, _ = strings.Cut(name, "[")
	for i, parts := 0, strings.Split(name, "_"); i < len(parts); i++ {
		switch parts[i] {
		case "timestamp", "time": // since 1970
			return ""
		case "seconds":
			if rate {
				return "" // seconds a second
			}
			return "s"
		case "bytes":
			if rate {
				return "B/s"
			}
			return "B"
		case "ratio":
			return "%"
		}
	}
	return ""
}

// quantity is a value as people read it.
func quantity(v float64, unit string) string {
	number := func(v float64, digits int) string { return strconv.FormatFloat(v, 'g', digits, 64) }
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return number(v, 3)
	}
	switch unit {
	case "s":
		switch size := math.Abs(v); {
		case size >= 120 && size < 1e9:
			return span(time.Duration(v * float64(time.Second)))
		case size > 0 && size < 0.001:
			return number(v*1e6, 3) + " µs"
		case size > 0 && size < 1:
			return number(v*1e3, 3) + " ms"
		}
		return number(v, 3) + " s"
	case "%":
		return number(v*100, 4) + " %"
	case "B", "B/s":
		for _, p := range [...]string{"", "Ki", "Mi", "Gi", "Ti", "Pi"} {
			if math.Abs(v) < 1024 || p == "Pi" {
				return number(v, 4) + " " + p + unit
			}
			v /= 1024
		}
	}
	return number(v, 6)
}
