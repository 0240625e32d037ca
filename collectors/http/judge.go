package probe

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// A Check is one thing that an answer had to be.
type Check struct {
	Kind string // status, version, header, body or json
	What string // as the configuration has it
	Text string // what is so instead; "" where it holds
}

// A Value is a number of a JSON document.
type Value struct {
	Path  string
	Value float64
}

// kinds are all that a Check may be of.
var kinds = [...]string{"status", "version", "header", "body", "json"}

func (r *Result) failed(kind string) bool {
	return slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Kind == kind && c.Text != "" })
}

// HTTPVersion is 1.0, 1.1 or 2; 0 without an answer.
func (r *Result) HTTPVersion() string {
	if r.Version == 0 || r.Version == 2 {
		return strconv.Itoa(int(r.Version))
	}
	return strconv.FormatFloat(r.Version, 'f', 1, 64)
}

// failures makes an error of what did not hold.
func failures(all []Check) error {
	var texts []string
	for i := range all {
		if all[i].Text != "" {
			texts = append(texts, all[i].Text)
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "; "))
}

// judge says of everything that was asked for whether it is so.
func (s *Sampler) judge(a *answer, r *Result) {
	check := func(kind, what string, holds bool, format string, args ...any) {
		c := Check{Kind: kind, What: what}
		if !holds {
			c.Text = clean(s.hide(fmt.Sprintf(format, args...)))
		}
		r.Checks = append(r.Checks, c)
	}
	want := strings.Join(s.allowed, " or ")
	check("status", want, s.statusHolds(a.status), "the status is %d, want %s", a.status, want)
	if len(s.versions) > 0 {
		have, want := r.HTTPVersion(), strings.Join(s.versions, " or ")
		check("version", "HTTP/"+want, slices.Contains(s.versions, have), "it is HTTP/%s, want %s", have, want)
	}
	for i := range s.fields {
		f := &s.fields[i]
		text, ok := f.holds(a.header)
		check("header", f.name+": "+f.regexp.String(), ok, "%s", text)
	}
	if s.text != "" {
		check("body", quote(s.text), bytes.Contains(a.body, []byte(s.text)), "%s is not in the body%s: %s", quote(s.text), a.looked(), s.excerpt(a.body))
	}
	if e := s.regexp; e != nil {
		check("body", "body_regexp "+quote(e.String()), e.Match(a.body), "body_regexp %s does not match the body%s: %s", quote(e.String()), a.looked(), s.excerpt(a.body))
	}
	if e := s.notRegexp; e != nil {
		at := e.FindIndex(a.body)
		check("body", "not_body_regexp "+quote(e.String()), at == nil, "not_body_regexp %s matches the body: %s", quote(e.String()), s.around(a.body, e, at))
	}
	s.judgeJSON(a, r, check)
}

func (s *Sampler) judgeJSON(a *answer, r *Result, check func(kind, what string, holds bool, format string, args ...any)) {
	if len(s.json)+len(s.values) == 0 {
		return
	}
	if a.cut {
		check("json", "a document", false, "the body is larger than max_body (%s), so its JSON was not looked at; raise max_body", conf.Size(s.maxBody))
		return
	}
	doc, err := parseJSON(a.body)
	if err != nil {
		check("json", "a document", false, "the body is no JSON (%s), but %s: %s", shorten(clean(err.Error()), 120), a.kind(), s.excerpt(a.body))
		return
	}
	for i := range s.json {
		bad := s.json[i].check(doc, maxTold)
		check("json", s.json[i].text+": "+s.json[i].wanted(), len(bad) == 0, "%s", strings.Join(bad, "; "))
	}
	for i := range s.values {
		bad := s.value(&s.values[i], doc, r)
		check("json", s.values[i].text+": a number", bad == "", "%s", bad)
	}
}

// value takes the numbers at p out of doc; true is 1 and false is 0. What is no
// number is said.
func (s *Sampler) value(p *path, doc any, r *Result) (bad string) {
	p.walk(doc, func(at []string, v any) bool {
		f, ok := numeric(v)
		if b, is := v.(bool); is {
			f, ok = number(b), true
		}
		where := clean(place(at))
		switch {
		case !ok:
			bad = fmt.Sprintf("%s is %s, want a number", place(at), show(v))
		case slices.ContainsFunc(r.Values, func(v Value) bool { return v.Path == where }):
			// Two paths may lead to it, or two names be the same once they are cut.
		case len(r.Values) >= maxValues:
			r.Omitted++
			return true
		default:
			r.Values = append(r.Values, Value{where, f})
		}
		return ok
	}, func(text string) bool {
		bad = text + ", want a number"
		return false
	})
	return bad
}

// A field is what a field of the header has to match.
type field struct {
	name   string
	regexp *regexp.Regexp
}

// holds reports whether one of the field's values matches, and what is there
// instead.
func (f *field) holds(h http.Header) (string, bool) {
	values := h.Values(f.name)
	if len(values) == 0 {
		return fmt.Sprintf("the header %s is not there", f.name), false
	}
	if slices.ContainsFunc(values, f.regexp.MatchString) {
		return "", true
	}
	return fmt.Sprintf("the header %s is %s, want %s", f.name, quote(values[0]), quote(f.regexp.String())), false
}

// around is what matched, with some of what is before and behind it. Secrets go
// before it is cut.
func (s *Sampler) around(body []byte, e *regexp.Regexp, at []int) string {
	const far = 8 << 10
	if at == nil {
		return ""
	}
	text := s.hide(string(body[max(at[0]-far, 0):min(at[0]+far, len(body))]))
	if at = e.FindStringIndex(text); at == nil {
		return "a secret is in it"
	}
	return quote(text[max(at[0]-20, 0):])
}

// looked says what of the body was looked at, where that is not all.
func (a *answer) looked() string {
	if a.cut {
		return fmt.Sprintf(", of which the first %d bytes were looked at", len(a.body))
	}
	return ""
}

func (a *answer) kind() string {
	if a.contentType == "" {
		return "of no type"
	}
	return quote(a.contentType)
}

func (s *Sampler) statusHolds(code int) bool {
	for _, r := range s.status {
		if code >= r.first && code <= r.last {
			return true
		}
	}
	return false
}
