package rules

import (
	"slices"
	"strings"

	"github.com/webgrip/logkeel/rules/engine"
	"github.com/webgrip/logkeel/rules/fields"
)

// format reads how the rule's records are read.
func (p *problems) format(spec *ruleSpec) fields.Format {
	f := fields.Named(spec.Format)
	if f != fields.None || !p.has("format") {
		return f
	}
	switch strings.ToLower(spec.Format) {
	case "nginx", "apache", "apache2", "httpd", "combined", "common", "clf", "traefik":
		p.say("format", "write access: it reads nginx's and Apache's combined and common", "%s is not a format", quote(spec.Format))
	default:
		p.oneOf("format", spec.Format, fields.Formats())
	}
	return f
}

// unmatched makes the rule one of each record that its condition holds of.
func (p *problems) unmatched(l *loaded) {
	none, err := engine.Compile("")
	if err != nil {
		p.say("format", "report this", "%s", err) // never
		return
	}
	e := &expr{Expr: none, unmatched: true}
	if l.where != nil {
		l.where.bind(e)
		e.literals = l.where.literals(l.format)
	}
	l.match = []*expr{e}
}

// unknown says what is wrong with a name that is to be a named group or a field,
// nil where it is one.
func (p *problems) unknown(name string, l *loaded) *whereError {
	switch {
	case hasGroup(l.match, name) || p.has("format") && l.format.Has(name):
		return nil
	case l.format != fields.None:
		return noField(name, l.format)
	}
	return noGroup(name, l.match)
}

// noField says which fields there are.
func noField(name string, f fields.Format) *whereError {
	return &whereError{msg: "there is no field " + quote(name) + " with format: " + f.String(), hint: "fields here: " + strings.Join(f.Names(), ", ")}
}

// countsByField reports whether a name under by that is no named group is that
// of a field. Where any name may be one, those of labels that logs have are not.
func countsByField(name string, f fields.Format) bool {
	switch {
	case f == fields.None:
		return false
	case f.Names() != nil:
		return f.Has(name)
	}
	return !slices.Contains(logLabels(), name)
}

// logLabels are labels that are not looked for among the fields of a record.
func logLabels() []string {
	return []string{"log", "source", "container", "image", "project", "service", "tag"}
}
