package spool

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
)

// A script is one run over all that a spool does, with every step tried until
// it works.
func (w *world) script() {
	for i := range 12 {
		for before := w.s.next; w.s.next == before; {
			w.append()
		}
		if i%3 == 2 {
			for len(w.flight) < 4 && w.next() {
			}
			w.ack()
			w.ack()
		}
		switch i {
		case 4:
			w.rewind()
		case 6:
			w.reopen()
		case 9:
			w.kill()
		}
		w.check()
	}
}

// TestEveryCallFails lets each call to the file system fail in turn, alone or
// with those after it, and then cuts the power or does not.
func TestEveryCallFails(t *testing.T) {
	for _, length := range []int{1, 2, 7} {
		for _, power := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d in a row, power cut %v", length, power), func(t *testing.T) {
				for k := 1; ; k++ {
					w := newWorld(t, rand.New(rand.NewPCG(1, uint64(k))))
					from := w.fs.calls + k
					w.retries = true
					w.fs.fail = func(call int, op, _ string) error {
						// A frame that is not read three times is given up.
						if call < from || call >= from+length || op == "read" && length >= readTries {
							return nil
						}
						return syscall.ENOSPC
					}
					w.script()
					over := w.fs.calls < from
					if power {
						w.powerCut()
					}
					w.finish()
					if !power && w.drops > 0 {
						t.Fatalf("call %d: %d drops", k, w.drops)
					}
					if over {
						break
					}
				}
			})
		}
	}
}
