package conf

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v4"
)

// config is a file with one field of each kind.
type config struct {
	Name    string            `yaml:"name"`
	Count   int               `yaml:"count"`
	Port    uint16            `yaml:"port"`
	Ratio   float64           `yaml:"ratio"`
	On      bool              `yaml:"on"`
	Every   Duration          `yaml:"every"`
	Limit   Size              `yaml:"limit"`
	Paths   Strings           `yaml:"paths"`
	Match   *regexp.Regexp    `yaml:"match"`
	Labels  map[string]string `yaml:"labels"`
	Any     any               `yaml:"any"`
	Auth    auth              `yaml:"auth"`
	Page    *page             `yaml:"page"`
	Outputs struct {
		Fluentd []fluentd `yaml:"fluentd"`
	} `yaml:"outputs"`
	Raw    yaml.Node `yaml:"raw"`
	common `yaml:",inline"`
	Common `yaml:",inline"`
	Skip   string `yaml:"-"`
}

type common struct{ Hidden string }

type Common struct {
	Level string `yaml:"level"`
}

type auth struct {
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
}

type page struct {
	Title string `yaml:"title"`
}

func (p *page) SetDefaults() { p.Title = "logkeel" }

type fluentd struct {
	Address string   `yaml:"address"`
	Timeout Duration `yaml:"timeout"`
	TLS     struct {
		CA string `yaml:"ca"`
	} `yaml:"tls"`
	Key Secret `yaml:"shared_key"`
}

func (f *fluentd) SetDefaults() { f.Timeout = Duration(5 * time.Second) }

func testEnv(name string) (string, bool) {
	v, ok := map[string]string{
		"PORT": "8080", "YES": "true", "RATIO": "0.5", "EMPTY": "", "NULL": "null",
		"HOST": "db.local", "PW": "hunter2", "YAML": "a: [b, c]", "MERGE": "<<", "EVERY": "90s", "DOLLAR": "${PORT}$$",
	}[name]
	return v, ok
}

// TestBadFiles decodes each file of testdata/bad.txtar whose name ends in .yaml
// and wants the messages in the file of that name that ends in .err, exactly.
func TestBadFiles(t *testing.T) {
	ar, err := txtar.ParseFile(filepath.Join("testdata", "bad.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range ar.Files {
		files[f.Name] = string(f.Data)
	}
	opts := Options{Env: testEnv, ReadFile: func(name string) ([]byte, error) {
		if name == "secrets" {
			return os.ReadFile(".")
		}
		data, ok := files[name]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return []byte(data), nil
	}}
	for _, f := range ar.Files {
		want, ok := files[strings.TrimSuffix(f.Name, ".yaml")+".err"]
		if !ok || !strings.HasSuffix(f.Name, ".yaml") {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			var c config
			doc, err := Load(f.Name, &c, opts)
			if err == nil {
				t.Fatal("no error")
			}
			if doc == nil {
				t.Error("no document")
			}
			if got := err.Error() + "\n"; got != want {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a secret is in the message")
			}
		})
	}
}

