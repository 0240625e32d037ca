package backups

import (
	"archive/tar"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

const dump = "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n--\n" +
	"CREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (1),(2);\n-- Dump completed on 2026-01-02  2:00:01\n"

func gz(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		w.Write([]byte(p))
		w.Close()
	}
	return b.String()
}

func zst(t testing.TB, s string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return string(w.EncodeAll([]byte(s), nil))
}

// tarOf packs files of these names; one that ends with / is a folder.
func tarOf(t testing.TB, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o644, Size: 700, Typeflag: tar.TypeReg}
		if strings.HasSuffix(name, "/") {
			h.Size, h.Typeflag = 0, tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(strings.Repeat("x", int(h.Size))))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// noise is text that does not get smaller by packing.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

func write(t testing.TB, path, text string, at time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Dir(path)} {
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// A place is a folder of backups and what samples it, in a bubble of synctest.
type place struct {
	t     testing.TB
	dir   string
	state string
	c     Config
	s     *Sampler
	notes map[string]string
	err   error
}

func newPlace(t testing.TB, change func(c *Config)) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir(), state: t.TempDir()}
	p.c.SetDefaults()
	p.c.Name, p.c.Path = "nightly", p.dir
	if change != nil {
		change(&p.c)
	}
	p.s = New(p.c, p.dir, p.state)
	t.Cleanup(func() { p.s.Close() })
	return p
}

// set writes a folder of this name, so old.
func (p *place) set(name string, age time.Duration, files map[string]string) {
	p.t.Helper()
	for file, text := range files {
		write(p.t, filepath.Join(p.dir, name, file), text, time.Now().Add(-age))
	}
}

// take takes a snapshot, lets it verify what it wants to, and takes another.
func (p *place) take() map[string]float64 {
	p.t.Helper()
	p.once()
	p.s.mu.Lock()
	working := p.s.working
	p.s.mu.Unlock()
	if working != nil {
		<-working
	}
	return p.once()
}

func (p *place) once() map[string]float64 {
	p.t.Helper()
	got := map[string]float64{}
	p.notes = map[string]string{}
	p.err = p.s.Sample(p.t.Context(), func(s agent.Sample) {
		key := strings.TrimPrefix(testenv.Series(s), "logkeel_backup_")
		if _, ok := got[key]; ok {
			p.t.Errorf("%s comes twice", key)
		}
		got[key] = s.Value
		p.notes[key] = s.Note
	})
	return got
}

// want wants these values, ages within a second, for verifying takes of it; -1 is
// one that is not there.
func want(t testing.TB, got map[string]float64, values map[string]float64) {
	t.Helper()
	for key, v := range values {
		if g, ok := got[key]; v == -1 && ok {
			t.Errorf("%s is %v, want none", key, g)
		} else if v != -1 && (!ok || g != v && (!strings.Contains(key, "age_seconds") || math.Abs(g-v) > 1)) {
			t.Errorf("%s is %v (there: %v), want %v", key, g, ok, v)
		}
	}
}
