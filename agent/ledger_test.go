package agent

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

func at(epoch uint64, offset int64) Position {
	return Position{Epoch: epoch, Offset: offset, File: FileID{Head: 1 << 63, Len: 1024, Inode: 7}}
}

func openLedger(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := OpenLedger(dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantSafe(t *testing.T, l *Ledger, consumer, source string, want Position) {
	t.Helper()
	if got := l.Consumer(consumer).Position(source); got != want {
		t.Errorf("%s of %s is at %+v, want %+v", consumer, source, got, want)
	}
}

// A process that is killed never closes its ledger: each move must be in the
// file by the time Safe returns.
func TestLedgerKeepsEachMoveThroughAKill(t *testing.T) {
	dir := t.TempDir()
	c := openLedger(t, dir).Consumer("fluentd/main")
	for i := int64(1); i <= 100; i++ {
		c.Safe("docker/a", at(1, i))
		c.Safe("file/\x00\"ü\n", at(2, i))
		wantSafe(t, openLedger(t, dir), "fluentd/main", "docker/a", at(1, i))
		c.ledger.snapshot() // the second ledger has replaced the file
	}
	l := openLedger(t, dir)
	wantSafe(t, l, "fluentd/main", "file/\x00\"ü\n", at(2, 100))
	wantSafe(t, l, "rules", "docker/a", Position{})
}

// Positions move while a snapshot is written, and none of it is lost.
func TestLedgerMovesDuringASnapshot(t *testing.T) {
	dir := t.TempDir()
	l := openLedger(t, dir)
	c := l.Consumer("c")
	for round := int64(1); round <= 20; round++ {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := int64(1); i <= 500; i++ {
				c.Safe("s", at(uint64(round), i))
				c.Safe(fmt.Sprint("s", i), at(uint64(round), i))
			}
		}()
		for running := true; running; {
			if err := l.snapshot(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-done:
				running = false
			default:
			}
		}
		content, err := os.ReadFile(l.path) // as a kill leaves it
		if err != nil {
			t.Fatal(err)
		}
		other := t.TempDir()
		if err := os.WriteFile(filepath.Join(other, ledgerName), content, 0o600); err != nil {
			t.Fatal(err)
		}
		k := openLedger(t, other)
		wantSafe(t, k, "c", "s", at(uint64(round), 500))
		wantSafe(t, k, "c", "s77", at(uint64(round), 77))
	}
}

func TestSafeNeverMovesBack(t *testing.T) {
	c := openLedger(t, t.TempDir()).Consumer("c")
	c.Safe("s", at(2, 5))
	c.Safe("s", at(2, 4))
	c.Safe("s", at(1, 900))
	wantSafe(t, c.ledger, "c", "s", at(2, 5))
}

func TestLedgerLeavesOutWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	c := openLedger(t, dir).Consumer("c")
	c.Safe("a", at(1, 1))
	c.Safe("b", at(1, 2))
	path := filepath.Join(dir, ledgerName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range whole {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := openLedger(t, dir)
		a, b := l.Consumer("c").Position("a"), l.Consumer("c").Position("b")
		if a != (Position{}) && a != at(1, 1) || b != (Position{}) && b != at(1, 2) {
			t.Fatalf("cut at %d: a %+v, b %+v", cut, a, b)
		}
		if first := bytes.IndexByte(whole, '\n'); cut > first && a != at(1, 1) {
			t.Fatalf("cut at %d: the whole line before is lost", cut)
		}
	}
}

func TestLedgerCompacts(t *testing.T) {
	dir := t.TempDir()
	l := openLedger(t, dir)
	c := l.Consumer("c")
	for i := int64(1); l.appended <= ledgerCompact; i++ {
		c.Safe("s", at(1, i))
	}
	last := c.Position("s")
	l.Sync()
	info, err := os.Stat(filepath.Join(dir, ledgerName))
	if err != nil || info.Size() > 1000 {
		t.Errorf("after compaction: %v, %v", info, err)
	}
	c.Safe("t", at(1, 1)) // into the new file
	l = openLedger(t, dir)
	wantSafe(t, l, "c", "s", last)
	wantSafe(t, l, "c", "t", at(1, 1))
}

func TestLedgerForgets(t *testing.T) {
	dir := t.TempDir()
	l := openLedger(t, dir)
	l.Consumer("a").Safe("gone", at(1, 1))
	l.Consumer("b").Safe("gone", at(1, 2))
	l.Consumer("b").Safe("stays", at(1, 3))
	l.Forget("gone")
	l = openLedger(t, dir)
	wantSafe(t, l, "a", "gone", Position{})
	wantSafe(t, l, "b", "gone", Position{})
	wantSafe(t, l, "b", "stays", at(1, 3))
	// one of a consumer that nobody has asked for yet
	l = openLedger(t, dir)
	l.Forget("stays")
	wantSafe(t, openLedger(t, dir), "b", "stays", Position{})
}

func TestLedgerForgetsWhatNobodyOpens(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := openLedger(t, dir)
		c := l.Consumer("c")
		c.Safe("old", at(1, 1))
		c.Safe("open", at(1, 2))
		c.setOpen("open", true)
		time.Sleep(ledgerForget + time.Hour)
		c.Safe("new", at(1, 3))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openLedger(t, dir)
		wantSafe(t, l, "c", "old", Position{})
		wantSafe(t, l, "c", "open", at(1, 2))
		wantSafe(t, l, "c", "new", at(1, 3))
	})
}

