package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/webgrip/logkeel/agent/notify"
)

const (
	maxBody     = 1 << 20 // bytes of a body, if smaller limits can make it so
	maxTemplate = 256 << 10
	hardest     = 16 << 20 // bytes of what a template may make
)

// A renderer makes bodies.
type renderer struct {
	receiver, host string
	template       *template.Template // nil: the payload as JSON
	json           bool               // what it makes has to be JSON
}

// funcs are what templates have beyond what text/template has itself.
func funcs() template.FuncMap {
	return template.FuncMap{
		"json":     asJSON,
		"truncate": truncate,
		"upper":    strings.ToUpper,
		"join":     join,
		"line":     oneLine,
		"entities": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace,
	}
}

// join is a list with sep between its elements, or labels as name=value.
func join(sep string, v any) (string, error) {
	switch v := v.(type) {
	case []string:
		return strings.Join(v, sep), nil
	case map[string]string:
		var list []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = append(list, name+"="+v[name])
		}
		return strings.Join(list, sep), nil
	}
	return "", fmt.Errorf("join takes labels, and not %T", v)
}

// asJSON is v as JSON on one line; a string with its quotes.
func asJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func parseTemplate(text string) (*template.Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("it is longer than %d KiB", maxTemplate>>10)
	}
	t, err := template.New("").Funcs(funcs()).Parse(text)
	if err != nil {
		return nil, errors.New(place(err))
	}
	return t, nil
}

var placeForm = regexp.MustCompile(`^template: [^:]*:(\d+)(?::(\d+))?: (?:executing "[^"]*" at )?`)

// place says in which line of the template something is wrong, and what.
func place(err error) string {
	return oneLine(placeForm.ReplaceAllString(err.Error(), "line $1 of the template: "))
}

// isJSON reports whether what has the content type is JSON.
func isJSON(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}

// render is the body of the notice, within the limits that make it small
// enough.
func (r *renderer) render(n *notify.Notice) ([]byte, error) {
	var body []byte
	for _, l := range shrinking {
		var err error
		if body, err = r.execute(makePayload(n, r.receiver, r.host, l)); err != nil {
			return nil, err
		}
		if len(body) <= maxBody {
			break
		}
	}
	return body, nil
}

func (r *renderer) execute(p *payload) ([]byte, error) {
	if r.template == nil {
		text, err := asJSON(p)
		return []byte(text + "\n"), err
	}
	var b bytes.Buffer
	if err := r.template.Execute(&limitedWriter{&b, hardest}, p); err != nil {
		return nil, errors.New(place(err))
	}
	if r.json {
		if err := validJSON(b.Bytes()); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// validJSON says where and why the text is no JSON.
func validJSON(text []byte) error {
	var v any
	err := json.Unmarshal(text, &v)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	at := min(max(int(syntax.Offset)-1, 0), len(text))
	near := text[max(0, at-30):min(len(text), at+20)]
	return fmt.Errorf("what it makes is no JSON, at line %d near %q: %s", 1+bytes.Count(text[:at], []byte("\n")), near, syntax)
}

// A limitedWriter takes so much and no more.
type limitedWriter struct {
	w    io.Writer
	left int
}

func (l *limitedWriter) Write(b []byte) (int, error) {
	if len(b) > l.left {
		return 0, errors.New("it makes too long a body")
	}
	l.left -= len(b)
	return l.w.Write(b)
}
