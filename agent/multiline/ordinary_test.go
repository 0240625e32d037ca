package multiline

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Nothing is joined of logs in which each line is a record, though their lines
// come without any pause: those of each format's own images (testdata/ordinary,
// the format's name first), and those of Redis, which has none.
func TestOrdinaryLogs(t *testing.T) {
	files, err := filepath.Glob("testdata/ordinary/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		of, _, _ := strings.Cut(filepath.Base(file), ".")
		for _, name := range Names() {
			if of != name && of != "none" {
				continue
			}
			t.Run(filepath.Base(file)+"/"+name, func(t *testing.T) {
				f, _ := Preset(name)
				var s State
				var before string
				for l := range bytes.Lines(log) {
					l = bytes.TrimSuffix(l, []byte("\n"))
					next, joins := f.Next(s, l)
					if joins {
						t.Errorf("%q\njoins %q", l, before)
					}
					s, before = next, string(l)
				}
			})
		}
	}
}
