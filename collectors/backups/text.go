package backups

import (
	"strings"

	"github.com/webgrip/logkeel/agent/printable"
)

// maxLabel bounds a label's value, in bytes.
const maxLabel = 100

// shorten makes a text of others safe to show.
func shorten(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return printable.Line(s)
}
