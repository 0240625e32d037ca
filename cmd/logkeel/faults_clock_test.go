package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent/testenv"
)

// A clock is what the writers of the logs go by, and the agent where it can. It
// is stepped as somebody does who sets the machine's: times in the logs jump, and
// so do those of the files.
type clock struct {
	by   atomic.Int64 // ns
	file *os.File     // what the agent's own clock reads; nil: that stays right
}

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.by.Load())) }

// set says how wrong the clock is from now on.
func (c *clock) set(t *testing.T, by time.Duration) {
	c.by.Store(int64(by))
	if c.file == nil {
		return
	}
	if _, err := c.file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(by)), 0); err != nil {
		t.Error(err)
	}
}

// touch gives the files the clock's time, where that is wrong: the kernel gave
// them the right one.
func (c *clock) touch(names ...string) {
	if c.by.Load() == 0 {
		return
	}
	now := c.now()
	for _, name := range names {
		os.Chtimes(name, now, now) // it may be gone meanwhile
	}
}

// wrong is how wrong a clock may be: an hour slow to a day fast, and now and then
// as far off as that of a machine without a battery.
func wrong(rnd *rand.Rand) time.Duration {
	switch rnd.IntN(8) {
	case 0:
		return 0
	case 1:
		return -40 * 365 * 24 * time.Hour
	case 2:
		return 30 * 24 * time.Hour
	case 3:
		return between(rnd, -2*time.Second, 2*time.Second)
	}
	return between(rnd, -time.Hour, 24*time.Hour)
}

// stepSource is what package time gets for an agent whose clock can be stepped.
const stepSource = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var stepBy = mapStep()

func mapStep() *int64 {
	fd, err := syscall.Open(stepFile(), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	b, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*int64)(unsafe.Pointer(&b[0]))
}

func stepFile() string {
	name, _ := syscall.Getenv("LOGKEEL_TEST_CLOCK")
	return name
}

func step(sec int64, nsec int32) (int64, int32) {
	ns := sec*1e9 + int64(nsec) + atomic.LoadInt64(stepBy)
	return ns / 1e9, int32(ns % 1e9)
}
`

// buildStepped builds the agent with a time.Now that can be stepped: the compiler
// gets two files of package time that are not those of the Go installation. What
// runs is else the product, and nothing of this is in it.
func buildStepped(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	testenv.Need(t, "the go command", err == nil)
	std := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	src, err := os.ReadFile(filepath.Join(std, "time.go"))
	if err != nil {
		t.Fatal(err)
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(src), now) != 1 {
		t.Fatal("time.Now of this Go is not as it was: the agent's clock cannot be stepped")
	}
	stepped := strings.Replace(string(src), now, now+"\tsec, nsec = step(sec, nsec)\n", 1)
	overlay := fmt.Sprintf(`{"Replace": {%q: %q, %q: %q}}`,
		filepath.Join(std, "time.go"), filepath.Join(dir, "time.go"), filepath.Join(std, "step.go"), filepath.Join(dir, "step.go"))
	for name, text := range map[string]string{"time.go": stepped, "step.go": stepSource, "overlay.json": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "logkeel")
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// steppable makes the agent one whose clock the campaign's is.
func (c *campaign) steppable(program string) {
	f, err := os.Create(filepath.Join(c.t.TempDir(), "clock"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { f.Close() })
	c.clock.file = f
	c.clock.set(c.t, 0)
	c.a.program, c.a.env = program, []string{"LOGKEEL_TEST_CLOCK=" + f.Name()}
}

// step sets the clock, and the times of the files that are there.
func (c *campaign) step() {
	c.clock.set(c.t, wrong(c.rnd))
	now := c.clock.now()
	for _, pattern := range []string{filepath.Join(c.state, "*"), filepath.Join(c.state, "*", "*"), filepath.Join(c.root, "containers", "*", "*")} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			os.Chtimes(name, now, now)
		}
	}
}
