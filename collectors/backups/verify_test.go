package backups

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func testVerifier() *verifier {
	start := time.Now()
	return &verifier{
		pace:        &pacer{rate: 1 << 40, cpu: 1, used: func() time.Duration { return 0 }, since: start},
		maxUnpacked: 8 << 20, read: func(int) {},
	}
}

// verifyText verifies a file of this name and content.
func verifyText(t testing.TB, name, text string, spec File) verdict {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, name), text, time.Now().Add(-time.Hour))
	spec.Match = name
	c := Config{Path: dir, Files: []File{spec}}
	s := &set{dir: dir, name: "s"}
	if err := c.folder(s); err != nil || len(s.files) != 1 {
		t.Fatalf("%v, %d files", err, len(s.files))
	}
	v, err := testVerifier().verify(t.Context(), dir, s.files[0], true)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256([]byte(text)); v.sum != hex.EncodeToString(sum[:]) {
		t.Errorf("%s: the sum is %s", name, v.sum)
	}
	return v
}

func flip(s string, at int) string {
	b := []byte(s)
	b[(at+len(b))%len(b)] ^= 0x10
	return string(b)
}

func TestVerify(t *testing.T) {
	big := gz(noise(200_000) + "\n" + dump)
	archive := tarOf(t, "./", "./a", "./b/", "./b/c")
	for _, c := range []struct {
		what, name, text string
		spec             File
		want             problem
		reason           string
	}{
		{"a dump", "d.sql.gz", gz(dump), File{}, fine, ""},
		{"not packed", "d.sql", dump, File{}, fine, ""},
		{"without a date", "d.sql", "x\n-- Dump completed\n", File{}, fine, ""},
		{"zstd", "d.sql.zst", zst(t, dump), File{}, fine, ""},
		{"two members", "d.sql.gz", gz(dump[:90], dump[90:]), File{}, fine, ""},
		{"padding", "d.sql.gz", gz(dump) + strings.Repeat("\x00", 5000), File{}, fine, ""},
		{"pg_dump", "d.sql", "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n", File{}, fine, ""},
		{"pg_dumpall", "d.sql", "--\n-- PostgreSQL database cluster dump complete\n--\n\n", File{}, fine, ""},
		{"another trailer", "d.sql", "CREATE\nCOMMIT;\n", File{Trailer: "COMMIT;"}, fine, ""},
		{"kind any", "d.sql.gz", gz("whatever"), File{Kind: "any"}, fine, ""},
		{"kind by configuration", "d.gz", gz("whatever"), File{Kind: "sql"}, noTrailer, "not finished"},
		{"dump cut", "d.sql.gz", gz(dump[:120]), File{}, noTrailer, "not finished"},
		{"the empty gzip of 20 bytes", "d.sql.gz", gz(""), File{}, noTrailer, "unpacks to nothing"},
		{"empty zstd", "d.sql.zst", zst(t, ""), File{}, noTrailer, ""},
		{"white space only", "d.sql.gz", gz("\n\n"), File{}, noTrailer, "nothing in it"},
		{"an error at the end", "d.sql.gz", gz(dump[:150] + "\nmariadb-dump: Error 2013: Lost connection to server\n"), File{}, noTrailer, "Lost connection"},
		{"an error behind the trailer", "d.sql.gz", gz(dump + "mysqldump: Got errno 28 on write\n"), File{}, noTrailer, "errno 28"},
		{"an error that draws", "d.sql.gz", gz("mariadb-dump: \x1b[2Jgone\n"), File{}, noTrailer, `\x1b[2J`},
		{"data behind the trailer", "d.sql.gz", gz(dump + "INSERT INTO secret\n"), File{}, noTrailer, "something follows"},
		{"the trailer in the data only", "d.sql.gz", gz("INSERT ('\n-- Dump completed on\n');\nINSERT secret\n"), File{}, noTrailer, "something follows"},
		{"empty file", "d.sql.gz", "", File{}, noTrailer, "empty"},
		{"empty file of any kind", "env.backup", "", File{}, truncated, "empty"},
		{"empty tar", "a.tar.gz", "", File{}, noTar, "empty"},
		{"nothing of any kind", "x.gz", gz(""), File{}, truncated, "nothing"},
		{"gzip cut", "d.sql.gz", big[:len(big)/2], File{}, truncated, "in the middle"},
		{"gzip cut in its trailer", "d.sql.gz", big[:len(big)-3], File{}, truncated, "in the middle"},
		{"gzip cut in its header", "d.sql.gz", big[:5], File{}, truncated, "in the middle"},
		{"gzip cut in a second header", "d.sql.gz", gz(dump) + gz(dump)[:1], File{}, truncated, "in the middle"},
		{"gzip with a bit flipped", "d.sql.gz", flip(big, 100_000), File{}, corrupt, ""},
		{"checksum flipped", "d.sql.gz", flip(big, -7), File{}, corrupt, "checksum"},
		{"garbage behind gzip", "d.sql.gz", gz(dump) + "garbage", File{}, corrupt, "follows"},
		{"no gzip at all", "d.sql.gz", dump, File{}, corrupt, "not packed with gzip"},
		{"zstd cut", "d.sql.zst", zst(t, noise(9000)+dump)[:5000], File{}, truncated, "in the middle"},
		{"zstd flipped", "d.sql.zst", flip(zst(t, noise(9000)+dump), -1), File{}, corrupt, ""},
		{"garbage behind zstd", "d.sql.zst", zst(t, dump) + "garbage", File{}, corrupt, ""},
		{"no zstd", "d.sql.zst", dump, File{}, corrupt, ""},
		{"no bzip2", "d.sql.bz2", dump, File{}, corrupt, ""},
		{"bzip2 cut", "d.sql.bz2", "BZh91AY&SY", File{}, truncated, ""},
		{"too large", "d.sql.gz", gz(strings.Repeat("\x00", 9<<20)), File{}, corrupt, "max_unpacked"},
		{"a tar", "a.tar.gz", gz(archive), File{}, fine, ""},
		{"a tgz", "a.tgz", gz(archive), File{}, fine, ""},
		{"a tar not packed", "a.tar", archive, File{}, fine, ""},
		{"hostile names", "a.tar", tarOf(t, "../../etc/passwd", "/etc/shadow", "a\x1b[2J"), File{}, fine, ""},
		{"a tar without files", "a.tar.gz", gz(tarOf(t, "./", "./b/")), File{}, noTar, "only 2 folders"},
		{"a tar of nothing", "a.tar.gz", gz(tarOf(t)), File{}, noTar, "no file"},
		{"no tar", "a.tar.gz", gz(noise(5000)), File{}, noTar, "no tar archive"},
		{"a tar cut within a file", "a.tar", archive[:512*2+300], File{}, truncated, ""},
		{"a tar cut between files", "a.tar", archive[:512*4], File{}, truncated, "end of the tar archive is missing"},
		{"a tar cut between files, packed", "a.tar.gz", gz(archive[:512*4]), File{}, truncated, "missing"},
		{"a tar cut behind its header", "a.tar", archive[:512*2], File{}, truncated, ""},
		{"a damaged tar", "a.tar", flip(archive, 512*4+20), File{}, corrupt, "after 2 members"},
		{"a tar whose gzip is cut behind its end", "a.tar.gz", func() string { s := gz(archive); return s[:len(s)-4] }(), File{}, truncated, ""},
		{"a tar with a bit of a file flipped", "a.tar.gz", flip(gz(archive), -6), File{}, corrupt, "checksum"},
		{"xz cut", "a.tar.xz", "\xfd7zXZ\x00 and so on", File{}, truncated, "xz"},
		{"sealed", "a.tar.gpg", "whatever", File{}, fine, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			v := verifyText(t, c.name, c.text, c.spec)
			if v.problem != c.want || !strings.Contains(v.reason, c.reason) {
				t.Errorf("%q: %q, want %q: %q", v.problem, v.reason, c.want, c.reason)
			}
			if strings.ContainsAny(v.reason, "\x1b\n") || strings.Contains(v.reason, "secret") {
				t.Errorf("the reason has what was in the file: %q", v.reason)
			}
		})
	}
}

// TestTail keeps the end, however it is written.
func TestTail(t *testing.T) {
	text := []byte(noise(50_000))
	for _, step := range []int{1, 7, 512, tailSize - 1, tailSize, tailSize + 1, 3 * tailSize} {
		var end tail
		for rest := text; len(rest) > 0; {
			n := min(step, len(rest))
			end.Write(rest[:n])
			rest = rest[n:]
		}
		if !bytes.Equal(end.bytes(), text[len(text)-tailSize:]) || end.all != int64(len(text)) {
			t.Errorf("steps of %d: another end", step)
		}
	}
	var end tail
	end.Write([]byte("abc"))
	if string(end.bytes()) != "abc" {
		t.Errorf("%q", end.bytes())
	}
}
