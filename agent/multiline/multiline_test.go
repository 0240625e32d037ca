package multiline

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A record is some lines that belong together. held says that its first line
// has to wait for others.
type record struct {
	text string
	held bool
}

// split joins the lines of a log as f says.
func split(f *Format, log []byte) (records []record) {
	var s State
	for l := range bytes.Lines(log) {
		l = bytes.TrimSuffix(l, []byte("\n"))
		next, joins := f.Next(s, l)
		if joins {
			records[len(records)-1].text += "\n" + string(l)
		} else {
			records = append(records, record{string(l), next != 0})
		}
		s = next
	}
	return records
}

var border = regexp.MustCompile(`(?m)^--- (held|now)\n`)

// golden reads the records of a preset. Each ends with a line that says whether
// its first line is held.
func golden(t testing.TB, name string) (log []byte, want []record) {
	file, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, m := range border.FindAllSubmatchIndex(file, -1) {
		text := file[at:m[0]]
		log = append(log, text...)
		want = append(want, record{strings.TrimSuffix(string(text), "\n"), string(file[m[2]:m[3]]) == "held"})
		at = m[1]
	}
	return log, want
}

func TestPresets(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			f, ok := Preset(name)
			if !ok || f.Name() != name {
				t.Fatalf("no preset %s", name)
			}
			log, want := golden(t, name)
			got := split(f, log)
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Fatalf("record %d\n got %q\nwant %q", i, at(got, i), at(want, i))
				}
			}
		})
	}
}

func at(all []record, i int) string {
	if i >= len(all) {
		return "none"
	}
	return fmt.Sprint(all[i])
}

// Two of the same in a row are twice as many records: no trace takes the next one
// along.
func TestAgain(t *testing.T) {
	for _, name := range Names() {
		f, _ := Preset(name)
		_, want := golden(t, name)
		for _, r := range want {
			if r.text[0] == '\t' { // frames whose head was lost
				continue
			}
			if got := split(f, []byte(r.text+"\n"+r.text+"\n")); len(got) != 2 || got[0] != r || got[1] != r {
				t.Errorf("%s: twice %q is %v", name, r.text, got)
			}
		}
	}
}

// Ordinary lines wait for nothing, whatever the format.
func TestOrdinary(t *testing.T) {
	lines := []string{
		"", " ", "\t", "a", "ready", "  - item", "\tindented", "}", `"}`, "#", "[", "]", "{", "(", "goroutine", "PHP", "NOTICE: x", "Caused",
		`{"level":"info","msg":"x"}`, `172.18.0.1 - - [09/Jan/2025:14:30:00 +0000] "GET / HTTP/1.1" 200 1`, "2025-01-09T14:30:00Z INFO ok", "[09-Jan-2025", "[2025",
	}
	for _, name := range Names() {
		f, _ := Preset(name)
		for _, l := range lines {
			if next, joins := f.Next(0, []byte(l)); next != 0 || joins {
				t.Errorf("%s: %q: state %d, joins %v", name, l, next, joins)
			}
		}
	}
}

func TestForImage(t *testing.T) {
	for image, want := range map[string]string{
		"invoiceninja/invoiceninja:5":                                   "laravel",
		"invoiceninja/invoiceninja-debian:5.11@sha256:0123456789abcdef": "laravel",
		"registry.example:5000/mirror/invoiceninja-debian":              "laravel",
		"php:8.3-fpm-alpine":                                            "php-fpm",
		"PHP":                                                           "php-fpm",
		"mariadb":                                                       "mariadb",
		"docker.io/library/mysql:8":                                     "mariadb",
		"registry.example:5000/bitnami/postgresql:16":                   "postgresql",
		"eclipse-temurin:21@sha256:0123456789abcdef":                    "java",
		"postgres@sha256:0123456789abcdef":                              "postgresql",
		"tomcat:10":                                                     "java",
		"python:3.12-slim":                                              "python",
		"golang:1.26":                                                   "go",
		"nginx:1":                                                       "nginx",
		"node:22":                                                       "node",
		"mcr.microsoft.com/dotnet/aspnet:8.0":                           "dotnet",
		"redis:7":                                                       "",
		"example/shop-php":                                              "",
		"sha256:0123456789abcdef":                                       "",
		"":                                                              "",
		"php/other":                                                     "",
		"registry.example:5000/team/python-exporter:1.": "",
	} {
		got := ""
		if f := ForImage(image); f != nil {
			got = f.Name()
		}
		if got != want {
			t.Errorf("%q: %q for %q", image, got, want)
		}
	}
	for image, name := range images {
		if _, ok := Preset(name); !ok {
			t.Errorf("%s has %q, which is none", image, name)
		}
	}
}

func TestCustom(t *testing.T) {
	for _, c := range []struct {
		start, cont string
		log         string
		want        []string
	}{
		{`^\d`, "", "a\nb\n1\nx\n\n2\n3\ny\n", []string{"a\nb", "1\nx\n", "2", "3\ny"}},
		{"", `^\s`, "a\n b\n\tc\nd\ne\n f\n", []string{"a\n b\n\tc", "d", "e\n f"}},
	} {
		f, err := Custom(c.start, c.cont)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range split(f, []byte(c.log)) {
			got = append(got, r.text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q %q: %q for %q", c.start, c.cont, got, c.want)
		}
	}
	for _, bad := range [][2]string{{"", ""}, {"a", "b"}, {"(", ""}, {"", "[a"}} {
		if f, err := Custom(bad[0], bad[1]); err == nil || f != nil {
			t.Errorf("%q is a format", bad)
		}
	}
}

// FuzzNext has any lines in any state: nothing joins what is not open, the line
// stays as it is, and the judgement does not depend on what lies behind it.
func FuzzNext(f *testing.F) {
	for _, name := range Names() {
		log, _ := golden(f, name)
		f.Add(log)
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		before := bytes.Clone(log)
		for _, p := range presets {
			var s State
			for l := range bytes.Lines(log) {
				l = bytes.TrimSuffix(l, []byte("\n"))
				next, joins := p.Next(s, l)
				if joins && s == 0 {
					t.Fatalf("%s: %q joins nothing", p.name, l)
				}
				n, j := p.Next(s, bytes.Clone(l))
				if n != next || j != joins {
					t.Fatalf("%s: %q is judged in two ways", p.name, l)
				}
				if !joins {
					if n, _ := p.Next(0, l); n != next {
						t.Fatalf("%s: %q begins with state %d after %d, and with %d else", p.name, l, next, s, n)
					}
				}
				s = next
			}
		}
		if !bytes.Equal(log, before) {
			t.Fatal("the log was changed")
		}
	})
}

func TestAllocs(t *testing.T) {
	for _, name := range Names() {
		f, _ := Preset(name)
		log, _ := golden(t, name)
		lines := bytes.Split(log, []byte("\n"))
		var s State
		if n := testing.AllocsPerRun(10, func() {
			for _, l := range lines {
				s, _ = f.Next(s, l)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkOrdinary judges a line that belongs to nothing.
func BenchmarkOrdinary(b *testing.B) {
	l := []byte(`10.0.0.17 - - [09/Jan/2025:14:30:00 +0000] "GET /index.php?id=00000017 HTTP/1.1" 200 5316 "-" "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0" rt=0.017`)
	for _, f := range presets {
		b.Run(f.name, func(b *testing.B) {
			for b.Loop() {
				if s, _ := f.Next(0, l); s != 0 {
					b.Fatal(s)
				}
			}
		})
	}
}
