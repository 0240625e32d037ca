package docker

import (
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/webgrip/logkeel/agent"
)

const (
	// maxLines bounds of how many names something is remembered.
	maxLines = 1000
	// askedFor is for how long an end counts as asked for after the signal: what is
	// stopped in the usual way gets another one much sooner.
	askedFor = 5 * time.Minute
)

// lives tells ends that somebody asked for from crashes, and a container that
// replaces another one from one that ended: by events, for afterwards the engine
// does not say who ended it.
type lives struct {
	mu   sync.Mutex
	of   map[string]*life // by container id
	line map[string]*line // by name
	last event            // the newest one, with what is happening from then on
}

// A life is what is known of one container.
type life struct {
	line    string // "" where its ends are nobody's business
	stop    syscall.Signal
	asked   time.Time // when somebody last asked it to end
	ended   bool      // its latest end was seen
	exit    int       // code of that
	crashed bool      // nobody asked for that, and the code was not 0
	started time.Time // its latest run
	oom     time.Time // the newest event of that
	counted time.Time // the run whose OOM kill is counted, without an event
}

// A line is the containers that had one name, one after the other.
type line struct {
	id      string // the newest one
	created time.Time
	counts
}

// counts are what happened to the containers of one name since the agent began
// to look.
type counts struct{ crashes, recreated, ooms uint64 }

func newLives() *lives { return &lives{of: map[string]*life{}, line: map[string]*line{}} }

// lineOf is what stays the same when Compose replaces a container, in the middle
// of which both have other names. One-off containers have whoever started them
// looking at them.
func lineOf(name string, labels map[string]string) string {
	const compose = "com.docker.compose."
	if oneOff, err := strconv.ParseBool(labels[compose+"oneoff"]); err == nil && oneOff {
		return ""
	}
	project, service, n := labels[compose+"project"], labels[compose+"service"], labels[compose+"container-number"]
	if project != "" && service != "" && n != "" {
		return project + "/" + service + "/" + n // no name has a slash
	}
	return strings.TrimPrefix(name, "/")
}

// seen notes what the engine says of a container.
func (l *lives) seen(d *described) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, known := l.of[d.container.ID]
	if !known {
		k = &life{}
		l.of[d.container.ID] = k
		if d.state.oomKilled {
			k.counted = d.state.started // before anybody looked
		}
	}
	k.line = lineOf(d.container.Name, d.container.Labels)
	k.stop = signalOf(d.audit.stop)
	k.started = d.state.started
	if k.line == "" {
		return
	}
	n := l.lineFor(k.line)
	switch {
	case n.id == "":
		n.id, n.created = d.container.ID, d.audit.created
	case n.id != d.container.ID && d.audit.created.After(n.created):
		n.recreated++
		n.id, n.created = d.container.ID, d.audit.created
	}
}

// lineFor returns the line of that name. l.mu is held.
func (l *lives) lineFor(name string) *line {
	n := l.line[name]
	if n == nil {
		if len(l.line) >= maxLines {
			l.forget()
		}
		n = &line{}
		l.line[name] = n
	}
	return n
}

// forget drops a line: one without a container, if there is one, and of those the
// oldest.
func (l *lives) forget() {
	var worst string
	var there bool
	for name, n := range l.line {
		_, lives := l.of[n.id]
		if w := l.line[worst]; w == nil || there && !lives || there == lives && n.created.Before(w.created) {
			worst, there = name, lives
		}
	}
	delete(l.line, worst)
}

// happened notes an event. After a stream that broke the engine sends once more
// the last one that was seen.
func (l *lives) happened(e event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.kind == subscribed || e == l.last {
		return
	}
	l.last = e
	switch e.kind {
	case changed:
		return
	case removed:
		delete(l.of, e.id)
		return
	}
	k := l.of[e.id]
	if k == nil { // it was gone before it could be asked for
		k = &life{line: e.line}
		l.of[e.id] = k
	}
	switch e.kind {
	case signalled:
		if deadly(syscall.Signal(e.code), k.stop) {
			k.asked = e.at
		}
	case stopped:
		k.crashed = false
	case killedForMemory:
		if !k.counted.IsZero() && k.counted.Equal(k.started) {
			k.counted = time.Time{} // by what a sample said before
		} else if k.line != "" {
			l.lineFor(k.line).ooms++
		}
		k.oom = e.at
	case died:
		asked := !k.asked.IsZero() && e.at.Sub(k.asked) <= askedFor
		k.asked = time.Time{}
		k.ended, k.exit, k.crashed = true, e.code, e.code != 0 && !asked
		if k.crashed && k.line != "" {
			l.lineFor(k.line).crashes++
		}
	}
}

// since is from when on events are wanted; zero: from now on.
func (l *lives) since() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.at
}

// keep forgets the containers that are not there.
func (l *lives) keep(there map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.of {
		if !there[id] {
			delete(l.of, id)
		}
	}
}

// report returns what is known of a container that has been measured. Where its
// line is not known all is 0. An OOM kill whose event did not come is counted by
// what the engine says of the run.
func (l *lives) report(k *agent.Container, s *state) (life, counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.of[k.ID]
	if of == nil {
		return life{}, counts{}
	}
	if s.oomKilled && of.oom.Before(s.started) && !of.counted.Equal(s.started) {
		of.counted = s.started
		if of.line != "" {
			l.lineFor(of.line).ooms++
		}
	}
	if n := l.line[of.line]; n != nil {
		return *of, n.counts
	}
	return *of, counts{}
}

// signalOf reads a stop signal as an image has it: SIGQUIT, QUIT, 3, SIGRTMIN+3.
func signalOf(s string) syscall.Signal {
	if n, err := strconv.Atoi(s); err == nil {
		return syscall.Signal(n)
	}
	s = "SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")
	const rtmin = 34
	if plus, ok := strings.CutPrefix(s, "SIGRTMIN"); ok {
		n, _ := strconv.Atoi(strings.TrimPrefix(plus, "+"))
		return syscall.Signal(rtmin + n)
	}
	if n := unix.SignalNum(s); n != 0 {
		return n
	}
	return unix.SIGTERM
}

// deadly reports whether who sends a container this signal wants it to end: others
// make programs read their configuration anew, for instance.
func deadly(s, stop syscall.Signal) bool {
	switch s {
	case stop, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGKILL, unix.SIGTERM:
		return true
	}
	return false
}
