package backups

import (
	"path"
	"strings"
)

// A format is how a file is packed, and what is in it.
type format struct {
	of     string // sql, tar or any
	packed string // gz, zst, bz2 or ""
	sealed bool   // it cannot be unpacked here: .xz, encrypted and the like
}

// guess says what a file is by its name.
func guess(name string) format {
	name = strings.ToLower(path.Base(name))
	f := format{of: "any"}
	ext := path.Ext(name)
	switch ext {
	case ".gz", ".zst", ".bz2":
		f.packed = ext[1:]
		name = strings.TrimSuffix(name, ext)
	case ".tgz":
		return format{of: "tar", packed: "gz"}
	case ".tzst":
		return format{of: "tar", packed: "zst"}
	case ".tbz", ".tbz2":
		return format{of: "tar", packed: "bz2"}
	case ".xz", ".txz", ".lzma", ".lz4", ".lzo", ".br", ".z", ".zip", ".7z", ".rar", ".gpg", ".pgp", ".asc", ".age", ".enc":
		f.sealed = true
		return f
	}
	switch path.Ext(name) {
	case ".sql":
		f.of = "sql"
	case ".tar":
		f.of = "tar"
	}
	return f
}

// formatOf is what the file is, where File says it or else by its name.
func (f *File) formatOf(name string) format {
	g := guess(name)
	if f.Kind != "" {
		g.of = f.Kind
	}
	if g.sealed {
		g.of = "any"
	}
	return g
}

func hasXZ(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".xz" || ext == ".txz"
}
