package logtime

// A scanner reads a date and a time of day from the start of s.
type scanner struct {
	s []byte
	i int
	minute
	sec, frac int // frac in ns
	zoned     bool
	zone      int // seconds east of Greenwich
}

// yearFirst reads 2026-01-02T03:04:05 and its like.
func (s *scanner) yearFirst() bool {
	if !s.number(&s.year, 4, 4) || s.year == 0 || s.i >= len(s.s) {
		return false
	}
	sep := s.s[s.i]
	if sep != '-' && sep != '/' {
		return false
	}
	s.i++
	if !s.number(&s.month, 2, 2) || !s.byte(sep) || !s.number(&s.day, 2, 2) {
		return false
	}
	switch {
	case s.byte('T'):
	case s.byte(' '):
		s.byte(' ') // MariaDB
	default:
		return false
	}
	return s.clock() && s.optionalZone()
}

// dayFirst reads 02/Jan/2026:03:04:05 and its like.
func (s *scanner) dayFirst() bool {
	if !s.number(&s.day, 1, 2) || s.i >= len(s.s) {
		return false
	}
	sep := s.s[s.i]
	if sep != '/' && sep != '-' && sep != ' ' {
		return false
	}
	s.i++
	if !s.monthName() || !s.byte(sep) || !s.number(&s.year, 4, 4) || s.year == 0 || !s.byte(' ') && !s.byte(':') {
		return false
	}
	return s.clock() && s.optionalZone()
}

// monthFirst reads Jan  2 03:04:05, and Jan 02 03:04:05.678901 2026.
func (s *scanner) monthFirst() bool {
	if !s.monthName() || !s.byte(' ') {
		return false
	}
	s.byte(' ')
	if !s.number(&s.day, 1, 2) || !s.byte(' ') || !s.clock() {
		return false
	}
	end := s.i
	if !s.byte(' ') || !s.number(&s.year, 4, 4) || s.year < 1970 || !s.ends() {
		s.i, s.year = end, 0
	}
	return true
}

func (s *scanner) byte(c byte) bool {
	if s.i >= len(s.s) || s.s[s.i] != c {
		return false
	}
	s.i++
	return true
}

// number reads so many digits.
func (s *scanner) number(v *int, least, most int) bool {
	n := 0
	for *v = 0; n < most && s.i < len(s.s); n++ {
		d := s.s[s.i] - '0'
		if d > 9 {
			break
		}
		*v = *v*10 + int(d)
		s.i++
	}
	return n >= least
}

// clock reads 3:04:05, 03:04:05.678 and 03:04:05,678.
func (s *scanner) clock() bool {
	if !s.number(&s.hour, 1, 2) || !s.byte(':') || !s.number(&s.min, 2, 2) || !s.byte(':') || !s.number(&s.sec, 2, 2) {
		return false
	}
	end := s.i
	if !s.byte('.') && !s.byte(',') {
		return s.ends()
	}
	start, scale := s.i, int(1e8)
	for ; s.i < len(s.s) && s.s[s.i]-'0' <= 9; s.i++ {
		s.frac += int(s.s[s.i]-'0') * scale
		scale /= 10
	}
	if s.i == start {
		s.i = end
	}
	return true
}

// ends says that no digit follows.
func (s *scanner) ends() bool { return s.i >= len(s.s) || s.s[s.i]-'0' > 9 }

// optionalZone reads Z, +01:00, +0100, +01, UTC and GMT. Anything else is a part
// of the line.
func (s *scanner) optionalZone() bool {
	if s.byte('Z') {
		s.zoned = true
		return true
	}
	end := s.i
	spaced := s.byte(' ')
	if rest := s.s[s.i:]; len(rest) >= 3 && (string(rest[:3]) == "UTC" || string(rest[:3]) == "GMT") {
		s.i += 3
		s.zoned = true
		return true
	}
	if !s.offset(spaced) {
		s.i, s.zoned, s.zone = end, false, 0
	}
	return true
}

func (s *scanner) offset(spaced bool) bool {
	sign := 1
	if s.byte('-') {
		sign = -1
	} else if !s.byte('+') {
		return false
	}
	var hours, minutes int
	if !s.number(&hours, 2, 2) {
		return false
	}
	if colon := s.byte(':'); colon || !s.ends() {
		if !s.number(&minutes, 2, 2) {
			return false
		}
	} else if spaced { // "… -12 items" is no zone
		return false
	}
	if hours > 18 || minutes > 59 || !s.ends() {
		return false
	}
	s.zoned, s.zone = true, sign*(hours*3600+minutes*60)
	return true
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

func (s *scanner) monthName() bool {
	if len(s.s)-s.i < 3 {
		return false
	}
	for m := 0; m < 12; m++ {
		if string(s.s[s.i:s.i+3]) == months[3*m:3*m+3] {
			s.month = m + 1
			s.i += 3
			return true
		}
	}
	return false
}

// valid says that there is such a time. The second 60 is the one after 59.
func (s *scanner) valid() bool {
	if s.month < 1 || s.month > 12 || s.day < 1 || s.hour > 23 || s.min > 59 || s.sec > 60 {
		return false
	}
	most := 31
	switch s.month {
	case 4, 6, 9, 11:
		most = 30
	case 2:
		most = 28
		if s.year%4 == 0 && (s.year%100 != 0 || s.year%400 == 0) {
			most = 29
		}
	}
	return s.day <= most
}

// days is how many days lie between the first of 1970 and the date. Years are counted from
// March, so that a leap day is the last of one.
func (s *scanner) days() int64 {
	y, m := s.year, s.month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	return int64(365*y + y/4 - y/100 + y/400 + (153*m+2)/5 + s.day - 1 - 719468)
}
