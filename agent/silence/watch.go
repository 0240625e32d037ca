package silence

import (
	"os"
	"slices"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// Poll is how often a Watch looks whether the file has changed.
const Poll = 2 * time.Second

// A Watch is what an agent knows of a Book. Its methods may be called from any
// goroutine.
type Watch struct {
	book    *Book
	trouble *agent.Trouble
	now     func() time.Time

	mu      sync.Mutex
	looked  time.Time // with a monotonic reading
	seen    os.FileInfo
	entries []Silence
}

// NewWatch reads what is there. A file that cannot be read is said once, and what
// was there before goes on.
func NewWatch(dir string, trouble *agent.Trouble) *Watch {
	w := &Watch{book: Open(dir), trouble: trouble, now: time.Now}
	w.Refresh()
	return w
}

// Refresh reads the file where it has changed, at most once in Poll.
func (w *Watch) Refresh() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if !w.looked.IsZero() && now.Sub(w.looked) < Poll {
		return
	}
	w.looked = now
	info, err := os.Stat(w.book.path())
	switch {
	case os.IsNotExist(err):
		w.seen, w.entries = nil, nil
		w.trouble.Clear("silences can be read again")
		return
	case err == nil && w.seen != nil && os.SameFile(info, w.seen) && info.ModTime().Equal(w.seen.ModTime()) && info.Size() == w.seen.Size():
		return
	}
	var list []Silence
	if err == nil {
		list, err = w.book.List()
	}
	if err != nil {
		w.trouble.Fail(err, "silences cannot be read; those that were known go on. Mend the file, or remove it")
		return
	}
	w.seen, w.entries = info, list
	w.trouble.Clear("silences can be read again")
}

// Now returns what tells whether something with labels is silenced, for as long as
// it takes to decide about all that there is: nothing changes in between. It is nil
// where nothing is silenced. get gives a label's value, "" where there is none.
func (w *Watch) Now() func(get func(label string) string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	var active []Silence
	for i := range w.entries {
		if w.entries[i].Active(now) {
			active = append(active, w.entries[i])
		}
	}
	if active == nil {
		return nil
	}
	return func(get func(string) string) bool {
		return slices.ContainsFunc(active, func(s Silence) bool { return s.parsed.Hold(get) })
	}
}

func (w *Watch) active() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	for i := range w.entries {
		if w.entries[i].Active(now) {
			n++
		}
	}
	return n
}

// Meter yields how many silences there are.
func (w *Watch) Meter(yield func(agent.Sample)) {
	w.Refresh()
	yield(agent.Sample{Name: "logkeel_silences", Help: "Silences that are active.", Value: float64(w.active())})
}

// Matches reports whether the silence is about what has these labels. get gives a
// label's value, "" where there is none.
func (s *Silence) Matches(get func(label string) string) bool { return s.parsed.Hold(get) }
