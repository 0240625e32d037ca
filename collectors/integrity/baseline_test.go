package integrity

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// aTree has what a tree may have.
func aTree() *tree {
	t := newTree()
	t.learned, t.since = true, time.Unix(1e9, 0).UTC()
	m := meta{size: 1 << 40, mtime: -1, ctime: 1e18, inode: 1<<64 - 1, mode: unix.S_IFREG | 0o4755, uid: 1<<32 - 1, gid: 7}
	dir := meta{mode: unix.S_IFDIR | 0o755}
	t.put("/srv", &folder{meta: dir, root: "/srv", files: []file{{name: "\xff\n", meta: m, flags: hashed | fresh, hash: hash{1, 2}}, {name: "\xff\x7f"}}})
	t.put("/srv/empty", &folder{meta: dir, root: "/srv", partial: true, flags: mayLoose, files: []file{}})
	t.put("/etc/passwd", &folder{root: "/etc/passwd", files: []file{{meta: m}}})
	return t
}

func TestBaseline(t *testing.T) {
	var b bytes.Buffer
	want := aTree()
	findings := []finding{
		{at: time.Unix(5, 6).UTC(), path: "/srv/\xff", kind: kindForged, old: &state{hash: &hash{7}}, new: &state{meta: meta{uid: 3}}},
		{at: time.Unix(7, 8).UTC(), path: "/b", kind: kindAdded},
	}
	h := head{Selected: "x"}
	for _, f := range findings {
		h.Findings = append(h.Findings, saveFinding(f))
	}
	if err := writeBaseline(&b, h, want); err != nil {
		t.Fatal(err)
	}
	h, got, err := readBaseline(bytes.NewReader(b.Bytes()), 3)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v: got %+v", err, got)
	}
	for i, s := range h.Findings {
		if f, ok := loadFinding(s); !ok || !reflect.DeepEqual(f, findings[i]) {
			t.Errorf("got %+v, want %+v", f, findings[i])
		}
	}
	if _, _, err := readBaseline(bytes.NewReader(b.Bytes()), 2); err == nil {
		t.Error("it has more files than it may have, and is taken")
	}
	for i := range b.Len() { // torn, or with a byte that fell over
		if _, _, err := readBaseline(bytes.NewReader(b.Bytes()[:i]), 10); err == nil {
			t.Errorf("%d bytes of %d are taken", i, b.Len())
		}
		damaged := slices.Clone(b.Bytes())
		damaged[i] ^= 0x10
		if _, _, err := readBaseline(bytes.NewReader(damaged), 10); err == nil {
			t.Errorf("it is taken though byte %d of %d is another one", i, b.Len())
		}
	}
}

func TestSaveFails(t *testing.T) {
	w := &watch{tree: aTree()}
	dir := t.TempDir()
	path := filepath.Join(dir, "integrity", "x.baseline")
	if err := w.save(path, nil); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".tmp", 0o700); err != nil {
		t.Fatal(err)
	}
	w.tree.drop("/srv")
	if err := w.save(path, nil); !errors.Is(err, unix.EISDIR) {
		t.Errorf("got %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the old baseline is another one: %v", err)
	}
}

func FuzzBaseline(f *testing.F) {
	var b bytes.Buffer
	if err := writeBaseline(&b, head{Selected: "x", Findings: []savedFinding{saveFinding(finding{path: "/a", old: &state{}})}}, aTree()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(baselineForm))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, tree, err := readBaseline(bytes.NewReader(data), 1000)
		if err != nil {
			return
		}
		if tree.files > 1000 {
			t.Fatalf("%d files", tree.files)
		}
		for _, s := range h.Findings {
			if f, ok := loadFinding(s); ok {
				f.record()
			}
		}
		var again bytes.Buffer
		if err := writeBaseline(&again, h, tree); err != nil {
			t.Fatal(err)
		}
		if _, same, err := readBaseline(&again, 1000); err != nil || !reflect.DeepEqual(same, tree) {
			t.Fatalf("%v: %+v, and then %+v", err, tree, same)
		}
	})
}
