package fields

import "bytes"

// readLogfmt reads a record that has at least one key=value. A value may be in
// quotes; then it has escapes. Words without a = are passed over, so that there
// may be a message before. Of a key that is there twice the first counts. It ends
// where a quote is not closed.
func (v *Values) readLogfmt() bool {
	b := v.body
	v.all()
	v.keep = true
	defer func() { v.keep = false }()
	any := false
	for at := 0; at < len(b); {
		if b[at] <= ' ' || b[at] == '"' || b[at] == '=' {
			at++
			continue
		}
		start := at
		for at < len(b) && b[at] > ' ' && b[at] != '=' && b[at] != '"' {
			at++
		}
		if at == len(b) || b[at] != '=' {
			continue
		}
		key := b[start:at]
		at++
		start = at
		end, text := at, []byte(nil)
		if at < len(b) && b[at] == '"' {
			start = at + 1
			if end = closingQuote(b, start); end < 0 {
				return any
			}
			at = end + 1
			text = b[start:end]
		} else {
			for at < len(b) && b[at] > ' ' {
				at++
			}
			end = at
			text = b[start:end]
		}
		any = true
		inner := v.enter(0, len(v.open), key)
		if v.exact(inner) {
			if start > 0 && b[start-1] == '"' && bytes.IndexByte(text, '\\') >= 0 {
				text = v.plain(text)
			}
			v.scalar(inner, text, start, end)
		}
		v.leave(inner)
	}
	return any
}
