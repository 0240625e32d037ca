package rules

import (
	"slices"
	"time"
)

// A window is the times of the newest findings, ascending: as many as a rule's
// threshold, in nanoseconds since 1970.
type window struct {
	buf  []int64
	from int // times before are of no use any more
}

func (w *window) times() []int64 { return w.buf[w.from:] }

func (w *window) len() int { return len(w.buf) - w.from }

// add notes a finding and reports whether it completes size of them within
// width. A time long before the others begins the window anew.
func (w *window) add(t int64, size int, width time.Duration) bool {
	if newest, ok := w.newest(); ok && t < newest-int64(width) {
		w.buf, w.from = w.buf[:0], 0
	}
	w.insert(t, size)
	list := w.times()
	return len(list) == size && list[size-1]-list[0] <= int64(width)
}

// insert puts t in its place, and drops the oldest time where there are size. So
// that this moves little, as much room is left after the newest.
func (w *window) insert(t int64, size int) {
	list := w.times()
	at := len(list)
	if at > 0 && t < list[at-1] {
		at, _ = slices.BinarySearch(list, t+1)
	}
	switch {
	case len(list) < size:
		w.buf = slices.Insert(w.buf, w.from+at, t)
	case at == 0:
	case at < len(list):
		copy(list, list[1:at])
		list[at-1] = t
	default:
		if len(w.buf) >= 2*size {
			w.buf, w.from = w.buf[:copy(w.buf, list)], 0
		}
		w.buf = append(w.buf, t)
		w.from++
	}
}

// newest is the time of the last finding; ok is false where there is none.
func (w *window) newest() (t int64, ok bool) {
	if w.len() == 0 {
		return 0, false
	}
	return w.buf[len(w.buf)-1], true
}

// oldest is the time of the first finding that counts.
func (w *window) oldest() int64 { return w.buf[w.from] }

// keep drops all but the newest size times.
func (w *window) keep(size int) { w.from = max(w.from, len(w.buf)-size) }
