// Package fields reads the fields of a record: what an access log, JSON or logfmt
// has written into its line, or the members that it came with.
package fields

import "slices"

// A Format says how a record is read.
type Format uint8

// The formats. The fields of Access are known; those of the others are what the
// records have.
const (
	None Format = iota
	Access
	JSON
	Logfmt
	Record
	count
)

// Count is one more than the last of the formats.
const Count = int(count)

// Stream is the field that all formats have: which of a container's streams the
// record was written to, stdout or stderr.
const Stream = "stream"

// Formats are the names of all formats.
func Formats() []string { return []string{"access", "json", "logfmt", "record"} }

// Named is the format of that name, None where there is none.
func Named(name string) Format { return Format(slices.Index(Formats(), name) + 1) }

func (f Format) String() string {
	if f == None || f >= count {
		return ""
	}
	return Formats()[f-1]
}

// Names are the fields that the format has; nil where it is the records that
// say.
func (f Format) Names() []string {
	if f == Access {
		return append(accessNames(), Stream)
	}
	return nil
}

// Has reports whether records of the format may have the field.
func (f Format) Has(name string) bool {
	names := f.Names()
	return names == nil || slices.Contains(names, name)
}

// Wanted are the fields of one format that somebody asks for. Fill it before it
// is read by: then many may do that at once.
type Wanted struct {
	format Format
	names  []string
	stream int               // which of names is Stream, or -1
	access [accessFields]int // which of names is the access log's field, or -1
	object *accessObject     // of an access log that is written as JSON
	heads  [256]bool         // the bytes that names start with
}

// NewWanted returns one that nobody asks anything of yet.
func NewWanted(f Format) *Wanted {
	w := &Wanted{format: f, stream: -1}
	for i := range w.access {
		w.access[i] = -1
	}
	if f == Access {
		w.object = newAccessObject()
	}
	return w
}

// Add asks for a field, and says by which number it can be had.
func (w *Wanted) Add(name string) int {
	if i := slices.Index(w.names, name); i >= 0 {
		return i
	}
	i := len(w.names)
	w.names = append(w.names, name)
	switch field := slices.Index(accessNames(), name); {
	case name == Stream:
		w.stream = i
		return i
	case w.format == Access && field >= 0:
		w.access[field] = i
	}
	if name != "" {
		w.heads[name[0]] = true
	}
	return i
}

// Len is how many fields are asked for.
func (w *Wanted) Len() int { return len(w.names) }

// Index is the number of the field, -1 where nobody asks for it.
func (w *Wanted) Index(name string) int { return slices.Index(w.names, name) }

// An Input is one record.
type Input struct {
	Body   []byte
	Map    []byte // a map of MessagePack, or nothing: the members that the record came with
	Key    []byte // the name of the member that Body is, where it is one
	Stream string // "" where the log has none
}

// Values are what a record's fields say. The zero value is ready; its memory is
// used again for the next record.
type Values struct {
	wanted *Wanted
	list   []value
	buf    []byte // what is not in the record as it is written
	open   []path // names that are looked for inside of what is being read
	body   []byte
	at     int // in body
	keep   bool
	inner  *Values // the members of an access log that is written as JSON
}

// A value is what one field says.
type value struct {
	text       []byte
	start, end int32 // in the body; both 0 where it is not from there
	ok         bool
}

// A path is what is left of the name of a field, behind what it is inside of.
type path struct {
	field int
	rest  string
}

// Read reads the wanted fields of a record. ok is false where the record is not
// in the format; then it has no fields. What was read before is gone. The values
// are valid as long as the record is.
func (v *Values) Read(w *Wanted, in *Input) (ok bool) {
	v.wanted, v.body = w, in.Body
	v.clear()
	v.buf = v.buf[:0]
	switch w.format {
	case Access:
		ok = v.readAccess()
	case JSON:
		ok = v.readJSON()
	case Logfmt:
		ok = v.readLogfmt()
	case Record:
		ok = v.readRecord(in)
	}
	if !ok {
		v.clear()
	}
	if ok && w.stream >= 0 && in.Stream != "" {
		v.buf = append(v.buf, in.Stream...)
		v.list[w.stream] = value{text: v.buf[len(v.buf)-len(in.Stream):], ok: true}
	}
	return ok
}

// Get is what the field that Add has given the number says; ok is false where
// the record does not have it.
func (v *Values) Get(field int) (text []byte, ok bool) {
	x := &v.list[field]
	return x.text, x.ok
}

// Span is where in the body the field is written; ok is false where it is not
// from there.
func (v *Values) Span(field int) (start, end int, ok bool) {
	x := &v.list[field]
	return int(x.start), int(x.end), x.ok && x.end > x.start
}

func (v *Values) clear() {
	v.list = v.list[:0]
	for range v.wanted.names {
		v.list = append(v.list, value{})
	}
}

// put keeps what a field says, which is written from start to end.
func (v *Values) put(field int, text []byte, start, end int) {
	if field == v.wanted.stream || v.keep && v.list[field].ok {
		return
	}
	v.list[field] = value{text, int32(start), int32(end), true}
}

// drop makes a field one that the record does not have.
func (v *Values) drop(field int) {
	if !v.keep {
		v.list[field] = value{}
	}
}

// all looks for all names.
func (v *Values) all() {
	v.open = v.open[:0]
	for i, name := range v.wanted.names {
		v.open = append(v.open, path{i, name})
	}
}

// enter looks, in what the names of open from on, up to to, are looked for in,
// into the member with the key: what is left of these names there is appended
// to open. It is "" where the member is the field itself.
func (v *Values) enter(from, to int, key []byte) (inner int) {
	inner = len(v.open)
	if len(key) == 0 || from == 0 && !v.wanted.heads[key[0]] {
		return inner
	}
	for i := from; i < to; i++ {
		p := v.open[i]
		if len(p.rest) < len(key) || p.rest[:len(key)] != string(key) {
			continue
		}
		switch {
		case len(p.rest) == len(key):
			v.open = append(v.open, path{p.field, ""})
		case p.rest[len(key)] == '.' && len(p.rest) > len(key)+1:
			v.open = append(v.open, path{p.field, p.rest[len(key)+1:]})
		}
	}
	return inner
}

// leave forgets the names from on.
func (v *Values) leave(from int) { v.open = v.open[:from] }

// scalar is what a member says that has nothing in it.
func (v *Values) scalar(from int, text []byte, start, end int) {
	for i := from; i < len(v.open); i++ {
		if v.open[i].rest == "" {
			v.put(v.open[i].field, text, start, end)
		}
	}
}

// nothing makes fields absent that the record gives as null, or as something
// that is no text.
func (v *Values) nothing(from int) {
	for i := from; i < len(v.open); i++ {
		if v.open[i].rest == "" {
			v.drop(v.open[i].field)
		}
	}
}

// exact reports whether a member that is read is itself a field.
func (v *Values) exact(from int) bool {
	return slices.ContainsFunc(v.open[from:], func(p path) bool { return p.rest == "" })
}
