package conf

import (
	"fmt"
	"strings"
	"testing"
)

func (t *Tree) write(b *strings.Builder, indent string) {
	for i, k := range t.keys {
		fmt.Fprintf(b, "%s%d %q=%q\n", indent, t.items[i].Line, k, t.items[i].Text)
		t.items[i].write(b, indent+"  ")
	}
	if t.keys == nil {
		for _, item := range t.items {
			fmt.Fprintf(b, "%s- %q\n", indent, item.Text)
			item.write(b, indent+"  ")
		}
	}
}

func TestParseTree(t *testing.T) {
	const text = `
x-a: &a {image: shop, ports: [8080, "80:80"]}
services:
  app:
    <<: *a
    command: !override [a, b]
    volumes: !reset null
    empty:
    env: {A: "yes", B: yes}
`
	root, err := ParseTree("c.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	root.Get("services").write(&b, "")
	const want = `4 "app"=""
  6 "command"=""
    - "a"
    - "b"
  7 "volumes"=""
  8 "empty"=""
  9 "env"=""
    9 "A"="yes"
    9 "B"="yes"
  2 "image"="shop"
  2 "ports"=""
    - "8080"
    - "80:80"
`
	if b.String() != want {
		t.Errorf("got\n%s", &b)
	}
	app := root.Get("services").Get("app")
	if n := app.Get("image").List(); len(n) != 1 || n[0].String() != "shop" {
		t.Errorf("a text as a list: %v", n)
	}
	if !app.Get("env").Get("A").Quoted || app.Get("env").Get("B").Quoted || app.Get("no").Get("no").String() != "" || app.Get("no").List() != nil {
		t.Error("what is quoted, or is not there")
	}
}

func TestParseTreeErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"a: 1\nb: [\n":               "c.yaml:3: ",
		"a: 1\na: 2\n":               `c.yaml:2: key "a" is given twice`,
		"a:\n\tb: 1\n":               "c.yaml:2: ",
		"a: &a [*a]\n":               "c.yaml:1: an alias stands inside its own anchor",
		"a: 1\n---\nb: 2\n":          "a second document",
		strings.Repeat("[", 100):     "c.yaml:",
		"services:\n  a: *nowhere\n": "c.yaml:2: ",
	} {
		_, err := ParseTree("c.yaml", []byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte("a: {b: [1, !x y, *z]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := ParseTree("c.yaml", data)
		if err != nil {
			return
		}
		for _, k := range root.Keys() {
			if root.Get(k) == nil {
				t.Errorf("%q is a key and is not there", k)
			}
		}
	})
}

func TestTreeWithout(t *testing.T) {
	parsed := func(text string) *Tree {
		root, err := ParseTree("c.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return root
	}
	a := parsed("app: {image: shop, ports: [80], env: {A: 1, B: 2}}\ndb: {image: db}\n")
	for text, want := range map[string]string{
		"":                              `app{image,ports,env{A,B}},db{image}`,
		"app: {ports: !reset [81]}":     `app{image,env{A,B}},db{image}`,
		"app: {ports: !reset null}":     `app{image,env{A,B}},db{image}`,
		"app: {ports: !other [81]}":     `app{image,ports,env{A,B}},db{image}`,
		"app: {env: {A: !reset }}":      `app{image,ports,env{B}},db{image}`,
		"app: {image: {A: !reset }}":    `app{image,ports,env{A,B}},db{image}`,
		"app: !reset {}\nx: !reset {}":  `db{image}`,
		"db: {image: !reset x}\napp: 1": `app{image,ports,env{A,B}},db`,
	} {
		if got := keysOf(a.Without(parsed(text), func(t *Tree) bool { return t.Tag == "!reset" })); got != want {
			t.Errorf("%s: %s; want %s", text, got, want)
		}
	}
	if n := parsed("a: !reset null").Get("a"); n.Tag != "!reset" || n.Text != "" || parsed("a: !!str 1").Get("a").Tag != "" {
		t.Errorf("%+v", n)
	}
}

func keysOf(t *Tree) string {
	var all []string
	for _, k := range t.Keys() {
		if of := keysOf(t.Get(k)); of != "" {
			k += "{" + of + "}"
		}
		all = append(all, k)
	}
	return strings.Join(all, ",")
}
