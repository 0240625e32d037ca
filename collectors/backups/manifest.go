package backups

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// maxManifest bounds what is read of a manifest, in bytes.
const maxManifest = 256 << 10

// maxPromises bounds how many files a manifest may name.
const maxPromises = 1000

// A manifest is what a backup says that it has.
type manifest struct {
	sizes []promise // "Database size: 17 bytes"
	names []string  // that have to be there
}

// A promise is a size that was written down: of "Database", or of a file.
type promise struct {
	of   string
	size int64
}

func isManifest(name string) bool { return strings.EqualFold(path.Base(name), "manifest.txt") }

// isSums says whether a file of this name has the sums of others: as sha256sum
// writes them.
func isSums(name string) bool {
	name = strings.ToLower(path.Base(name))
	return strings.HasPrefix(name, "sha256sum") || path.Ext(name) == ".sha256" || path.Ext(name) == ".sha256sum"
}

var sizeLine = regexp.MustCompile(`(?i)^(\S.{0,99}?) size: *(\S*?) *bytes$`)

// parseManifest reads lines as "Database size: 17 bytes" and "Configuration
// files: a, b". Others are for people.
func parseManifest(text []byte) (manifest, error) {
	var m manifest
	for line := range lines(text) {
		if found := sizeLine.FindStringSubmatch(line); found != nil {
			size, err := strconv.ParseInt(found[2], 10, 64)
			if err != nil || size < 0 {
				return m, faultf(badManifest, "the manifest has no number as the size of %s", shorten(found[1], 60))
			}
			m.sizes = append(m.sizes, promise{found[1], size})
		} else if what, list, ok := strings.Cut(line, ":"); ok && (what == "files" || strings.HasSuffix(strings.ToLower(what), " files")) {
			for name := range strings.SplitSeq(list, ",") {
				if name = strings.TrimSpace(name); name != "" {
					m.names = append(m.names, name)
				}
			}
		}
		if len(m.sizes)+len(m.names) > maxPromises {
			return m, faultf(badManifest, "the manifest names more than %d files", maxPromises)
		}
	}
	for i, name := range m.names {
		var ok bool
		if m.names[i], ok = within(name); !ok {
			return m, faultf(badManifest, "the manifest has no file's name in %q", shorten(name, 60))
		}
	}
	return m, nil
}

// lines yields the lines without their ends.
func lines(text []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		s := bufio.NewScanner(bytes.NewReader(text))
		s.Buffer(nil, maxManifest+1)
		for s.Scan() {
			if !yield(strings.TrimRight(s.Text(), " \t\r")) {
				return
			}
		}
	}
}

var bsdSum = regexp.MustCompile(`^SHA256 \((.+)\) = ([0-9A-Fa-f]{64})$`)

// parseSums reads what sha256sum writes, with or without --tag.
func parseSums(text []byte) (map[string]string, error) {
	sums := map[string]string{}
	for line := range lines(text) {
		if line == "" || line[0] == '#' {
			continue
		}
		name, sum := "", ""
		if found := bsdSum.FindStringSubmatch(line); found != nil {
			name, sum = found[1], found[2]
		} else {
			escaped := strings.HasPrefix(line, `\`)
			var ok bool
			sum, name, ok = strings.Cut(strings.TrimPrefix(line, `\`), " ")
			if raw, err := hex.DecodeString(sum); !ok || err != nil || len(raw) != 32 || len(name) < 2 {
				return nil, faultf(badManifest, "a line of the file of sums is no sum and name, as sha256sum writes them")
			}
			name = name[1:] // a space, or * for binary
			if escaped {
				name = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r").Replace(name)
			}
		}
		name, ok := within(name)
		if !ok {
			return nil, faultf(badManifest, "the file of sums has no file's name in %q", shorten(name, 60))
		}
		if sums[name] = strings.ToLower(sum); len(sums) > maxPromises {
			return nil, faultf(badManifest, "the file of sums names more than %d files", maxPromises)
		}
	}
	if len(sums) == 0 {
		return nil, faultf(badManifest, "the file of sums is empty")
	}
	return sums, nil
}

// within makes a name one of a file in the backup: whoever wrote it may have stood
// in another folder.
func within(name string) (string, bool) {
	clean := path.Clean(name)
	if !filepath.IsLocal(clean) || clean == "." {
		clean = path.Base(clean)
	}
	return clean, filepath.IsLocal(clean) && clean != "."
}

// promised finds the file that a manifest calls "Application data": one that is
// named so (application-data.tar.gz), or the only one of its kind.
func promised(of string, files []*file) *file {
	norm := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == ' ' || r == '_' || r == '-' {
				return -1
			}
			return r
		}, strings.ToLower(s))
	}
	var found, kind *file
	count := 0
	for _, f := range files {
		if name := norm(path.Base(f.name)); name == norm(of) || strings.HasPrefix(name, norm(of)+".") {
			found = f
		}
		if is := f.format.of; is == "sql" && strings.EqualFold(of, "database") || is == "tar" && strings.EqualFold(of, "application data") {
			kind, count = f, count+1
		}
	}
	if found == nil && count == 1 {
		return kind
	}
	return found
}
