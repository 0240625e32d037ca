package rules

import (
	"slices"
	"time"
)

// A window is the times of the newest findings, ascending: as many as a rule's
// threshold, in nanoseconds since 1970.
type window []int64

// add notes a finding and reports whether it completes size of them within
// width. A time long before the others begins the window anew: either the clock
// was put back, or another log that is far behind is counted with this one.
func (w *window) add(t int64, size int, width time.Duration) bool {
	list := *w
	if n := len(list); n > 0 && t < list[n-1]-int64(width) {
		list = list[:0]
	}
	at, _ := slices.BinarySearch(list, t+1)
	if len(list) < size {
		list = slices.Insert(list, at, t)
	} else if at > 0 {
		copy(list, list[1:at])
		list[at-1] = t
	}
	*w = list
	return len(list) == size && list[size-1]-list[0] <= int64(width)
}

// oldest is the time of the first finding that counts.
func (w window) oldest() int64 { return w[0] }
