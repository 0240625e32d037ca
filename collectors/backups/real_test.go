package backups

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// TestRealDump verifies what mariadb-dump and gzip write, by the page's command.
func TestRealDump(t *testing.T) {
	db := testenv.MariaDB(t)
	_, err := exec.LookPath("mariadb-dump")
	testenv.Need(t, "mariadb-dump (mariadb-client)", err == nil)
	db.SQL("CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY, b LONGTEXT);" +
		"INSERT INTO t (b) SELECT REPEAT(SHA2(seq, 512), 300) FROM seq_1_to_100")
	dir := t.TempDir()
	shell := func(command string) {
		t.Helper()
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "DUMP=mariadb-dump --no-defaults --socket="+db.Socket+" --user=root")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	// Each is as a backup script would do it; those without pipefail succeed.
	shell("$DUMP shop | gzip > good.sql.gz; gunzip -t good.sql.gz")
	shell("$DUMP --all-databases --skip-dump-date > good.sql")
	shell("($DUMP shop; $DUMP mysql) | gzip > both.sql.gz")
	shell("$DUMP no_such_database | gzip > empty.sql.gz; gunzip -t empty.sql.gz")
	shell("$DUMP shop no_such_table 2>&1 | gzip > error.sql.gz; gunzip -t error.sql.gz")
	shell("$DUMP shop | head -c 300000 | gzip > cut.sql.gz; gunzip -t cut.sql.gz")
	shell("head -c 10000 good.sql.gz > half.sql.gz")
	shell("$DUMP --skip-comments shop | gzip > bare.sql.gz")
	killed(t, db, filepath.Join(dir, "killed.sql.gz"))
	for name, want := range map[string]problem{
		"good.sql.gz": fine, "good.sql": fine, "both.sql.gz": fine,
		"empty.sql.gz": noTrailer, "error.sql.gz": noTrailer, "cut.sql.gz": noTrailer, "bare.sql.gz": noTrailer, "killed.sql.gz": noTrailer,
		"half.sql.gz": truncated,
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		v := verifyText(t, name, string(text), File{})
		t.Logf("%s: %d bytes, %d unpacked: %q %s", name, len(text), v.unpacked, v.problem, v.reason)
		if v.problem != want {
			t.Errorf("%s: %q (%s), want %q", name, v.problem, v.reason, want)
		}
		if name == "error.sql.gz" && !strings.Contains(v.reason, "no_such_table") {
			t.Errorf("%s: %s", name, v.reason)
		}
	}
}

// killed writes a dump whose program is killed in the middle: gzip ends well.
func killed(t *testing.T, db *testenv.MariaDBServer, to string) {
	t.Helper()
	dump := exec.Command("mariadb-dump", "--no-defaults", "--socket="+db.Socket, "--user=root", "shop")
	out, err := dump.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := dump.Start(); err != nil {
		t.Fatal(err)
	}
	begun := make([]byte, 100_000)
	n, err := out.Read(begun)
	if err != nil {
		t.Fatal(err)
	}
	dump.Process.Kill()
	dump.Wait()
	zip := exec.Command("sh", "-c", "gzip > "+to)
	zip.Stdin = bytes.NewReader(begun[:n])
	if err := zip.Run(); err != nil {
		t.Fatal(err)
	}
}

// TestRealTar verifies what tar writes: sparse files and long names.
func TestRealTar(t *testing.T) {
	dir := t.TempDir()
	long := filepath.Join(dir, "data", strings.Repeat("long/", 40), strings.Repeat("n", 200))
	write(t, long, "x", time.Now())
	f, err := os.Create(filepath.Join(dir, "data", "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 40); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("end"), 1<<30); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, format := range []string{"gnu", "pax"} {
		out, err := exec.Command("tar", "-C", dir, "--format", format, "-Sczf", filepath.Join(dir, "a.tar.gz"), "data").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		text, err := os.ReadFile(filepath.Join(dir, "a.tar.gz"))
		if err != nil {
			t.Fatal(err)
		}
		if v := verifyText(t, "a.tar.gz", string(text), File{}); v.problem != fine || v.members < 43 || v.unpacked > 1<<20 {
			t.Errorf("%s: %+v", format, v)
		}
		if v := verifyText(t, "a.tar.gz", string(text[:len(text)-9]), File{}); v.problem != truncated {
			t.Errorf("%s: %+v", format, v)
		}
	}
}

// TestOtherTools verifies what bzip2 and xz have written of the same dump.
func TestOtherTools(t *testing.T) {
	decode := func(s string) string {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	bz := decode("QlpoOTFBWSZTWXsJ260AAAPXgAAQQAIuABQADgbGACAAMU0yMTExCmj1BtQNqXI8wDWJdxuO6ShSwvi7kinChIPYTt1o")
	xz := decode("/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAYQ1JFQVRFCi0tIER1bXAgY29tcGxldGVkCgAAAAB1Wy3SpxY/ugABMRlZGrCCH7bzfQEAAAAABFla")
	for _, c := range []struct {
		name, text string
		want       problem
	}{
		{"d.sql.bz2", bz, fine},
		{"d.sql.bz2", bz + bz, fine},
		{"d.sql.bz2", bz[:len(bz)-9], truncated},
		{"d.sql.bz2", flip(bz, -4), corrupt},
		{"d.sql.bz2", bz + "garbage", corrupt},
		{"d.sql.xz", xz, fine},
		{"d.sql.xz", xz + "\x00\x00\x00\x00", fine},
		{"d.sql.xz", xz[:len(xz)-1], truncated},
		{"d.sql.xz", flip(xz, -5), truncated},
	} {
		if v := verifyText(t, c.name, c.text, File{}); v.problem != c.want {
			t.Errorf("%s of %d bytes: %q %s, want %q", c.name, len(c.text), v.problem, v.reason, c.want)
		}
	}
}
