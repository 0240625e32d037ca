package conf

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// An Error is one thing that is wrong with a file, for the person who wrote it.
type Error struct {
	File  string
	Line  int    // from 1; 0 where no line is to blame
	Field string // as outputs.fluentd[0].address, or ""
	Msg   string // what is wrong
	Hint  string // what to do, or ""

	want  string // what an unmarshaler of this package expects; Decode makes Msg of it
	cause error
}

// Error gives file:line: field: what is wrong; what to do.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			b.WriteString(":" + strconv.Itoa(e.Line))
		}
		b.WriteString(": ")
	}
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	if e.Msg == "" && e.want != "" {
		b.WriteString("expected " + e.want)
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the error that this one tells of, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Errors are all the problems of one or more files, sorted by line within each.
type Errors []*Error

// Error gives one line for each problem.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the problems one by one.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

// orNil is e, sorted, as an error: nil where there is none.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	order := make(map[string]int)
	for _, x := range e {
		if _, ok := order[x.File]; !ok {
			order[x.File] = len(order)
		}
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return e
}

// Join makes one Errors of all that is wrong, however it is nested, or nil when
// nothing is. Files keep their order. An error of another kind becomes an Error
// that unwraps to it.
func Join(errs ...error) error {
	var all Errors
	for _, err := range errs {
		all = flatten(all, err)
	}
	return all.orNil()
}

func flatten(all Errors, err error) Errors {
	var one *Error
	switch e := err.(type) {
	case nil:
		return all
	case *Error:
		if e == nil {
			return all
		}
		return append(all, e)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			all = flatten(all, err)
		}
		return all
	}
	if errors.As(err, &one) && one.Error() == err.Error() {
		return append(all, one)
	}
	return append(all, &Error{Msg: err.Error(), cause: err})
}
