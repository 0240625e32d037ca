package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A numberedLog is a container's log of which it is known when each line was
// written, and which lines are in files that rotation has removed.
type numberedLog struct {
	*containerLog
	name     string // of the container
	clock    *clock
	compress bool // older files, as Docker does with compress=true
	traces   bool // every twentieth line is an error with a trace of three lines

	mu     sync.Mutex
	times  []int64     // of the lines, in ns
	wrote  []time.Time // when that really was
	firsts []int       // the first line of each file that is there, the oldest first
	inodes map[uint64]bool
	reused int // files that got an inode which a file before them had
}

func newNumberedLog(t *testing.T, root, service string, number int, c *clock) *numberedLog {
	t.Helper()
	l := &numberedLog{containerLog: newContainerLog(t, root, service, number), name: "shop-" + service + "-1", clock: c, inodes: map[uint64]bool{}}
	l.begun()
	return l
}

// begun notes what file is written to now.
func (l *numberedLog) begun() {
	l.firsts = append(l.firsts, l.n+1)
	info, err := l.f.Stat()
	if err != nil {
		l.t.Error(err)
		return
	}
	inode := info.Sys().(*syscall.Stat_t).Ino
	if l.inodes[inode] {
		l.reused++
	}
	l.inodes[inode] = true
}

// write appends k lines.
func (l *numberedLog) write(k int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range k {
		now := l.clock.now()
		l.n++
		line := fmt.Sprintf(`{"log":"%s\n","stream":"stdout","time":"%s"}`+"\n", strings.ReplaceAll(l.text(l.n), "\t", `\t`), now.UTC().Format(time.RFC3339Nano))
		if l.size+len(line) > l.max {
			l.n--
			l.rotateLocked()
			l.n++
		}
		n, err := l.f.WriteString(line)
		if err != nil {
			l.t.Error(err)
		}
		l.size += n
		l.times, l.wrote = append(l.times, now.UnixNano()), append(l.wrote, time.Now())
	}
	l.clock.touch(l.path)
}

// text is what the container wrote as line n.
func (l *numberedLog) text(n int) string {
	if !l.traces || n%20 < 1 || n%20 > 1+traceLines {
		return l.line(n)
	}
	if n%20 == 1 {
		return fmt.Sprintf("java.lang.IllegalStateException: line %d of %s", n, l.id[60:])
	}
	return fmt.Sprintf("\tat shop.Invoices.get(Invoices.java:%d)", n)
}

// traceLines is how many lines follow an error.
const traceLines = 3

// number is the number of the line that begins with text, or 0.
func (l *numberedLog) number(text string) (n int) {
	for _, form := range []string{"line %d of", "java.lang.IllegalStateException: line %d of", "\tat shop.Invoices.get(Invoices.java:%d)"} {
		if _, err := fmt.Sscanf(text, form, &n); err == nil && n >= 1 && n <= l.written() && text == l.text(n) {
			return n
		}
	}
	return 0
}

// rotate does what Docker does when a file is full.
func (l *numberedLog) rotate() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rotateLocked()
}

func (l *numberedLog) rotateLocked() {
	if l.firsts[len(l.firsts)-1] > l.n { // it is empty
		return
	}
	l.f.Close()
	suffix := ""
	if l.compress {
		suffix = ".gz"
	}
	older := func(i int) string { return fmt.Sprintf("%s.%d%s", l.path, i, suffix) }
	os.Remove(older(l.files - 1))
	for i := min(len(l.firsts)-1, l.files-2); i >= 1; i-- {
		if err := os.Rename(older(i), older(i+1)); err != nil {
			l.t.Error(err)
		}
	}
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		l.t.Error(err)
	}
	l.open()
	l.begun()
	l.firsts = l.firsts[max(0, len(l.firsts)-l.files):]
	if l.compress {
		l.pack(l.path + ".1")
	}
}

// pack compresses a file, and frees its inode, which the next one may get.
func (l *numberedLog) pack(name string) {
	b, err := os.ReadFile(name)
	if err != nil {
		l.t.Error(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(b)
	w.Close()
	if err := os.WriteFile(name+".gz", packed.Bytes(), 0o640); err != nil {
		l.t.Error(err)
	}
	l.clock.touch(name + ".gz")
	os.Remove(name)
}

// gone is the last line that was in a file which rotation has removed.
func (l *numberedLog) gone() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.firsts[0] - 1
}

func (l *numberedLog) written() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// where says which lines the line's file has.
func (l *numberedLog) where(line int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.SearchInts(l.firsts, line+1)
	switch {
	case i == 0:
		return "that is removed"
	case i == len(l.firsts):
		return fmt.Sprintf("from line %d on", l.firsts[i-1])
	}
	return fmt.Sprintf("with lines %d to %d", l.firsts[i-1], l.firsts[i]-1)
}

// late reports whether the line came so late that somebody had too little of the
// machine: then an acknowledgement may come too late for a stop.
func (l *numberedLog) late(line int, came int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return came-l.wrote[line-1].UnixNano() > int64(500*time.Millisecond)
}

// at is when the line was written.
func (l *numberedLog) at(line int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Unix(0, l.times[line-1])
}
