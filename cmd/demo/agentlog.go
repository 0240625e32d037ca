package demo

import (
	"bytes"
	"errors"
	"strings"
	"sync"
)

// maxLogged is how many lines of the agent's own log are kept.
const maxLogged = 20

// An agentLog takes the agent's own log and shows what is a warning in it.
type agentLog struct {
	show *show

	mu    sync.Mutex
	lines []string
}

// Write takes one or more whole lines, as package slog writes them.
func (l *agentLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(b) {
		text := strings.TrimSuffix(string(line), "\n")
		if l.lines = append(l.lines, text); len(l.lines) > maxLogged {
			l.lines = l.lines[1:]
		}
		// That there is no engine was said at the start.
		if strings.Contains(text, "no-engine.sock") {
			continue
		}
		for _, level := range []string{"WARN", "ERROR"} {
			if _, said, ok := strings.Cut(text, " level="+level+" "); ok {
				l.show.event(yellow, "agent", "%s %s", level, said)
			}
		}
	}
	return len(b), nil
}

// last is the end of the log as an error, for where the agent has failed.
func (l *agentLog) last() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return nil
	}
	return errors.New("the end of its log:\n  " + strings.Join(l.lines, "\n  "))
}
