package backups

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// wantSafe wants a fault whose text may be shown.
func wantSafe(t *testing.T, err error) {
	t.Helper()
	var f *fault
	if err == nil {
		return
	}
	if !errors.As(err, &f) {
		t.Errorf("%v is no fault", err)
	} else if text := f.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\x1b\n\r") || len(text) > 1500 {
		t.Errorf("%q", text)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte("Backup created: now\nDatabase size: 17 bytes\nConfiguration files: a, ../b, /etc/passwd\n"))
	f.Add([]byte("Database size: -1 bytes\n"))
	f.Add([]byte("Application data size: 99999999999999999999 bytes\r\nfiles: .., .\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		wantSafe(t, err)
		if err != nil {
			return
		}
		files := []*file{{name: "database.sql.gz", format: format{of: "sql"}}, {name: "b.tar", format: format{of: "tar"}}}
		for _, p := range m.sizes {
			if p.size < 0 {
				t.Errorf("%+v", p)
			}
			promised(p.of, files)
		}
		for _, name := range m.names {
			if !filepath.IsLocal(name) {
				t.Errorf("%q", name)
			}
		}
	})
}

func FuzzSums(f *testing.F) {
	f.Add([]byte(sumOf("a") + "  a\n" + sumOf("b") + " *../../b\n"))
	f.Add([]byte("SHA256 (a) = " + sumOf("a") + "\n# x\n\n"))
	f.Add([]byte(`\` + sumOf("a") + "  a\\nb\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sums, err := parseSums(text)
		wantSafe(t, err)
		for name, sum := range sums {
			if !filepath.IsLocal(name) || len(sum) != 64 {
				t.Errorf("%q: %q", name, sum)
			}
		}
	})
}

func FuzzTrailer(f *testing.F) {
	f.Add([]byte(dump), "")
	f.Add([]byte(dump+"mysqldump: \x1b[2J\xff"), "")
	f.Add([]byte("a\nCOMMIT;\n"), "COMMIT;")
	f.Fuzz(func(t *testing.T, end []byte, own string) {
		if len(own) > 200 {
			return
		}
		var kept tail
		kept.Write(end)
		err := checkDump(kept.bytes(), own)
		wantSafe(t, err)
		if err == nil && own == "" && !strings.Contains(string(end), "ump comple") {
			t.Errorf("%q is complete", end)
		}
	})
}

// FuzzVerify has whatever may lie in a file of each kind.
func FuzzVerify(f *testing.F) {
	archive := tarOf(f, "./", "./a", "./b/c")
	for i, s := range []string{gz(dump), gz(archive), zst(f, dump), archive, dump, "BZh91AY&SY", gz(dump)[:30], gz("") + "\x00\x00" + gz("x")} {
		f.Add([]byte(s), uint8(i))
	}
	names := []string{"a.sql.gz", "a.tar.gz", "a.sql.zst", "a.tar", "a.sql", "a.bz2", "a.tar.zst", "a.xz"}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, kind uint8) {
		name := names[int(kind)%len(names)]
		at := time.Unix(1e9, 0)
		write(t, filepath.Join(dir, name), string(text), at)
		one := &file{name: name, size: int64(len(text)), mtime: at, format: guess(name)}
		v := testVerifier()
		v.maxUnpacked = 1 << 20
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		found, err := v.verify(ctx, dir, one, false)
		if err != nil {
			t.Fatal(err)
		}
		if found.problem != fine {
			wantSafe(t, &fault{found.problem, found.reason})
		}
		if found.unpacked > v.maxUnpacked+(64<<10) {
			t.Errorf("%d bytes were unpacked", found.unpacked)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	// Text that gzip packs by five or so, as a dump is.
	var text strings.Builder
	for i := 0; text.Len() < 32<<20; i++ {
		text.WriteString("INSERT INTO `orders` VALUES (" + sumOf(string(rune(i)))[:20] + ",'customer','2026-01-02 03:04:05',NULL,'some address');\n")
	}
	for _, c := range []struct{ name, text string }{
		{"d.sql.gz", gz(text.String(), dump)}, {"d.sql.zst", zst(b, text.String()+dump)}, {"d.sql", text.String() + dump}, {"d.xz", noise(32 << 20)},
	} {
		for _, sum := range []bool{false, true} {
			b.Run(c.name+map[bool]string{true: "/sha256"}[sum], func(b *testing.B) {
				dir, at := b.TempDir(), time.Unix(1e9, 0)
				write(b, filepath.Join(dir, c.name), c.text, at)
				one := &file{name: c.name, size: int64(len(c.text)), mtime: at, format: guess(c.name)}
				v := testVerifier()
				v.maxUnpacked = 1 << 30
				b.SetBytes(int64(len(c.text)))
				b.ReportAllocs()
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				before := threadTime()
				for b.Loop() {
					if _, err := v.verify(b.Context(), dir, one, sum); err != nil {
						b.Fatal(err)
					}
				}
				used := (threadTime() - before).Seconds() * 1e6
				b.ReportMetric(float64(len(c.text))*float64(b.N)/used, "MB/cpu-s")
				b.ReportMetric(float64(text.Len())*float64(b.N)/used, "unpackedMB/cpu-s")
			})
		}
	}
}
