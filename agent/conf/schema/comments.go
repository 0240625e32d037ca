package schema

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

const module = "github.com/webgrip/logkeel"

// A source is the comments of one package.
type source struct {
	types  map[string]string // by the type's name
	fields map[string]string // by type.field
}

// sourceOf reads the comments of the package that has the type.
func (w *walker) sourceOf(t reflect.Type) (*source, error) {
	pkg := t.PkgPath()
	if pkg == "main" {
		pkg = module + "/cmd/logkeel"
	}
	pkg = strings.TrimSuffix(pkg, "_test")
	if s := w.sources[pkg]; s != nil {
		return s, nil
	}
	rel, ok := strings.CutPrefix(pkg, module+"/")
	if !ok {
		return nil, fmt.Errorf("%s is not of this module: it has no comments", t)
	}
	s, err := read(filepath.Join(w.root, filepath.FromSlash(rel)))
	w.sources[pkg] = s
	return s, err
}

func read(dir string) (*source, error) {
	s := &source{types: map[string]string{}, fields: map[string]string{}}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, f.Name()), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				s.add(g)
			}
		}
	}
	return s, nil
}

func (s *source) add(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		doc := t.Doc
		if doc == nil {
			doc = g.Doc
		}
		s.types[t.Name.Name] = oneLine(doc)
		st, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range st.Fields.List {
			text := oneLine(f.Doc)
			if text == "" {
				text = oneLine(f.Comment)
			}
			for _, n := range f.Names {
				s.fields[t.Name.Name+"."+n.Name] = text
			}
		}
	}
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// typeDoc is the comment of a type, without its name and "is" where they begin it.
func (w *walker) typeDoc(t reflect.Type) (string, error) {
	s, err := w.sourceOf(t)
	if err != nil {
		return "", err
	}
	text := s.types[t.Name()]
	for _, article := range []string{"", "A ", "An "} {
		if rest, ok := strings.CutPrefix(text, article+t.Name()+" "); ok {
			return sentence(strings.TrimPrefix(rest, "is ")), nil
		}
	}
	return sentence(text), nil
}

// fieldDoc is the comment of a field, under the name that people know.
func (w *walker) fieldDoc(t reflect.Type, name, key string) (string, error) {
	s, err := w.sourceOf(t)
	if err != nil {
		return "", err
	}
	text := s.fields[t.Name()+"."+name]
	if rest, ok := strings.CutPrefix(text, name+" "); ok {
		return "`" + key + "` " + strings.TrimSuffix(rest, ".") + ".", nil
	}
	return sentence(text), nil
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if first, _, _ := strings.Cut(s, " "); strings.Trim(first, "abcdefghijklmnopqrstuvwxyz,;") == "" {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	return strings.TrimSuffix(s, ".") + "."
}
