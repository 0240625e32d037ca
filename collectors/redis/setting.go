package redis

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// sameSetting reports whether two values of a setting mean the same: 256mb is
// 268435456, "900 1  300 10" is "300 10 900 1" where points to save are meant.
func sameSetting(name, want, have string) bool {
	if caseMatters(name) {
		return strings.TrimSpace(want) == strings.TrimSpace(have)
	}
	if name == "notify-keyspace-events" { // letters, in any order
		w, h := []byte(strings.TrimSpace(want)), []byte(strings.TrimSpace(have))
		slices.Sort(w)
		slices.Sort(h)
		return string(w) == string(h)
	}
	w, h := settingWords(want), settingWords(have)
	switch name {
	case "save":
		w, h = groups(w, 2), groups(h, 2)
	case "client-output-buffer-limit": // one class may be set by itself
		w, h = groups(w, 4), groups(h, 4)
		h = slices.DeleteFunc(h, func(class string) bool {
			return len(w) > 0 && !slices.ContainsFunc(w, func(s string) bool {
				kind, _, _ := strings.Cut(s, " ")
				return strings.HasPrefix(class, kind+" ")
			})
		})
	}
	return slices.Equal(w, h)
}

// caseMatters are the settings that are paths.
func caseMatters(name string) bool {
	return strings.Contains(name, "file") || strings.Contains(name, "dir") || name == "unixsocket"
}

func settingWords(value string) []string {
	words := strings.Fields(strings.ToLower(value))
	for i, w := range words {
		switch w {
		case "true", "on":
			w = "yes"
		case "false", "off":
			w = "no"
		case "replica":
			w = "slave"
		case `""`, "''":
			w = ""
		}
		if n, ok := settingSize(w); ok {
			w = strconv.FormatInt(n, 10)
		}
		words[i] = w
	}
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}

// settingSize reads a number as Redis does: 1k is 1000 bytes, 1kb is 1024.
func settingSize(s string) (int64, bool) {
	digits := strings.TrimRight(s, "bikmg")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, false
	}
	factor := int64(0)
	switch s[len(digits):] {
	case "", "b":
		factor = 1
	case "k":
		factor = 1e3
	case "kb", "kib":
		factor = 1 << 10
	case "m":
		factor = 1e6
	case "mb", "mib":
		factor = 1 << 20
	case "g":
		factor = 1e9
	case "gb", "gib":
		factor = 1 << 30
	}
	if factor == 0 || n > math.MaxInt64/factor || n < math.MinInt64/factor {
		return 0, false
	}
	return n * factor, true
}

// groups joins each n words, and sorts what it gets.
func groups(words []string, n int) []string {
	var all []string
	for g := range slices.Chunk(words, n) {
		all = append(all, strings.Join(g, " "))
	}
	slices.Sort(all)
	return all
}