// The agent was away for long, or the clock was wrong, and it is killed soon after
// its start: what it had not opened yet is not forgotten.
func TestLedgerForgetsNothingAsItStarts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := openLedger(t, dir)
		l.Consumer("c").Safe("s", at(1, 1))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		saved := []Saved{{"s", at(1, 1), time.Now().Unix()}}
		time.Sleep(2 * ledgerForget)
		for range 2 {
			l = openLedger(t, dir)
			wantSafe(t, l, "c", "s", at(1, 1))
			if got, err := l.Detached("rules", saved).Saved(); err != nil || len(got) != 1 {
				t.Errorf("the rules keep %v, %v", got, err)
			}
		}
		time.Sleep(2 * ledgerSettle)
		l.Sync()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantSafe(t, openLedger(t, dir), "c", "s", Position{})
	})
}

// needRoot skips where a test has to mount something.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to mount a tmpfs")
		}
		t.Skip("SKIPPED: needs root to mount a tmpfs")
	}
}

func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestLedgerOutlivesAFullDisk(t *testing.T) {
	dir := mountTmpfs(t, "size=64k")
	var out bytes.Buffer
	l, err := OpenLedger(dir, slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c := l.Consumer("c")
	c.Safe("s", at(1, 1))
	full := filepath.Join(dir, "full")
	os.WriteFile(full, make([]byte, 64<<10), 0o600) // as much as there is room for
	for i := int64(2); i < 200; i++ {
		c.Safe("s", at(1, i))
		if i%20 == 0 {
			l.Sync()
		}
	}
	if n := strings.Count(out.String(), "positions cannot be written"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, out.String())
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	l.Sync()
	c.Safe("s", at(1, 500))
	wantSafe(t, openLedger(t, dir), "c", "s", at(1, 500))
	if n := strings.Count(out.String(), "positions are written again"); n != 1 {
		t.Errorf("the end was said %d times, want once:\n%s", n, out.String())
	}
}

func TestLedgerOnAFullDiskStarts(t *testing.T) {
	dir := mountTmpfs(t, "size=16k")
	os.WriteFile(filepath.Join(dir, "full"), make([]byte, 16<<10), 0o600)
	l, err := OpenLedger(dir, quiet)
	if err != nil {
		t.Fatalf("a full disk is no reason not to start: %v", err)
	}
	c := l.Consumer("c")
	c.Safe("s", at(1, 1))
	os.Remove(filepath.Join(dir, "full"))
	l.Sync()
	wantSafe(t, openLedger(t, dir), "c", "s", at(1, 1))
}

func TestReadOnlyStateIsRefusedAtTheStart(t *testing.T) {
	dir := mountTmpfs(t, "size=64k,ro")
	if _, err := OpenLedger(dir, quiet); !errors.Is(err, syscall.EROFS) {
		t.Errorf("ledger: %v", err)
	}
	_, err := OpenStateDir(filepath.Join(dir, "state"))
	want := fmt.Sprintf("state_dir %s/state: mkdir %s/state: read-only file system; name a folder that this user can write, on a disk that stays (state_dir)", dir, dir)
	if err == nil || err.Error() != want {
		t.Errorf("state dir:\n got %v\nwant %s", err, want)
	}
}

func TestStateDirIsLocked(t *testing.T) {
	dir := t.TempDir()
	d, err := OpenStateDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStateDir(dir); err == nil || !strings.Contains(err.Error(), "another agent uses it") {
		t.Errorf("second agent: %v", err)
	}
	d.Close()
	d, err = OpenStateDir(dir)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	d.Close()
}

func BenchmarkSafe(b *testing.B) {
	l, err := OpenLedger(b.TempDir(), quiet)
	if err != nil {
		b.Fatal(err)
	}
	c := l.Consumer("c")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Safe("docker/a", at(1, int64(i)))
	}
}
