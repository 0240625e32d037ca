package report

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// count is 1,234,567.
func count(v float64) string {
	if v < 0 || v >= 1<<63 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	s := strconv.FormatUint(uint64(math.Round(v)), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// of is a number with its noun.
func of(v float64, noun string) string {
	if math.Round(v) != 1 {
		noun += "s"
	}
	return count(v) + " " + noun
}

// span is a length of time in its two largest units.
func span(d time.Duration) string {
	d = d.Round(time.Minute)
	days, hours, minutes := int(d/(24*time.Hour)), int(d%(24*time.Hour)/time.Hour), int(d%time.Hour/time.Minute)
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case days > 0:
		return fmt.Sprintf("%d d", days)
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%d h", hours)
	}
	return fmt.Sprintf("%d min", minutes)
}

// seconds is how long a request takes.
func seconds(v float64) string {
	switch {
	case v >= 120:
		return span(time.Duration(v * float64(time.Second)))
	case v >= 1:
		return strconv.FormatFloat(v, 'f', 1, 64) + " s"
	case v >= 0.001:
		return strconv.FormatFloat(v*1000, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(v*1e6, 'f', 0, 64) + " µs"
}

func size(v float64) string {
	for _, u := range []struct {
		name string
		of   float64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if v >= u.of {
			if n := v / u.of; n < 10 {
				return strconv.FormatFloat(n, 'f', 1, 64) + " " + u.name
			}
			return count(v/u.of) + " " + u.name
		}
	}
	return count(v) + " B"
}

// percent of 0.99996 is 99.99 %: it is 100 only where it is all.
func percent(share float64) string {
	v := share * 100
	digits := 0
	if v > 99 && v < 100 {
		v, digits = math.Floor(v*100)/100, 2
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " %"
}

// change says what became of before, where there was a period to compare with.
func change(now, before float64, show func(float64) string) string {
	switch {
	case now == before:
		return "as before"
	case before == 0:
		return "▲ was " + show(0)
	case now > before && now/before >= 3:
		return "▲ was " + show(before)
	}
	arrow := "▲"
	if now < before {
		arrow = "▼"
	}
	p := math.Round(math.Abs(now-before) / before * 100)
	if p == 0 {
		return "as before"
	}
	return fmt.Sprintf("%s %.0f %%, was %s", arrow, p, show(before))
}

// grew reports whether now is that much more that it is worth saying: by a
// fifth, and by least.
func grew(now, before, least float64) bool {
	return now-before >= least && now >= 1.2*before
}
