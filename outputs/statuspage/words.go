package statuspage

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/printable"
)

// count is 1,234,567; of what is not whole, the first digits.
func count(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) >= 1e15:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case v != math.Trunc(v) && math.Abs(v) < 100:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	s, sign := strconv.FormatInt(int64(math.Round(math.Abs(v))), 10), ""
	if v < 0 {
		sign = "-"
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// brief is a count in few signs, for an axis.
func brief(v float64) string {
	for _, u := range []struct {
		name string
		of   float64
	}{{"G", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if v >= 10*u.of {
			return strconv.FormatFloat(v/u.of, 'f', 0, 64) + u.name
		} else if v >= u.of {
			return strconv.FormatFloat(v/u.of, 'f', 1, 64) + u.name
		}
	}
	return count(v)
}

// of is a number with its noun.
func of(v int, noun string) string {
	if v != 1 {
		noun += "s"
	}
	return count(float64(v)) + " " + noun
}

// seconds is how long a request takes, or something goes on.
func seconds(v float64) string {
	f := func(v float64, digits int, unit string) string {
		return strconv.FormatFloat(v, 'f', digits, 64) + " " + unit
	}
	switch a := math.Abs(v); {
	case a >= 60:
		return span(time.Duration(max(-1e9, min(v, 1e9)) * float64(time.Second)))
	case a >= 10:
		return f(v, 0, "s")
	case a >= 1:
		return f(v, 1, "s")
	case a >= 0.01:
		return f(v*1000, 0, "ms")
	case a >= 0.0001:
		return f(v*1000, 1, "ms")
	case v == 0:
		return "0 s"
	}
	return f(v*1e6, 0, "µs")
}

// span is a length of time in its two largest units.
func span(d time.Duration) string {
	if d < 0 {
		return "-" + span(-max(d, -math.MaxInt64))
	}
	two := func(d, large, small time.Duration, name, part string) string {
		d = d.Round(small)
		s := strconv.Itoa(int(d/large)) + " " + name
		if rest := int(d % large / small); rest > 0 {
			s += " " + strconv.Itoa(rest) + " " + part
		}
		return s
	}
	switch {
	case d >= 24*time.Hour:
		return two(d, 24*time.Hour, time.Hour, "d", "h")
	case d >= time.Hour:
		return two(d, time.Hour, time.Minute, "h", "min")
	case d >= time.Minute:
		return two(d, time.Minute, time.Second, "min", "s")
	}
	return strconv.Itoa(int(d.Round(time.Second)/time.Second)) + " s"
}

func size(v float64) string {
	for _, u := range []struct {
		name string
		of   float64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if v >= u.of {
			digits := 0
			if v < 10*u.of {
				digits = 1
			}
			return strconv.FormatFloat(v/u.of, 'f', digits, 64) + " " + u.name
		}
	}
	return count(v) + " B"
}

func percent(share float64) string {
	digits := 0
	if v := math.Abs(share); v >= 0.0005 && v < 0.1 {
		digits = 1
	}
	return strconv.FormatFloat(share*100, 'f', digits, 64) + " %"
}

// text is untrusted text that is safe to show, cut at most runes.
func text(s string, most int) string {
	cut := len(s) > 4*most // most of what is far too long need not be looked at
	if cut {
		s = s[:4*most]
		for !utf8.ValidString(s) && len(s) > 4*most-utf8.UTFMax {
			s = s[:len(s)-1]
		}
	}
	s = printable.Line(s)
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	if cut {
		s += "…"
	}
	return s
}

// name is what something is called.
func name(s string) string { return text(s, 80) }
