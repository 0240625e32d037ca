// Package logtime finds the time that a text line says it was written at.
package logtime

import (
	"time"
)

const (
	reach = 100 // bytes of a line in which a time may begin
	near  = 24  // of these, in which it may follow a mere space
	// maxUnix is up to which second a time can be told in nanoseconds.
	maxUnix = 9_000_000_000
)

// A Parser reads the times of lines. It remembers the last minute, for lines come
// in order; it is used by one goroutine.
type Parser struct {
	loc    *time.Location
	newest time.Time // no line is later than a day after
	minute minute
	unix   int64 // of minute
}

// A minute is of a wall clock.
type minute struct{ year, month, day, hour, min int }

// New returns a Parser of lines whose times are in loc where they do not say
// otherwise, and which were written before newest: so the year is worked out
// where a line has none.
func New(loc *time.Location, newest time.Time) *Parser {
	return &Parser{loc: loc, newest: newest.In(loc)}
}

// Find returns the line's time in nanoseconds since 1970. It knows
//
//	2026-01-02T03:04:05.678Z   2026-01-02 03:04:05,678   2026-01-02  3:04:05 (MariaDB)
//	2026/01/02 03:04:05        02/Jan/2026:03:04:05 +0000
//	02-Jan-2026 03:04:05       02 Jan 2026 03:04:05.678 (Redis)
//	Jan  2 03:04:05            Jan 02 03:04:05.678901 2026 (Apache)
//
// with or without a zone, where it begins the line, follows a bracket, a quote or an equals
// sign, or stands after the first few words.
func (p *Parser) Find(line []byte) (ns int64, ok bool) {
	for i := range min(len(line), reach) {
		c := line[i]
		if kinds[c] == 0 || i > 0 && !opens(line[i-1], i) {
			continue
		}
		s := scanner{s: line[i:]}
		switch {
		case kinds[c] == isLetter:
			ok = s.monthFirst()
		case len(s.s) > 4 && kinds[s.s[1]] == isDigit && kinds[s.s[2]] == isDigit:
			ok = s.yearFirst()
		default:
			ok = s.dayFirst()
		}
		if !ok {
			continue
		}
		if ns, ok = p.at(&s); ok {
			return ns, true
		}
	}
	return 0, false
}

// opens says that a time may follow the byte, which stands before i.
func opens(c byte, i int) bool {
	switch c {
	case '[', '(', '"', '\'', '=', '>':
		return true
	case ' ', '\t':
		return i <= near
	}
	return false
}

// Kinds of bytes that a time may begin with.
const (
	isDigit  = 1
	isLetter = 2 // that a month's name begins with
)

var kinds = [256]byte{
	'0': isDigit, '1': isDigit, '2': isDigit, '3': isDigit, '4': isDigit, '5': isDigit, '6': isDigit, '7': isDigit, '8': isDigit, '9': isDigit,
	'J': isLetter, 'F': isLetter, 'M': isLetter, 'A': isLetter, 'S': isLetter, 'O': isLetter, 'N': isLetter, 'D': isLetter,
}

// at is the time that was scanned.
func (p *Parser) at(s *scanner) (ns int64, ok bool) {
	if s.year == 0 {
		if !p.guessYear(s) {
			return 0, false
		}
	} else if !s.valid() {
		return 0, false
	}
	var unix int64
	if s.zoned {
		unix = s.days()*86400 + int64(s.hour*3600+s.min*60) - int64(s.zone)
	} else {
		if s.minute != p.minute {
			p.minute = s.minute
			p.unix = time.Date(s.year, time.Month(s.month), s.day, s.hour, s.min, 0, 0, p.loc).Unix()
		}
		unix = p.unix
	}
	unix += int64(s.sec)
	if unix < 0 || unix >= maxUnix {
		return 0, false
	}
	return unix*1e9 + int64(s.frac), true
}

// guessYear takes the last year in which the date was not later than the newest
// line may be.
func (p *Parser) guessYear(s *scanner) bool {
	last := p.newest.Add(24 * time.Hour)
	for s.year = last.Year(); s.year > last.Year()-9; s.year-- { // 29 February may be eight years ago
		if s.valid() && !time.Date(s.year, time.Month(s.month), s.day, s.hour, s.min, s.sec, 0, p.loc).After(last) {
			return true
		}
	}
	return false
}

// Stamp reads the time that `docker logs --timestamps` puts before a line, as in
// 2026-01-02T03:04:05.000000006Z, and a space. n is how many bytes that takes; 0
// where there is none.
func Stamp(line []byte) (ns int64, n int) {
	const usual = len("2026-01-02T03:04:05.000000006Z")
	if len(line) < usual || line[10] != 'T' || line[19] != '.' || line[usual-1] != 'Z' {
		return 0, 0
	}
	s := scanner{s: line}
	if !s.yearFirst() || s.i != usual || !s.valid() {
		return 0, 0
	}
	n = usual
	if n < len(line) {
		if line[n] != ' ' {
			return 0, 0
		}
		n++
	}
	unix := s.days()*86400 + int64(s.hour*3600+s.min*60+s.sec)
	if unix < 0 || unix >= maxUnix {
		return 0, 0
	}
	return unix*1e9 + int64(s.frac), n
}
