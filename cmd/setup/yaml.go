package setup

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent/printable"

	"github.com/webgrip/logkeel/agent/conf"
)

var plainForm = conf.NewForm(`^[A-Za-z/][A-Za-z0-9_./-]*(:[0-9]+)?$`)

// quote writes a text as a YAML scalar that is this text, whatever is in it, also
// where variables are replaced: in agent.yaml and by Compose $$ is a $.
func quote(s string) string { return quoteAs(s, "$$") }

// literal is quote for rule files, in which no variables are replaced.
func literal(s string) string { return quoteAs(s, "$") }

func quoteAs(s, dollar string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
	default:
		if plainForm.MatchString(s) {
			return s
		}
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == '$':
			b.WriteString(dollar)
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == utf8.RuneError: // YAML has no other bytes
			b.WriteRune(utf8.RuneError)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// A page is text that is being written, line by line.
type page struct{ b strings.Builder }

// line writes one. What is untrusted in it went through quote.
func (p *page) line(format string, args ...any) {
	fmt.Fprintf(&p.b, format, args...)
	p.b.WriteByte('\n')
}

// comment writes one line of a comment, whatever is in it.
func (p *page) comment(indent, format string, args ...any) {
	p.line("%s# %s", indent, printable.Line(fmt.Sprintf(format, args...)))
}

var (
	otherThanName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)
	otherThanSlug = regexp.MustCompile(`[^a-z0-9_\s]+`)
	betweenWords  = regexp.MustCompile(`[_\s]+`)
)

// names gives each thing a name of its own that a configuration takes.
type names map[string]bool

func (n names) name(want string) string {
	base := strings.Trim(otherThanName.ReplaceAllString(want, "-"), "-_")
	if base = strings.Trim(base[:min(len(base), 50)], "-_"); base == "" {
		base = "service"
	}
	name := base
	for i := 2; n[name]; i++ {
		name = base + "-" + strconv.Itoa(i)
	}
	n[name] = true
	return name
}