func TestDecode(t *testing.T) {
	ar, err := txtar.ParseFile(filepath.Join("testdata", "good.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range ar.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := config{Name: "default", Common: Common{Level: "info"}}
	c.Labels = map[string]string{"kept": "yes", "env": "dev"}
	doc, err := Load(filepath.Join(dir, "good.yaml"), &c, Options{Env: testEnv})
	if err != nil {
		t.Fatal(err)
	}
	re := c.Match
	c.Match = nil
	if re == nil || re.String() != "^a$b" {
		t.Errorf("match is %v", re)
	}
	c.Raw = yaml.Node{}
	want := config{
		Name: "default", Common: Common{Level: "info"}, Count: 3, Port: 8080, Ratio: 0.5, On: true,
		Every: Duration(90 * time.Second), Limit: 64 << 20, Paths: Strings{"/var/log"},
		Labels: map[string]string{"kept": "yes", "env": "prod", "port": "8080", "yaml": "a: [b, c]", "twice": "${PORT}$$", "cost": "5$", "none": "null"},
		Any:    map[string]any{"s": "8080", "m": "<<", "l": []any{true, 0.5, "", "null"}},
		Auth:   auth{User: "db.local:x", Password: NewSecret("s3cret ")},
		Page:   &page{Title: "logkeel"},
	}
	a := fluentd{Address: "10.0.0.1:24224", Timeout: Duration(2 * time.Second), Key: NewSecret("hunter2")}
	a.TLS.CA = "ca.pem"
	b := a
	b.Address = "10.0.0.2:24224"
	want.Outputs.Fluentd = []fluentd{a, b, {Address: "::1", Timeout: Duration(5 * time.Second)}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}

	for path, line := range map[string]int{
		"count":                       1,
		"labels.cost":                 15,
		"labels.missing":              8,
		"auth.password":               20,
		"outputs.fluentd":             28,
		"outputs.fluentd[1]":          30,
		"outputs.fluentd[1].address":  31,
		"outputs.fluentd[1].tls.ca":   25,
		"outputs.fluentd[7].address":  28,
		"outputs.fluentd[-1].address": 28,
		"outputs.fluentd[x":           28,
		"outputs.email[0].to":         27,
		"nothing.here":                0,
		"":                            0,
	} {
		if got := doc.Line(path); got != line {
			t.Errorf("line of %q is %d, want %d", path, got, line)
		}
	}
	for path, has := range map[string]bool{"auth.password": true, "auth.passwor": false, "labels": true, "labels.x": false, "": false, "outputs.fluentd[2]": true, "outputs.fluentd[3]": false} {
		if doc.Has(path) != has {
			t.Errorf("Has(%q) is %v", path, !has)
		}
	}
	e := doc.Errorf("labels.missing", "write it", "%q: %w", "s3cret s3cret ", fs.ErrNotExist)
	if got, want := strings.TrimPrefix(e.Error(), dir+"/"), `good.yaml:8: labels.missing: "<secret><secret>": file does not exist; write it`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !errors.Is(e, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "null\n", "--- # a\n# b\n"} {
		c := config{Name: "default"}
		doc, err := Decode("a.yaml", []byte(text), &c, Options{})
		if err != nil || c.Name != "default" || doc.Line("name") != 0 || doc.Has("name") {
			t.Errorf("%q: %v, %+v", text, err, c)
		}
	}
}

func TestNoEnv(t *testing.T) {
	var c config
	if _, err := Decode("a.yaml", []byte("name: '${X} $$'"), &c, Options{}); err != nil || c.Name != "${X} $$" {
		t.Errorf("%v, %q", err, c.Name)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(dir, &config{}, Options{})
	if want := dir + ": this is a folder, not a file; name a file in it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	name := filepath.Join(dir, "agent.yaml")
	doc, err := Load(name, &config{}, Options{})
	if want := name + ": there is no such file; check the path"; err == nil || err.Error() != want || doc == nil {
		t.Errorf("got %v, want %s", err, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	denied := Options{ReadFile: func(string) ([]byte, error) {
		return nil, &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}
	}}
	_, err = Load("x", &config{}, denied)
	if want := "x: the file cannot be read: permission denied; make it readable for the user that runs this"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := os.WriteFile(name, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load(name, &config{}, Options{})
	if want := name + ": the file cannot be read: it is larger than 8 MiB; check the path"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestBombs wants small files that stand for huge ones to fail, and soon.
func TestBombs(t *testing.T) {
	var laughs, merges, refs strings.Builder
	laughs.WriteString("any:\n  a0: &a0 [x]\n")
	merges.WriteString("x-0: &m0 {k: v}\n")
	for i := 1; i < 40; i++ {
		prev, next := string(rune('0'+(i-1)/10))+string(rune('0'+(i-1)%10)), string(rune('0'+i/10))+string(rune('0'+i%10))
		if i == 1 {
			prev = "0"
		}
		laughs.WriteString("  a" + next + ": &a" + next + " [" + strings.Repeat("*a"+prev+",", 9) + "]\n")
		merges.WriteString("x-" + next + ": &m" + next + " {<<: [" + strings.Repeat("*m"+prev+",", 9) + "]}\n")
	}
	refs.WriteString("paths:\n" + strings.Repeat("- '"+strings.Repeat("${BIG}", 100)+"'\n", 1000))
	env := func(string) (string, bool) { return strings.Repeat("x", 100_000), true }
	for name, text := range map[string]string{
		"laughs": laughs.String(), "merges": merges.String(), "variables": refs.String(),
		"deep":     "any: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"deep map": "any: " + strings.Repeat("{a: ", 5000) + strings.Repeat("}", 5000),
		"cycle":    "any: &a [*a]",
		"merge":    "any: &a {<<: *a}",
		"wide":     "labels: {" + strings.Repeat("a: 1, ", 100_000) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode("a.yaml", []byte(text), &config{}, Options{Env: env})
			if err == nil {
				t.Fatal("no error")
			}
			if n := len(err.(Errors)); n > maxErrors {
				t.Errorf("%d errors", n)
			}
			if len(err.Error()) > 20_000 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestJoin(t *testing.T) {
	if Join() != nil || Join(nil, Errors{}, (*Error)(nil), errors.Join()) != nil {
		t.Error("nothing is not nil")
	}
	x := errors.New("x")
	err := Join(
		&Error{File: "b", Line: 9, Msg: "1"},
		errors.Join(Errors{{File: "a", Line: 3, Field: "f", Msg: "2", Hint: "h"}, {File: "b", Line: 2, Msg: "3"}}, x),
		nil,
	)
	if got, want := err.Error(), "b:2: 3\nb:9: 1\na:3: f: 2; h\nx"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !errors.Is(err, x) {
		t.Error("the cause is lost")
	}
	var one *Error
	if !errors.As(err, &one) {
		t.Error("no *Error in it")
	}
}

func TestSuggest(t *testing.T) {
	fields := Fields(reflect.TypeFor[fluentd]())
	for key, want := range map[string]string{
		"adress": `did you mean "address"? `, "timeout_": `did you mean "timeout"? `, "tsl": `did you mean "tls"? `,
		"x": "", "foo": "", "shared_key_fil": `did you mean "shared_key_file"? `, "SharedKey": "",
	} {
		got := suggest(key, fields)
		want = strings.TrimSuffix(want+"(keys here: address, timeout, tls, shared_key, shared_key_file)", "")
		if !strings.Contains(want, "mean") {
			want = strings.Trim(want, "()")
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
	if !slices.Equal([]int{distance("", "ab"), distance("abc", "abc"), distance("kitten", "sittin")}, []int{2, 0, 2}) {
		t.Error("distances are wrong")
	}
}
