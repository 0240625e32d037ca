package email

import (
	_ "embed"
	"html/template"
	"strings"
)

//go:embed mail.html
var mailHTML string

// parseHTML reads the template of mails; it is a part of the program.
func parseHTML() (*template.Template, error) {
	return template.New("mail").Funcs(template.FuncMap{"color": color}).Parse(mailHTML)
}

// color is the background of a badge; white on it can be read, and it can be
// told from a light and from a dark page.
func color(badge string) string {
	switch badge {
	case "critical":
		return "#c62828"
	case "warning", held:
		return "#b45309"
	case over, test:
		return "#2e7d32"
	}
	return "#1565c0"
}

// html renders the view as a page without anything from elsewhere.
func (v *view) html(t *template.Template) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}
