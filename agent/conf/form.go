package conf

import (
	"regexp"
	"sync"
)

// A Form is a regular expression that is compiled when it is first asked: those of
// parts that are not configured would be some 0.6 MiB of each agent's memory.
type Form struct {
	text string
	once sync.Once
	re   *regexp.Regexp
}

// NewForm returns the form. The expression is a constant of the program; one that
// is none panics when it is asked.
func NewForm(expr string) *Form { return &Form{text: expr} }

// MatchString reports whether the text has a match.
func (f *Form) MatchString(text string) bool {
	f.once.Do(func() { f.re = regexp.MustCompile(f.text) })
	return f.re.MatchString(text)
}
