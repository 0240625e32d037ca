package conf

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

const fileSuffix = "_file"

// A Field is one key that a struct reads.
type Field struct {
	Key    string
	Index  []int // as reflect.Type.FieldByIndex takes it
	Secret bool  // Key_file may stand in its place
}

// Fields lists the keys of a struct, inlined structs included, in the order of
// their declaration.
func Fields(t reflect.Type) []Field {
	var list []Field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if options == "inline" && f.Type.Kind() == reflect.Struct {
			for _, sub := range Fields(f.Type) {
				sub.Index = append([]int{i}, sub.Index...)
				list = append(list, sub)
			}
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		list = append(list, Field{name, []int{i}, f.Type == reflect.TypeFor[Secret]()})
	}
	return list
}

// section fills the struct v.
func (d *decoder) section(n *yaml.Node, v reflect.Value, p *path) {
	if short, ok := v.Addr().Interface().(Shorthand); ok && n.Kind == yaml.ScalarNode {
		if d.expand(n, p) {
			short.SetText(n.Value)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		d.noSection(n, p)
		return
	}
	fields := Fields(v.Type())
	byKey := make(map[string]Field, len(fields))
	for _, f := range fields {
		byKey[f.Key] = f
	}
	given := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		given[n.Content[i].Value] = true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		at := p.child(k.Value, k.Line)
		if f, ok := byKey[k.Value]; ok {
			d.value(c, v.FieldByIndex(f.Index), at)
			continue
		}
		base, _ := strings.CutSuffix(k.Value, fileSuffix)
		switch f := byKey[base]; {
		case f.Secret && given[base]:
			d.fail(k.Line, at, fmt.Sprintf("%s and %s are both given", base, k.Value), "remove one of them")
		case f.Secret:
			d.secretFile(c, v.FieldByIndex(f.Index).Addr().Interface().(*Secret), at)
		case p.parent == nil && strings.HasPrefix(k.Value, "x-"):
		default:
			d.fail(k.Line, at, fmt.Sprintf("unknown key %q", k.Value), suggest(k.Value, fields))
		}
	}
}

// secretFile reads a secret from the file that n names.
func (d *decoder) secretFile(n *yaml.Node, s *Secret, p *path) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.wrong(n, p, "the path of a file", "write it as /run/secrets/name", false)
		return
	}
	if !d.expand(n, p) {
		return
	}
	if n.Value == "" {
		d.wrong(n, p, "the path of a file", "write it as /run/secrets/name", false)
		return
	}
	data, err := d.opts.readFile(beside(d.doc.File, n.Value))
	if err != nil {
		msg, hint := unreadable(err)
		d.add(&Error{File: d.doc.File, Line: p.line, Field: p.String(), Msg: d.show(n, false) + ": " + msg, Hint: hint, cause: err})
		return
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	if len(data) == 0 {
		d.fail(p.line, p, d.show(n, false)+": the file is empty", "write the secret into it, on one line")
		return
	}
	*s = NewSecret(string(data))
	d.noteSecret(s)
}

// noteSecret keeps the secret out of what the document says later on.
func (d *decoder) noteSecret(target any) {
	// One of a letter or two would blot out half of any message.
	if s, ok := target.(*Secret); ok && len(s.Value()) > 2 {
		d.doc.secrets = append(d.doc.secrets, s.Value())
	}
}

// suggest says which key may have been meant.
func suggest(key string, fields []Field) string {
	best, bestDistance := "", 3
	keys := make([]string, 0, len(fields))
	for _, f := range fields {
		keys = append(keys, f.Key)
		if f.Secret {
			keys = append(keys, f.Key+fileSuffix)
		}
	}
	for _, k := range keys {
		if n := distance(key, k); n < bestDistance && n < min(len(key), len(k)) {
			best, bestDistance = k, n
		}
	}
	all := "keys here: " + strings.Join(keys, ", ")
	if best == "" {
		return all
	}
	return fmt.Sprintf("did you mean %q? (%s)", best, all)
}

// distance is Levenshtein's, in bytes; lengths too far apart are not measured.
func distance(a, b string) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
