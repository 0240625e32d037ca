package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// A console is where a command writes to. It knows whether that is a terminal, and
// whether there may be colour: nothing else decides that.
type console struct {
	io.Writer // a file, as a rule
	color     bool

	mu      sync.Mutex
	failed  error     // the first write that did
	midline bool      // what was written last has not ended its line
	over    *progress // whose line goes before something is written; nil: none
}

// colorMode is the flag --color.
type colorMode string

const (
	auto   colorMode = "auto"
	always colorMode = "always"
	never  colorMode = "never"
)

func (c *colorMode) String() string { return string(*c) }
func (c *colorMode) Type() string   { return "when" }
func (c *colorMode) Set(text string) error {
	switch m := colorMode(text); m {
	case auto, always, never:
		*c = m
		return nil
	}
	return fmt.Errorf("write auto, always or never")
}

// colored says whether there is colour on w: on terminals, unless the flag or the
// environment says otherwise. See no-color.org and bixense.com/clicolors.
func colored(w io.Writer, mode colorMode, env func(string) string) bool {
	switch force := env("CLICOLOR_FORCE"); {
	case mode == always:
		return true
	case mode == never, env("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return env("TERM") != "dumb" && isTerminal(w)
}

// dress gives root's commands consoles to write to.
func dress(root *cobra.Command, mode colorMode) {
	for _, one := range []struct {
		w   io.Writer
		set func(io.Writer)
	}{{root.OutOrStdout(), root.SetOut}, {root.ErrOrStderr(), root.SetErr}} {
		if _, ok := one.w.(*console); !ok {
			one.set(&console{Writer: one.w, color: colored(one.w, mode, os.Getenv)})
		}
	}
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		c.over.hide()
	}
	n, err := c.Writer.Write(p)
	if n > 0 {
		c.midline = p[n-1] != '\n'
	}
	c.failed = cmp.Or(c.failed, err)
	return n, err
}

// failure is what was wrong with the first write that failed. That nobody reads any
// more is nothing wrong.
func (c *console) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.failed, syscall.EPIPE) {
		return nil
	}
	return c.failed
}

// file is what w writes to, nil where it is none.
func file(w any) *os.File {
	if c, ok := w.(*console); ok {
		w = c.Writer
	}
	f, _ := w.(*os.File)
	return f
}

// isTerminal says whether people see at once what is written to w.
func isTerminal(w any) bool {
	f := file(w)
	if f == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// widthOf is how many columns the terminal has, 0 where that is not known.
func widthOf(w any) int {
	f := file(w)
	if f == nil {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// A style writes in colour, or does not.
type style struct{ color bool }

// styleOf is that of where is written to.
func styleOf(w io.Writer) style {
	c, ok := w.(*console)
	return style{ok && c.color}
}

func (s style) paint(code, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) good(text string) string { return s.paint("32", text) }
func (s style) bad(text string) string  { return s.paint("31", text) }
func (s style) warn(text string) string { return s.paint("33", text) }
func (s style) mark(text string) string { return s.paint("1;31", text) }
