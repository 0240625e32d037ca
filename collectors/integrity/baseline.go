package integrity

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// A baseline is the file in which a tree outlives the agent: this line, a head as
// JSON, the folders with their files, and the SHA-256 of all that. Numbers are
// varints, texts have their length in front.
const baselineForm = "logkeel integrity 1\n"

const (
	maxHead = 4 << 20
	maxName = 64 << 10 // bytes of a path
)

// A head is what a baseline has beside the tree.
type head struct {
	Folders  int            `json:"folders"`
	Learned  bool           `json:"learned"`
	Since    time.Time      `json:"since"` // of when the tree is
	Partial  bool           `json:"partial,omitempty"`
	Cursor   string         `json:"cursor,omitempty"` // base64, for a path may be any bytes
	Selected string         `json:"selected"`         // Config.selected of then
	Findings []savedFinding `json:"findings,omitempty"`
}

// selected is the part of the configuration that says which files are looked at.
// Where it has changed, files that are new to the agent are no news.
func (w *watch) selected() string {
	sum := sha256.New()
	json.NewEncoder(sum).Encode([]any{w.paths, w.c.Exclude, w.c.FollowSymlinks, w.c.OneFileSystem})
	return fmt.Sprintf("%x", sum.Sum(nil)[:16])
}

// writeBaseline writes the tree. The folders' paths come sorted.
func writeBaseline(to io.Writer, h head, t *tree) error {
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(to, sum), 64<<10)
	h.Folders, h.Learned, h.Since, h.Partial = len(t.folders), t.learned, t.since, t.partial
	first, err := json.Marshal(h)
	if err != nil {
		return err
	}
	e := encoder{out: out}
	out.WriteString(baselineForm)
	e.bytes(first)
	for _, at := range t.below("/") {
		e.folder(at, t.folders[at])
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = to.Write(sum.Sum(nil))
	return err
}

type encoder struct {
	out *bufio.Writer
	buf []byte
}

func (e *encoder) numbers(all ...uint64) {
	e.buf = e.buf[:0]
	for _, n := range all {
		e.buf = binary.AppendUvarint(e.buf, n)
	}
	e.out.Write(e.buf)
}

func (e *encoder) bytes(b []byte) {
	e.numbers(uint64(len(b)))
	e.out.Write(b)
}

func (e *encoder) text(s string) {
	e.numbers(uint64(len(s)))
	e.out.WriteString(s)
}

func (e *encoder) meta(m *meta) {
	e.numbers(uint64(m.size), uint64(m.mtime), uint64(m.ctime), m.inode, uint64(m.mode), uint64(m.uid), uint64(m.gid))
}

func (e *encoder) folder(at string, f *folder) {
	e.text(at)
	e.numbers(uint64(len(f.root)), uint64(f.flags), asNumber(f.partial))
	e.meta(&f.meta)
	e.numbers(uint64(len(f.files)))
	for i := range f.files {
		file := &f.files[i]
		e.text(file.name)
		e.numbers(uint64(file.flags))
		e.meta(&file.meta)
		if file.flags&hashed != 0 {
			e.out.Write(file.hash[:])
		}
	}
}

func asNumber(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// readBaseline reads what writeBaseline wrote, of at most limit files.
func readBaseline(from io.Reader, limit int) (h head, t *tree, err error) {
	d := decoder{in: bufio.NewReaderSize(from, 64<<10), sum: sha256.New()}
	if form := d.bytes(uint64(len(baselineForm))); string(form) != baselineForm {
		return h, nil, errors.New("it is none of this version")
	}
	if err := json.Unmarshal(d.sized(maxHead), &h); err != nil && d.err == nil {
		return h, nil, err
	}
	t = newTree()
	t.learned, t.since, t.partial = h.Learned, h.Since, h.Partial
	last := ""
	for range h.Folders {
		at, f := d.folder(limit - t.files)
		if d.err == nil && (at <= last || !isBelow(f.root, at)) {
			d.err = errors.New("a folder is not where it belongs")
		}
		if d.err != nil {
			break
		}
		t.put(at, f)
		last = at
	}
	have := d.sum.Sum(nil)
	if want := d.bytes(sha256.Size); d.err == nil && !bytes.Equal(have, want) {
		d.err = errors.New("it is not as it was written")
	}
	if d.err != nil {
		return h, nil, d.err
	}
	return h, t, nil
}

// A decoder remembers its first error; what it returns after that means nothing.
type decoder struct {
	in  *bufio.Reader
	sum interface {
		io.Writer
		Sum([]byte) []byte
	}
	err  error
	root string // of the last folder: most have the same
}

// bytes are the next n, of which there is memory for as many as there are.
func (d *decoder) bytes(n uint64) []byte {
	if d.err != nil {
		return nil
	}
	var b []byte
	var err error
	if n <= maxName {
		b = make([]byte, n)
		_, err = io.ReadFull(d.in, b)
	} else {
		b, err = io.ReadAll(io.LimitReader(d.in, int64(n)))
	}
	if err == nil && uint64(len(b)) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		d.err = fmt.Errorf("it ends too early: %w", err)
		return nil
	}
	d.sum.Write(b)
	return b
}

func (d *decoder) sized(most uint64) []byte {
	n := d.number()
	if d.err == nil && n > most {
		d.err = errors.New("a text is too long")
	}
	return d.bytes(n)
}

func (d *decoder) number() uint64 {
	if d.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(d.in)
	if err != nil {
		d.err = fmt.Errorf("a number is damaged: %w", err)
		return 0
	}
	d.sum.Write(binary.AppendUvarint(nil, n))
	return n
}

func (d *decoder) meta() meta {
	return meta{
		size: int64(d.number()), mtime: int64(d.number()), ctime: int64(d.number()), inode: d.number(),
		mode: uint32(d.number()), uid: uint32(d.number()), gid: uint32(d.number()),
	}
}

func (d *decoder) folder(room int) (at string, f *folder) {
	at = string(d.sized(maxName))
	root := d.number()
	f = &folder{flags: flags(d.number()) & flagsMask, partial: d.number() != 0}
	f.meta = d.meta()
	count := d.number()
	if d.err == nil && (root > uint64(len(at)) || root == 0 || count > uint64(max(room, 0))) {
		d.err = errors.New("a folder has more than there can be")
	}
	if d.err != nil {
		return at, f
	}
	if d.root != at[:root] {
		d.root = strings.Clone(at[:root])
	}
	f.root = d.root
	f.files = make([]file, 0, min(count, 1024))
	for range count {
		n := file{name: string(d.sized(maxName)), flags: flags(d.number()) & flagsMask}
		n.meta = d.meta()
		if n.flags&hashed != 0 {
			copy(n.hash[:], d.bytes(sha256.Size))
		}
		last := len(f.files) - 1
		if d.err == nil && (strings.ContainsAny(n.name, "/\x00") || (n.name == "") == f.isFolder() || last >= 0 && n.name <= f.files[last].name) {
			d.err = errors.New("a file is not where it belongs")
		}
		if d.err != nil {
			return at, f
		}
		f.files = append(f.files, n)
	}
	f.files = slices.Clip(f.files)
	return at, f
}
