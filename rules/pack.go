package rules

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// packPrefix is what a pack's name has before it where a file's path would stand.
const packPrefix = "pack:"

// A pack is a file, or a folder of files.
//
//go:embed packs
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
	slices.Sort(names) // a folder's name may be another one's beginning
	return names
}

// packFiles are the files of the pack of that name, sorted; none where there is no
// such pack.
func packFiles(name string) []string {
	if !slices.Contains(Packs(), name) {
		return nil
	}
	if files, _ := fs.Glob(packs, path.Join("packs", name, "*.yaml")); len(files) > 0 {
		return files
	}
	return []string{path.Join("packs", name+".yaml")}
}

// pack reads the pack of that name, which stands in the field of the Config.
func (l *loader) pack(name, field string) {
	files := packFiles(name)
	if files == nil {
		l.fail(&conf.Error{Field: field, Msg: "there is no pack \"" + name + "\"", Hint: "use one of " + strings.Join(Packs(), ", ")})
		return
	}
	for _, file := range files {
		data, err := packs.ReadFile(file)
		if err != nil {
			l.fail(err)
			continue
		}
		// packs/samples/http.yaml is pack:samples/http
		l.data(packPrefix+strings.TrimSuffix(strings.TrimPrefix(file, "packs/"), ".yaml"), data)
	}
}
