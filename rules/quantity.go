package rules

import (
	"math"
	"strconv"
	"strings"
)

// maxNumber bounds the length of what is read as a number, in bytes.
const maxNumber = 100

// A unit says what a number is of.
type unit uint8

const (
	noUnit    unit = iota
	inSeconds      // written with ns, us, ms, s, m, h or d
	inBytes        // written, written with B, KB, KiB and so on
)

// parseQuantity reads a number, which may have a unit after it: -3, 1.5e3,
// 250ms, 1m30s, 10 MB. With a unit v is in seconds or in bytes. It is finite.
func parseQuantity(s string) (v float64, u unit, ok bool) {
	sign := 1.0
	switch {
	case strings.HasPrefix(s, "-"):
		s, sign = s[1:], -1
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	first, rest, ok := cutNumber(s)
	if !ok {
		return 0, noUnit, false
	}
	if rest == "" {
		return sign * first, noUnit, true
	}
	if factor := sizeUnit(strings.TrimLeft(rest, " ")); factor > 0 {
		v = sign * first * factor
		return v, inBytes, !math.IsInf(v, 0)
	}
	for s != "" {
		var n float64
		if n, s, ok = cutNumber(s); !ok {
			return 0, noUnit, false
		}
		s = strings.TrimLeft(s, " ")
		name := s[:lettersIn(s)]
		factor := timeUnit(name)
		if factor == 0 {
			return 0, noUnit, false
		}
		v += n * factor
		s = s[len(name):]
	}
	v *= sign
	return v, inSeconds, !math.IsInf(v, 0)
}

// cutNumber reads the number at the start of s: no sign, no hexadecimal digits,
// no names as inf.
func cutNumber(s string) (v float64, rest string, ok bool) {
	n := 0
	digits := func() {
		for n < len(s) && '0' <= s[n] && s[n] <= '9' {
			n++
		}
	}
	digits()
	if n < len(s) && s[n] == '.' {
		n++
		digits()
	}
	if mantissa := n; n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		n++
		if n < len(s) && (s[n] == '-' || s[n] == '+') {
			n++
		}
		first := n
		if digits(); n == first {
			n = mantissa
		}
	}
	v, err := strconv.ParseFloat(s[:n], 64)
	return v, s[n:], err == nil
}

func lettersIn(s string) int {
	for i, r := range s {
		if '0' <= r && r <= '9' || r == '.' || r == ' ' {
			return i
		}
	}
	return len(s)
}

// timeUnit is the unit's length in seconds, or 0.
func timeUnit(name string) float64 {
	switch name {
	case "ns":
		return 1e-9
	case "us", "\u00b5s", "\u03bcs": // both characters that look like µ
		return 1e-6
	case "ms":
		return 1e-3
	case "s":
		return 1
	case "m":
		return 60
	case "h":
		return 60 * 60
	case "d":
		return 24 * 60 * 60
	}
	return 0
}

// sizeUnit is the unit in bytes, or 0.
func sizeUnit(name string) float64 {
	switch name {
	case "B":
		return 1
	case "kB", "KB":
		return 1e3
	case "MB":
		return 1e6
	case "GB":
		return 1e9
	case "TB":
		return 1e12
	case "KiB":
		return 1 << 10
	case "MiB":
		return 1 << 20
	case "GiB":
		return 1 << 30
	case "TiB":
		return 1 << 40
	}
	return 0
}
