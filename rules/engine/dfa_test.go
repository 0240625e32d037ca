package engine

import (
	"bytes"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pathological are expressions that make backtrackers take exponential time, or
// automata exponential room.
func pathological() []string {
	return []string{
		// Classes of many letters keep them from being dismissed for a text that is not there.
		`(a|b)*a(a|b){20}[p-w]`, `(x+x+)+[p-w]`, `(a*)*[p-w]`, `(?:(?:a{1,9}){1,9}){1,9}[p-w]`, `(.*)(.*)(.*)(.*)[^\x00-\x{10FFFF}]`,
		`(a|aa)+$`, `(?:a?){50}a{50}[p-w]`, `a.*b.*[x-z].*[p-w]`, `([ab].{12}[^a].{12})[p-w]`,
	}
}

// noise is n bytes that each of them has to think about.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = "aaabbx"[(x>>16)%6]
	}
	return b
}

// TestStatesAreBounded looks at what is kept after searches that need more.
func TestStatesAreBounded(t *testing.T) {
	text := noise(200_000)
	made, left := 0, 0
	for _, x := range pathological() {
		e, err := Compile(x)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			e.Find(text)
			e.run(text, 0)
		}
		for _, d := range []*dfa{e.ends, e.starts} {
			if d == nil {
				continue
			}
			g := d.now.Load()
			if len(g.list) > 0 {
				made++
			}
			if held := 4*len(*g.table.Load()) + len(g.list)*32; g.bytes > maxStates || held > maxStates {
				t.Errorf("%s: %d bytes are counted, %d held", x, g.bytes, held)
			}
			left += int(min(d.rest.Load(), 1))
		}
	}
	if made == 0 || left == 0 {
		t.Errorf("%d programs have states, %d were given up", made, left)
	}
}

// TestRoomIsShared has expressions use what is there for all of them.
func TestRoomIsShared(t *testing.T) {
	const bytes = 40_000
	room := NewRoom(bytes)
	text := noise(5000)
	var list []*Expr
	for _, x := range pathological() {
		e, err := Compile(x)
		if err != nil {
			t.Fatal(err)
		}
		e.Share(room)
		want := e.re.FindIndex(text)
		if start, end, ok := e.Find(text); ok != (want != nil) || ok && (start != want[0] || end != want[1]) {
			t.Errorf("%s: %d to %d, %v; want %v", x, start, end, ok, want)
		}
		e.run(text, 0)
		list = append(list, e)
	}
	held := 0
	for _, e := range list {
		if e.ends != nil {
			held += e.ends.now.Load().bytes + e.starts.now.Load().bytes
		}
	}
	if left := int(room.left.Load()); held == 0 || held > bytes || held+left != bytes {
		t.Errorf("%d bytes are held, %d left of %d", held, left, bytes)
	}
}

// TestTimeIsLinear compares what a text takes with what one of twice its length
// does.
func TestTimeIsLinear(t *testing.T) {
	for _, x := range pathological() {
		took := func(n int) time.Duration {
			text := noise(n)
			best := time.Hour
			for range 3 {
				e, err := Compile(x)
				if err != nil {
					t.Fatal(err)
				}
				start := cpuTime(t)
				e.Find(text)
				best = min(best, cpuTime(t)-start)
			}
			return best + time.Millisecond
		}
		if once, twice := took(100_000), took(200_000); twice > 5*once {
			t.Errorf("%s: %v, and %v for twice as much", x, once, twice)
		}
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestShared has many goroutines use one expression with room for few states.
func TestShared(t *testing.T) {
	e, err := Compile(`[a-c]+x|b.{3}a$`)
	if err != nil {
		t.Fatal(err)
	}
	e.once.Do(func() { e.build(2500) })
	union := NewUnion([]*Expr{e}, []int32{0}, 1, nil)
	union.d.limit = 2500
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			row := make([]uint64, 1)
			for i := range 300 {
				text := noise(40 + i%60)[g:]
				want := e.re.FindIndex(text)
				start, end, ok := e.Find(text)
				if ok != (want != nil) || ok && (start != want[0] || end != want[1]) {
					t.Errorf("%q: %d to %d, %v; want %v", text, start, end, ok, want)
				}
				union.Mark(text, row)
				if ok && row[0] != 1 {
					t.Errorf("%q: the union misses it", text)
				}
			}
		})
	}
	wg.Wait()
}

// TestTooLarge leaves to regexp what is not worth a program.
func TestTooLarge(t *testing.T) {
	e, err := Compile(`(?:\pL\PN){200}q`)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("éa", 250) + "q" + string(bytes.Repeat([]byte("x"), 10)))
	want := e.re.FindIndex(text)
	start, end, ok := e.Find(text)
	if !ok || start != want[0] || end != want[1] {
		t.Errorf("%d to %d, %v; want %v", start, end, ok, want)
	}
	if e.ends != nil {
		t.Error("there is a program")
	}
}
