package tail

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

func gzipped(t testing.TB, parts ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts { // each a member, as of files that were joined
		w := gzip.NewWriter(&b)
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// FuzzGunzip reads what was compressed, torn or changed, as a reader does:
// forwards, and a little back again.
func FuzzGunzip(f *testing.F) {
	f.Add(uint64(1), []byte("one\ntwo\n"), uint16(0), uint16(0), byte(0))
	f.Add(uint64(2), bytes.Repeat([]byte("line\n"), 5000), uint16(40), uint16(0), byte(0))
	f.Add(uint64(3), bytes.Repeat([]byte("line\n"), 5000), uint16(0), uint16(30), byte(9))
	f.Add(uint64(4), []byte{}, uint16(0), uint16(0), byte(0))
	f.Fuzz(func(t *testing.T, seed uint64, content []byte, torn, at uint16, flip byte) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		cut := rnd.IntN(len(content) + 1)
		file := gzipped(t, content[:cut], content[cut:])
		whole := int(torn) == 0 && flip == 0
		file = file[:len(file)-min(len(file), int(torn))]
		if int(at) < len(file) {
			file[at] ^= flip
		}
		g := &gunzip{src: bytes.NewReader(file)}
		var got []byte
		for range 1000 {
			n := 1 + rnd.IntN(1<<uint(1+rnd.IntN(14)))
			left, err := g.left(int64(len(got)), n)
			if err != nil {
				t.Fatal(err)
			}
			if left <= 0 {
				break
			}
			buf := make([]byte, min(left, int64(n)))
			k, err := g.ReadAt(buf, int64(len(got)))
			if err != nil || k != len(buf) {
				t.Fatalf("%d bytes are said to be left, and %d were read: %v", left, k, err)
			}
			got = append(got, buf[:1+rnd.IntN(k)]...)
			if back := rnd.IntN(nearLen + 1); back < len(got) {
				again := make([]byte, back)
				if _, err := g.ReadAt(again, int64(len(got)-back)); err != nil || !bytes.Equal(again, got[len(got)-back:]) {
					t.Fatalf("%d bytes back: %v", back, err)
				}
			}
			if len(g.buf) > 2*nearLen+1<<15 {
				t.Fatalf("%d bytes are kept", len(g.buf))
			}
		}
		if whole {
			if got = append(got, rest(t, g, len(got))...); !bytes.Equal(got, content) || g.damage() != nil {
				t.Fatalf("%d bytes of %d, %v", len(got), len(content), g.damage())
			}
		} else if flip == 0 && !bytes.HasPrefix(content, got) {
			t.Fatal("something else came of a torn file")
		}
		if ok, err := g.reaches(int64(len(got))); !ok || err != nil {
			t.Fatalf("what was read is not there any more: %v", err)
		}
		if _, err := g.ReadAt(make([]byte, 10), 0); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
}

func rest(t *testing.T, g *gunzip, from int) []byte {
	var all []byte
	for {
		buf := make([]byte, 1<<16)
		n, err := g.ReadAt(buf, int64(from+len(all)))
		if all = append(all, buf[:n]...); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// failing is a disk that cannot be read now and then.
type failing struct {
	io.ReaderAt
	err error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

// A disk that fails is not taken for a torn file: it is tried again.
func TestGunzipTriesAgain(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	for i := range content {
		content[i] ^= byte(i >> 7) // does not compress into one read
	}
	src := &failing{ReaderAt: bytes.NewReader(gzipped(t, content))}
	g := &gunzip{src: src}
	buf := make([]byte, 1000)
	if _, err := g.ReadAt(buf, 0); err != nil {
		t.Fatal(err)
	}
	src.err = errors.New("input/output error")
	if _, err := g.ReadAt(buf, 900_000); !errors.Is(err, src.err) || g.damage() != nil {
		t.Fatalf("%v, damage %v", err, g.damage())
	}
	src.err = nil
	if _, err := g.ReadAt(buf, 900_000); err != nil || !bytes.Equal(buf, content[900_000:901_000]) {
		t.Fatal(err)
	}
}

// While a file is compressed there are both; afterwards there is one of them.
func TestChainWhileCompressing(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("a line of the log\n"), 300)
	zip := gzipped(t, content)
	put := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := chain{filepath.Join(dir, "a.log"), newHost()}
	names := func() string {
		w, err := c.walk(all)
		if err != nil {
			t.Fatal(err)
		}
		defer closeAll(w.files)
		got := ""
		for _, f := range w.files {
			got += " " + filepath.Base(f.name)
		}
		return got
	}
	put("a.log", []byte("b\n"))
	put("a.log.1", content)
	for _, n := range []int{0, 5, 30, len(zip) - 1, len(zip)} {
		put("a.log.1.gz", zip[:n])
		if got := names(); got != " a.log a.log.1" {
			t.Errorf("%d of %d bytes:%s", n, len(zip), got)
		}
	}
	held, err := c.host.openFile(c.path + ".1")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := os.Remove(c.path + ".1"); err != nil {
		t.Fatal(err)
	}
	newer, found, _, err := c.after(held)
	if err != nil || !found || len(newer) != 1 || newer[0].name != c.path {
		t.Errorf("after what is compressed now: %v, found %v, %v", newer, found, err)
	}
	closeAll(newer)
	put("a.log.1", []byte("something else\n"))
	if got := names(); got != " a.log a.log.1 a.log.1.gz" {
		t.Errorf("another file of the number:%s", got)
	}
}
