package jobs

import "bytes"

// A tail keeps the end of what is written to it: MaxOutput bytes at least.
type tail struct {
	kept []byte
	cut  bool
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > MaxOutput {
		p, t.cut = p[len(p)-MaxOutput:], true
	}
	if len(t.kept)+len(p) > 2*MaxOutput {
		t.kept, t.cut = append(t.kept[:0], t.kept[len(t.kept)-MaxOutput:]...), true
	}
	t.kept = append(t.kept, p...)
	return n, nil
}

// end is the last MaxOutput bytes, from the start of a line on where there is one.
func (t *tail) end() []byte {
	b := t.kept
	if len(b) > MaxOutput {
		b, t.cut = b[len(b)-MaxOutput:], true
	}
	if t.cut {
		if i := bytes.IndexByte(b, '\n'); i >= 0 && i+1 < len(b) {
			b = b[i+1:]
		}
	}
	return b
}
