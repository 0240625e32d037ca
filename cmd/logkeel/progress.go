package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/webgrip/logkeel/agent/printable"
)

const (
	progressAfter = 2 * time.Second        // nothing is said of what takes less
	progressEvery = 200 * time.Millisecond // how often the line is written anew
)

// A progress is a line on a terminal that says what a command does, while that takes
// long. It is gone when the command is through, and before the command writes.
type progress struct {
	w       io.Writer // the terminal
	width   func() int
	text    func(took time.Duration) string
	out     []*console // what is written meanwhile
	started time.Time

	mu    sync.Mutex
	shown bool
	done  chan struct{}
	ended sync.WaitGroup
}

// during shows on errs, where that is a terminal and quiet is not set, what text says.
// What it returns ends that; it may be called more than once.
func during(out, errs io.Writer, quiet bool, text func(took time.Duration) string) (end func()) {
	if quiet || !isTerminal(errs) {
		return func() {}
	}
	p := &progress{w: errs, text: text, width: func() int { return widthOf(errs) }}
	if c, ok := errs.(*console); ok {
		p.w = c.Writer
		p.out = append(p.out, c)
	}
	if c, ok := out.(*console); ok && isTerminal(out) {
		p.out = append(p.out, c)
	}
	p.start()
	return sync.OnceFunc(p.end)
}

// working is during for commands that say now and then what they do.
func working(cmd *cobra.Command, quiet bool) (now func(format string, args ...any), end func()) {
	var text atomic.Value
	text.Store("")
	end = during(cmd.OutOrStdout(), cmd.ErrOrStderr(), quiet, func(took time.Duration) string {
		doing := text.Load().(string)
		if doing == "" {
			return ""
		}
		return fmt.Sprintf("%s (%s)", doing, took.Truncate(time.Second))
	})
	return func(format string, args ...any) { text.Store(fmt.Sprintf(format, args...)) }, end
}

func (p *progress) start() {
	for _, c := range p.out {
		c.attach(p)
	}
	p.started, p.done = time.Now(), make(chan struct{})
	p.ended.Go(p.run)
}

func (p *progress) end() {
	close(p.done)
	p.ended.Wait()
	for _, c := range p.out {
		c.attach(nil)
	}
	p.hide()
}

func (c *console) attach(p *progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = p
}

func (p *progress) run() {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
			if took := time.Since(p.started); took >= progressAfter {
				p.show(took)
			}
		}
	}
}

// show writes the line, unless one of the command's own is half written.
func (p *progress) show(took time.Duration) {
	text := p.text(took)
	if text == "" {
		return
	}
	for _, c := range p.out {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.midline {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	text = cut(printable.Line(text), p.width()-1)
	_, _ = io.WriteString(p.w, "\r"+text+"\x1b[K")
	p.shown = true
}

// hide removes the line.
func (p *progress) hide() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// cut leaves what fits into so many columns: a line that is broken cannot be removed.
func cut(text string, columns int) string {
	if r := []rune(text); columns > 0 && len(r) > columns {
		return string(r[:columns-1]) + "…"
	}
	return text
}
