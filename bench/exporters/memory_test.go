//go:build measure

package exporters

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lookEvery is how often memory is looked at.
const lookEvery = 100 * time.Millisecond

// A memory is what is resident of a process, in KiB: its own, and the pages of files,
// which are mostly those of its program.
type memory struct{ own, file int }

func (m memory) all() int { return m.own + m.file }

func (m memory) String() string {
	return fmt.Sprintf("%s (its own %s, of files %s)", size(m.all()), size(m.own), size(m.file))
}

// size says KiB in both units that people mean.
func size(kib int) string {
	return fmt.Sprintf("%.1f MB = %.1f MiB", float64(kib)*1024/1e6, float64(kib)/1024)
}

// memoryOf reads what is resident now, and the most that ever was.
func memoryOf(pid int) (now memory, peak int, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, 0, err
	}
	for line := range strings.Lines(string(status)) {
		key, rest, _ := strings.Cut(line, ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
		switch key {
		case "VmHWM":
			peak = n
		case "RssAnon":
			now.own = n
		case "RssFile":
			now.file = n
		}
	}
	return now, peak, nil
}

// A watch looks at a process's memory until it is ended.
type watch struct {
	end  chan struct{}
	done sync.WaitGroup
	seen []memory
}

func watchMemory(pid int) *watch {
	w := &watch{end: make(chan struct{})}
	w.done.Go(func() {
		for tick := time.NewTicker(lookEvery); ; {
			if m, _, err := memoryOf(pid); err == nil {
				w.seen = append(w.seen, m)
			}
			select {
			case <-tick.C:
			case <-w.end:
				return
			}
		}
	})
	return w
}

// ended returns the largest of what was seen and the median.
func (w *watch) ended() (most, median memory) {
	close(w.end)
	w.done.Wait()
	if len(w.seen) == 0 {
		return
	}
	slices.SortFunc(w.seen, func(a, b memory) int { return a.all() - b.all() })
	return w.seen[len(w.seen)-1], w.seen[len(w.seen)/2]
}
