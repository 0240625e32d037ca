// Package conf reads YAML files that people write, and tells them what is wrong
// with file, line, field and remedy.
//
// It is strict: a key that nobody reads, a key given twice and a value of the
// wrong kind are errors, and all of them are reported at once. Values may hold
// ${NAME} from the environment, and a Secret may lie in a file of its own.
package conf

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v4"
)

// maxFile bounds what is read of a file, in bytes.
const maxFile = 8 << 20

// Options say where values come from that are not in the file itself.
type Options struct {
	// Env looks up ${NAME}. Without it nothing is expanded.
	Env func(string) (string, bool)
	// ReadFile reads files; os.ReadFile where it is nil.
	ReadFile func(string) ([]byte, error)
}

func (o Options) readFile(name string) ([]byte, error) {
	if o.ReadFile != nil {
		return o.ReadFile(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	return data, err
}

// A Defaulter is a struct that has defaults. SetDefaults is called on each one
// that Decode makes: list elements, values of maps, sections behind a pointer.
type Defaulter interface{ SetDefaults() }

// A Shorthand is a struct for which one text may stand in the file.
type Shorthand interface{ SetText(text string) }

// A Schemer is a type that reads its own form. JSONSchema is that form as JSON
// Schema, without regard to variables; its title is what the reference calls the
// type. It is asked of the zero value.
type Schemer interface{ JSONSchema() string }

// A Doc is a file that was read: it knows on which line each field stands.
type Doc struct {
	File    string
	Sum     [sha256.Size]byte // of the content
	root    *yaml.Node        // without aliases and merge keys; nil where the file is empty
	secrets []string
}

// Decode reads one YAML document into the struct that v points to. What v holds
// already are the defaults; after an error its content is of no use. All that
// is wrong is in the error, an Errors; the Doc is never nil.
//
// A section with nothing under it is there, with its defaults; a list with
// nothing under it is as if it were not written; any other key needs a value.
// Keys of the top level that start with x- are left alone: they are a place for
// anchors.
func Decode(file string, data []byte, v any, o Options) (*Doc, error) {
	doc := &Doc{File: file, Sum: sha256.Sum256(data)}
	root, err := parse(file, data)
	if err != nil {
		return doc, err
	}
	d := &decoder{doc: doc, opts: o, sources: map[*yaml.Node]string{}}
	if root != nil {
		doc.root = d.resolve(root)
	}
	if len(d.errs) == 0 && doc.root != nil {
		d.value(doc.root, reflect.ValueOf(v).Elem(), &path{})
	}
	return doc, d.errs.orNil()
}

// Load reads the file and decodes it as Decode does.
func Load(file string, v any, o Options) (*Doc, error) {
	data, err := o.readFile(file)
	if err != nil {
		msg, hint := unreadable(err)
		return &Doc{File: file}, Errors{{File: file, Msg: msg, Hint: hint, cause: err}}
	}
	return Decode(file, data, v, o)
}

// unreadable says why a file could not be read, without its name.
func unreadable(err error) (msg, hint string) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file", "check the path"
	case errors.Is(err, syscall.EISDIR):
		return "this is a folder, not a file", "name a file in it"
	case errors.Is(err, fs.ErrPermission):
		return "the file cannot be read: permission denied", "make it readable for the user that runs this"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return "the file cannot be read: " + err.Error(), "check the path"
}

// Errorf makes an Error of the field at path, as outputs.fluentd[0].address. It
// has the field's line, or that of the nearest section around it that is there.
// The format may have a %w.
func (d *Doc) Errorf(path, hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	msg := err.Error()
	for _, s := range d.secrets {
		msg = strings.ReplaceAll(msg, s, hidden)
	}
	return &Error{File: d.File, Line: d.Line(path), Field: path, Msg: msg, Hint: hint, cause: errors.Unwrap(err)}
}

// Line is the line of the field at path, or of the nearest section around it
// that is in the file; 0 where there is none.
func (d *Doc) Line(path string) int {
	line, _ := d.find(path)
	return line
}

// Has reports whether the field at path is in the file.
func (d *Doc) Has(path string) bool {
	_, ok := d.find(path)
	return ok && path != ""
}

// find walks down as far as the file goes. A secret may stand as its file.
func (d *Doc) find(path string) (line int, ok bool) {
	n := d.root
	for path != "" && n != nil {
		next, at, rest := step(n, path)
		if next == nil {
			return line, false
		}
		n, line, path = next, at, strings.TrimPrefix(rest, ".")
	}
	return line, n != nil
}

// step finds the first part of path below n. Keys may have dots themselves.
func step(n *yaml.Node, path string) (next *yaml.Node, line int, rest string) {
	switch n.Kind {
	case yaml.MappingNode:
		for _, suffix := range []string{"", "_file"} {
			for i := 0; i+1 < len(n.Content); i += 2 {
				key, isKey := strings.CutSuffix(n.Content[i].Value, suffix)
				rest, isHead := strings.CutPrefix(path, key)
				if isKey && isHead && (rest == "" || rest[0] == '.' || rest[0] == '[') {
					return n.Content[i+1], n.Content[i].Line, rest
				}
			}
		}
	case yaml.SequenceNode:
		head, rest, _ := strings.Cut(path, "]")
		digits, isIndex := strings.CutPrefix(head, "[")
		i, err := strconv.Atoi(digits)
		if isIndex && err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i].Line, rest
		}
	}
	return nil, 0, ""
}

// Path is name as it is meant in the file: a relative one is relative to the
// file's folder.
func (d *Doc) Path(name string) string {
	if name == "" {
		return ""
	}
	return beside(d.File, name)
}

// beside is a path as it is meant in a file: relative to the file's folder.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(file), name)
}
