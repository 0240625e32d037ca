package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each cause that a part can name is in docs/doctor.md.
func TestEveryCauseIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?:Cause: +|Cause(?:, d\.\w+)* = |\badd\(|(?:Failed|Warned|Known|missing), |return |cause :?= )"([a-z]+(?:_[a-z]+)*)"`)
	seen := 0
	for _, root := range []string{"../../agent", "../../collectors", "../../outputs", "../doctor", "."} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			name := filepath.Base(path)
			if err != nil || strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(name, "diagnose") && !strings.HasSuffix(path, "doctor.go") {
				return err
			}
			b, err := os.ReadFile(path)
			for _, m := range named.FindAllStringSubmatch(string(b), -1) {
				if seen++; !strings.Contains(string(doc), "`"+m[1]+"`") {
					t.Errorf("%s names %s, which is not in docs/doctor.md", path, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 80 {
		t.Errorf("only %d causes were found", seen)
	}
}
