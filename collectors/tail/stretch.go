package tail

import (
	"bytes"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

// A Form says how a log's bytes become records.
type Form struct {
	Docker  bool              // they are in Docker's json-file format; text else
	Stamp   Stamp             // of text
	Format  *multiline.Format // of records of several lines; nil: each line is one
	MaxLine int               // 0: DefaultMaxLine
}

// A Stretch makes records of bytes that are there once, as those of a pipe: what
// is incomplete is kept until more comes. It is used by one goroutine.
type Stretch struct {
	split splitter
	rest  []byte // what no record covers yet
	base  int64  // how many bytes lie before rest
	seam  int    // where in rest another file begins; 0: nowhere
}

// NewStretch returns one that has nothing.
func NewStretch(f Form) *Stretch {
	if f.MaxLine <= 0 {
		f.MaxLine = DefaultMaxLine
	}
	s := &Stretch{}
	if f.Docker {
		s.split = &dockerJSON{maxLine: f.MaxLine}
	} else {
		s.split = &plain{maxLine: f.MaxLine, stamp: f.Stamp}
	}
	s.split.joining().format = f.Format
	return s
}

// Add adds bytes that follow those before.
func (s *Stretch) Add(p []byte) { s.rest = append(s.rest, p...) }

// Cut makes records of what there is, as b, of which only the memory is kept. end
// says that nothing follows: then all of it becomes records, in as many calls as
// return true. Else what is incomplete stays; false says that more is needed to get on.
// A Record's End counts the bytes of all that was added.
func (s *Stretch) Cut(b *agent.Batch, end bool) bool {
	covered := s.cut(b, s.rest, end)
	s.rest = s.rest[:copy(s.rest, s.rest[covered:])]
	return covered > 0
}

// cut makes records of all, which is rest and what has come, and says how many
// bytes they cover.
func (s *Stretch) cut(b *agent.Batch, all []byte, end bool) (covered int) {
	m := growing
	if end {
		m = final
	}
	b.Buf = append(b.Buf[:0], all...) // it is decoded in place
	b.Records, b.Findings = b.Records[:0], b.Findings[:0]
	if len(all) == 0 {
		return 0
	}
	j := s.split.joining()
	j.seam = s.seam
	text, _ := s.split.(*plain)
	before := int64(0)
	if text != nil {
		before = text.before
	}
	covered = s.split.split(b, s.base, m)
	if text != nil && covered < len(all) { // what is left is looked at again
		if n := len(b.Records); n > 0 {
			before = b.Records[n-1].Time
		}
		text.before = before
	}
	if m == final && covered == 0 { // it cannot be; but nobody waits for it for ever
		covered = len(all)
	}
	s.base += int64(covered)
	s.seam = max(0, s.seam-covered)
	return covered
}

// joins says that a record may go on in the file that follows.
func (s *Stretch) joins() bool { return s.split.joining().format != nil && s.seam == 0 }

// next begins another file.
func (s *Stretch) next() {
	if n := len(s.rest); n > 0 {
		if s.rest[n-1] != '\n' {
			s.rest = append(s.rest, '\n')
		}
		s.seam = len(s.rest)
	}
}

// IsDockerJSON says whether the log that begins so is in Docker's json-file
// format, as far as its first line that is no hole tells.
func IsDockerJSON(start []byte) bool {
	start = bytes.TrimLeft(start, "\x00\r\n\t ")
	l, _, whole := bytes.Cut(start, []byte{'\n'})
	if !whole { // a long one
		return bytes.HasPrefix(l, []byte(head))
	}
	var d dockerJSON
	l = bytes.Clone(l)
	_, ok := d.parse(l, 0, len(l), 0)
	return ok
}
