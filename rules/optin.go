package rules

import "bytes"

// emailAt is about the address whose @ or %40 is at [i, j).
func emailAt(t text, i, j int) (start, end int, ok bool) {
	b := t.body
	for start = i; start > t.from && (isWordByte(b[start-1]) || b[start-1] >= 0x80 || isOneOf(b[start-1], ".+-")); start-- {
	}
	label, dots, letters := j, 0, true
	for end = j; end < len(b); end++ {
		switch c := b[end]; {
		case isLetter(c) || c >= 0x80:
		case isDigit(c) || c == '-':
			letters = false
		case c == '.' && end > label && end+1 < len(b) && (isLetter(b[end+1]) || isDigit(b[end+1]) || b[end+1] >= 0x80):
			label, letters = end+1, true
			dots++
		default:
			return start, end, start < i && dots > 0 && letters && end-label >= 2
		}
	}
	return start, end, start < i && dots > 0 && letters && end-label >= 2
}

// cutCards cuts the numbers of cards.
func cutCards(e *edit, k *kind) {
	// No group of digits in a number is shorter than four, so each fourth byte is
	// enough to find one.
	const group = 4
	b := e.body
	for i := group - 1; i < len(b); i += group {
		if !isDigit(b[i]) {
			continue
		}
		start := i
		for start > e.read && isDigit(b[start-1]) {
			start--
		}
		end := i + 1
		for end < len(b) && isDigit(b[end]) {
			end++
		}
		i = end
		if n := end - start; n < group || n < 13 && (end+1 >= len(b) || b[end] != ' ' && b[end] != '-' || !isDigit(b[end+1])) {
			continue
		}
		if end = cardEnd(b, start); end > start && cardBegins(b, e.read, start) && isCard(b[start:end]) {
			e.cut(k, start, end)
			i = end
		}
	}
}

// cardBegins reports whether what stands before the digits is no part of them: a
// fraction, an identifier.
func cardBegins(b []byte, from, start int) bool {
	if start == from {
		return true
	}
	switch c := b[start-1]; {
	case isWordByte(c):
		return false
	case c == '.' || c == '-' || c == ' ' || c == '+':
		return start-1 == from || !isDigit(b[start-2]) && (c == ' ' || !isWordByte(b[start-2]))
	}
	return true
}

// cardEnd is where 13 digits or more end that may be a card's number, in one or
// in groups of four and more with the same blank or hyphen between them; start
// where there are none.
func cardEnd(b []byte, start int) int {
	const least, most = 13, 19
	digits, run, end := 0, 0, start
	var sep byte
	for end < len(b) {
		c := b[end]
		if isDigit(c) {
			digits++
			run++
			end++
			continue
		}
		next := end+1 < len(b) && isDigit(b[end+1])
		if run < 4 || (c != ' ' && c != '-') || sep != 0 && c != sep || !next || digits >= most || digits == run && run > 4 {
			break
		}
		sep, run = c, 0
		end++
	}
	switch {
	case digits < least || digits > most:
		return start
	case end == len(b):
		return end
	case isWordByte(b[end]), (b[end] == '.' || b[end] == '-') && end+1 < len(b) && isWordByte(b[end+1]):
		return start
	}
	return end
}

// isCard reports whether the digits of number, whatever is between them, are one
// that an issuer gives out.
func isCard(number []byte) bool {
	var digits [19]byte
	n := 0
	for _, c := range number {
		if isDigit(c) {
			digits[n] = c - '0'
			n++
		}
	}
	sum := 0
	for i := range n {
		d := int(digits[n-1-i])
		if i%2 == 1 {
			d *= 2
			d = d/10 + d%10
		}
		sum += d
	}
	prefix := 0
	for _, d := range digits[:4] {
		prefix = prefix*10 + int(d)
	}
	return sum%10 == 0 && issued(prefix, n) && bytes.Count(digits[:n], digits[:1]) < n
}

// issued reports whether numbers of n digits that begin with these four are given
// out.
func issued(prefix, n int) bool {
	in := func(low, high int) bool { return low <= prefix && prefix <= high }
	switch n {
	case 14:
		return in(3000, 3059) || in(3600, 3699) || in(3800, 3999) // Diners Club
	case 15:
		return in(3400, 3499) || in(3700, 3799) // American Express
	case 16:
		return in(4000, 4999) || in(5100, 5599) || in(2221, 2720) || // Visa, Mastercard
			prefix == 6011 || in(6440, 6599) || in(3528, 3589) || in(6200, 6299) || // Discover, JCB, UnionPay
			in(5018, 5038) || prefix == 5893 || prefix == 6304 || in(6759, 6763) // Maestro
	case 17, 18, 19:
		return in(6200, 6299) || n == 19 && in(4000, 4999)
	}
	return false
}
