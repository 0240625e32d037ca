package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// The file in which the slowest output stopped is gone at a restart. Another one
// has counted more files by then, and misses nothing of what is left.
func TestOutputAhead(t *testing.T) {
	w := newWorld(t)
	w.docker()
	w.ahead = &recorder{records: map[string][]got{}}
	path, id := w.path("@c"), w.sourceID("@c")
	now := time.Unix(1_736_430_000, 0).UTC()
	put := func(text string) {
		t.Helper()
		if err := appendTo(path, dockerLine(text+"\n", "stdout", "", now)); err != nil {
			t.Fatal(err)
		}
	}
	last := func(o *recorder, body string) {
		t.Helper()
		w.until(body, func() bool {
			o.mu.Lock()
			defer o.mu.Unlock()
			n := len(o.records[id])
			return n > 0 && o.records[id][n-1].body == body
		})
	}
	put("a")
	w.start()
	last(w.out, "a")
	w.out.mu.Lock()
	w.out.holding = true
	w.out.mu.Unlock()
	for _, body := range []string{"b", "c", "a longer line"} {
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		put(body)
		last(w.ahead, body)
	}
	w.kill()
	if err := os.Remove(path + ".1"); err != nil {
		t.Fatal(err)
	}
	w.start()
	put("d")
	last(w.out, "d")
	last(w.ahead, "d")
	for _, body := range []string{"e", "f", "g", "h"} {
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		put(body)
		last(w.out, body)
		last(w.ahead, body)
	}
	w.stop()
}

// Of the files between that of the slowest output and the newest one some are
// gone at a restart: outputs that were further miss nothing and get nothing twice.
func TestOutputAheadOfWhatIsGone(t *testing.T) {
	for gone := range 4 { // .1 to .3, or none
		t.Run(fmt.Sprint(gone), func(t *testing.T) {
			w := newWorld(t)
			w.docker()
			w.ahead = &recorder{records: map[string][]got{}}
			path, id := w.path("@c"), w.sourceID("@c")
			var wrote []string
			put := func(text string) {
				t.Helper()
				wrote = append(wrote, text)
				if err := appendTo(path, dockerLine(text+"\n", "stdout", "", time.Unix(1_736_430_000+int64(len(wrote)), 0).UTC())); err != nil {
					t.Fatal(err)
				}
			}
			has := func(o *recorder, want ...string) {
				t.Helper()
				w.until(fmt.Sprint(want), func() bool { return o.count(id) >= len(want) })
				w.quiet()
				got := []string{}
				for _, g := range o.take()[id] {
					got = append(got, g.body)
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Fatalf("got %v, want %v", got, want)
				}
			}
			put("a")
			w.start()
			has(w.out, "a")
			w.out.mu.Lock()
			w.out.holding = true
			w.out.mu.Unlock()
			for _, text := range []string{"b", "c", "d", "e"} {
				rotate(t, path, 4)
				put(text)
				w.until(text, func() bool { return w.ahead.count(id) == len(wrote) })
			}
			has(w.out, "b", "c", "d", "e")
			has(w.ahead, wrote...)
			w.kill()
			put("f")
			left := []string{"b", "c", "d", "e", "f"}
			if gone > 0 {
				if err := os.Remove(fmt.Sprintf("%s.%d", path, gone)); err != nil {
					t.Fatal(err)
				}
				left = append(left[:3-gone:3-gone], left[4-gone:]...)
			}
			rotate(t, path, 5)
			put("g")
			w.start()
			has(w.out, append(left, "g")...)
			has(w.ahead, "f", "g")
			if n := w.tail.gaps.Load(); n != uint64(min(gone, 1)) {
				t.Errorf("%d gaps", n)
			}
			for _, text := range []string{"h", "i", "j"} {
				rotate(t, path, 5)
				put(text)
				has(w.out, text)
				has(w.ahead, text)
			}
			w.stop()
		})
	}
}
