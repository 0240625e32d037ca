package agent

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// A Trouble says a failure once, however often it happens, and its end once.
type Trouble struct {
	log *slog.Logger

	mu    sync.Mutex
	since time.Time       // zero: all is well
	times int             // failures since then
	said  map[string]bool // by text without its digits
	last  string
}

// maxSaid bounds how many different failures one trouble says.
const maxSaid = 8

// NewTrouble returns a Trouble that writes to log.
func NewTrouble(log *slog.Logger) *Trouble { return &Trouble{log: log} }

// Fail notes a failure, and says it where it was not said since all was well.
func (t *Trouble) Fail(err error, msg string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		t.since, t.times, t.said = time.Now(), 0, map[string]bool{}
	}
	t.times++
	t.last = Note(err)
	key := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' { // ports and counts change from one failure to the next
			return -1
		}
		return r
	}, err.Error())
	if t.said[key] || len(t.said) >= maxSaid {
		return
	}
	t.said[key] = true
	t.log.Warn(msg, append(args, "error", err)...)
}

// Clear says that the failure is over, where there was one.
func (t *Trouble) Clear(msg string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		return
	}
	t.log.Info(msg, append(args, "failures", t.times, "after", time.Since(t.since).Round(time.Millisecond).String())...)
	t.since, t.said, t.last = time.Time{}, nil, ""
}

// Active reports whether the failure goes on.
func (t *Trouble) Active() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.since.IsZero()
}

// State says for how long the failure goes on, and what was its last error; 0
// and "" where all is well.
func (t *Trouble) State() (d time.Duration, last string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		return 0, ""
	}
	return time.Since(t.since), t.last
}

// maxNote bounds an error's text that is kept, in bytes.
const maxNote = 300

// Note is the error's text as a Sample's Note.
func Note(err error) string {
	s := strings.ToValidUTF8(err.Error(), "\ufffd")
	if len(s) <= maxNote {
		return s
	}
	return strings.ToValidUTF8(s[:maxNote], "") + "…"
}

// Unwritten says for how long a part of what lies in state_dir could not be
// written.
func Unwritten(part string, t *Trouble) Sample {
	d, last := t.State()
	return Sample{
		Name: "logkeel_state_unwritten_seconds", Help: "For how long what has to outlive the agent cannot be written; 0 where it can.",
		Labels: []Label{{"part", part}}, Value: d.Seconds(), Note: last,
	}
}
