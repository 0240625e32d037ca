package conf

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzDecode wants no panic, and errors that name the file and no secret.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"bad.txtar", "good.txtar"} {
		ar, err := txtar.ParseFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			f.Add(file.Data)
		}
	}
	const secret = "\u2620fuzz"
	opts := Options{
		Env:      func(name string) (string, bool) { return secret, len(name) < 3 },
		ReadFile: func(string) ([]byte, error) { return []byte(secret), nil },
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c config
		doc, err := Decode("f.yaml", data, &c, opts)
		if doc == nil {
			t.Fatal("no document")
		}
		doc.Line("outputs.fluentd[0].address")
		doc.Line(string(data))
		if err == nil {
			return
		}
		var all Errors
		if !errors.As(err, &all) || len(all) == 0 || len(all) > maxErrors {
			t.Fatalf("not an Errors: %v", err)
		}
		for i, e := range all {
			if e.File != "f.yaml" || e.Msg == "" || e.Hint == "" && !strings.Contains(e.Msg, "regexp") || i > 0 && e.Line < all[i-1].Line {
				t.Fatalf("%+v", *e)
			}
		}
		if strings.Contains(err.Error(), secret) && !strings.Contains(string(data), secret) {
			t.Fatalf("shows a secret: %v", err)
		}
	})
}
