package rules

import (
	"embed"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// packPrefix is what a pack's name has before it where a file's path would stand.
const packPrefix = "pack:"

//go:embed packs/*.yaml
var packs embed.FS

// Packs returns the names of the rules that are built in, sorted.
func Packs() []string {
	entries, err := packs.ReadDir("packs")
	if err != nil {
		return nil // the folder is embedded
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// pack reads the pack of that name, which stands in the field of the Config.
func (l *loader) pack(name, field string) {
	data, err := packs.ReadFile("packs/" + name + ".yaml")
	if err != nil {
		l.fail(&conf.Error{Field: field, Msg: "there is no pack \"" + name + "\"", Hint: "use one of " + strings.Join(Packs(), ", ")})
		return
	}
	l.data(packPrefix+name, data)
}
