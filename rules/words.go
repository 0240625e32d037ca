package rules

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// wordsBytes bounds what a Fact says, and its name.
const wordsBytes = 200

// inTime writes seconds for people: 1.2 s, 340 ms.
func inTime(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0 s"
	case a < 0.9995e-3:
		return fmt.Sprintf("%.0f µs", v*1e6)
	case a < 9.95e-3:
		return fmt.Sprintf("%.1f ms", v*1e3)
	case a < 0.9995:
		return fmt.Sprintf("%.0f ms", v*1e3)
	case a < 9.95:
		return fmt.Sprintf("%.1f s", v)
	case a < 7200:
		return fmt.Sprintf("%.0f s", v)
	}
	return fmt.Sprintf("%.1f h", v/3600)
}

// inSize writes bytes for people: 340 MiB.
func inSize(v float64) string {
	unit := "B"
	for _, u := range [...]string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if math.Abs(v) < 1023.5 {
			break
		}
		v, unit = v/1024, u
	}
	if math.Abs(v) < 9.95 && v != math.Trunc(v) {
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}

// inParts writes how much of what there may be is used; most is 0 where there is
// no bound.
func inParts(v, most float64, words func(float64) string) string {
	if most <= 0 {
		return words(v)
	}
	return words(v) + " of " + words(most)
}

func inNumber(v float64) string { return formatNumber(math.Round(v)) }

// times is "once", or how often.
func timesOf(v float64) string {
	if v == 1 {
		return "once"
	}
	return inNumber(v) + " times"
}

// bounded is the start of a text that others wrote, in one line.
func bounded(s string, most int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\ufffd")), " ")
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
