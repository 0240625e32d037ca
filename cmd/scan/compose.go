package scan

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/logtime"
	"github.com/webgrip/logkeel/collectors/tail"
)

// A form is how the lines of a file came about.
type form int

const (
	text       form = iota
	dockerJSON      // Docker's json-file driver
	composed        // docker compose logs: each has its container before it
	stamped         // docker logs --timestamps
)

// recognise says what begins so.
func recognise(start []byte) form {
	if tail.IsDockerJSON(start) {
		return dockerJSON
	}
	lines, composedLines, column, aligned := 0, 0, -1, true
	sure := false
	for line := range bytes.Lines(start) {
		line, whole := bytes.CutSuffix(line, []byte{'\n'})
		if lines == 100 || !whole && lines > 0 {
			break
		}
		if len(line) == 0 {
			continue
		}
		lines++
		name, n := prefix(line)
		if n == 0 {
			if _, n := logtime.Stamp(line); n > 0 && lines == 1 {
				return stamped
			}
			continue
		}
		composedLines++
		at := bytes.IndexByte(line, '|')
		aligned = aligned && (column < 0 || column == at)
		column = at
		service := withoutNumber(string(name))
		sure = sure || service != string(name) || isStamped(line[n:])
		if levels[strings.ToUpper(service)] {
			return text
		}
	}
	// A container may have a name without a number; then all lines have to look so.
	if sure && 2*composedLines >= lines && composedLines > 0 || composedLines > 1 && composedLines == lines && aligned {
		return composed
	}
	return text
}

func isStamped(line []byte) bool {
	_, n := logtime.Stamp(line)
	return n > 0
}

// levels may stand before a bar as well.
var levels = map[string]bool{
	"TRACE": true, "DEBUG": true, "INFO": true, "NOTICE": true, "WARN": true, "WARNING": true, "ERROR": true, "CRITICAL": true, "FATAL": true, "SUCCESS": true,
}

// prefix reads the container's name that Compose writes before a line, as in
// "app-1  | ", coloured or not. n is how long all of that is; 0: there is none.
func prefix(line []byte) (name []byte, n int) {
	i := escape(line)
	start := i
	for i < len(line) && i-start < 255 && (isAlphanumeric(line[i]) || i > start && (line[i] == '-' || line[i] == '_' || line[i] == '.')) {
		i++
	}
	name = line[start:i]
	for i < len(line) && line[i] == ' ' {
		i++
	}
	if len(name) == 0 || i == start+len(name) || i == len(line) || line[i] != '|' {
		return nil, 0
	}
	i++
	i += escape(line[i:])
	if i < len(line) && line[i] == ' ' {
		i++
	} else if i < len(line) && line[i] != '\r' {
		return nil, 0
	}
	return name, i + escape(line[i:])
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// escape is the length of the colour that the line begins with.
func escape(line []byte) int {
	if len(line) < 3 || line[0] != 0x1b || line[1] != '[' {
		return 0
	}
	for i := 2; i < len(line); i++ {
		if c := line[i]; c == 'm' {
			return i + 1
		} else if c != ';' && (c < '0' || c > '9') {
			return 0
		}
	}
	return 0
}

// withoutNumber is the service of the container app-1, or app_1 of old.
func withoutNumber(name string) string {
	s := strings.TrimRight(name, "0123456789")
	if len(s) < 2 || len(s) == len(name) || s[len(s)-1] != '-' && s[len(s)-1] != '_' {
		return name
	}
	return s[:len(s)-1]
}

// maxServices bounds what is kept apart of the containers that a stream names.
const maxServices = 1000

// services are the logs of several containers that came together.
type services struct {
	s      *scan
	in     io.ReadCloser
	now    time.Time
	byName map[string]*service
	all    []*service // as they came
	last   *service
	rest   []byte     // of a line
	due    []*service // have something new
	ended  error      // why nothing follows: io.EOF, or another one
}

// A service is one of them.
type service struct {
	source  *agent.Source
	stretch *tail.Stretch // nil: it is not asked for
	due     bool
}

func newServices(s *scan, in io.ReadCloser, now time.Time) *services {
	return &services{s: s, in: in, now: now, byName: map[string]*service{}}
}

func (c *services) Close() { c.in.Close() }

// idle says that all that has come was given.
func (c *services) idle() bool { return len(c.due) == 0 }

// Next gives what came of one container after the other.
func (c *services) Next(b *agent.Batch, block *[]byte) error {
	b.Reset()
	for {
		for len(c.due) > 0 {
			v := c.due[0]
			more := v.stretch.Cut(b, c.ended != nil)
			if !more || c.ended == nil { // then one cut takes all that is whole
				v.due = false
				c.due = c.due[1:]
			}
			if more && len(b.Records) > 0 {
				b.Source, b.Pos.Epoch = v.source, 1
				return nil
			}
		}
		if c.ended != nil {
			return c.ended
		}
		got, err := fill(c.in, block)
		c.take(got)
		if c.ended = err; err != nil {
			c.end()
		}
	}
}

// end takes the last line, and then what waits for another one.
func (c *services) end() {
	if len(c.rest) > 0 {
		c.line(c.rest)
		c.rest = nil
	}
	for _, v := range c.all {
		if v.stretch != nil && !v.due {
			v.due = true
			c.due = append(c.due, v)
		}
	}
}

// take hands the lines to their containers.
func (c *services) take(got []byte) {
	for len(got) > 0 {
		n := bytes.IndexByte(got, '\n') + 1
		switch {
		case n == 0 && len(c.rest)+len(got) <= tail.DefaultMaxLine:
			c.rest = append(c.rest, got...)
			return
		case n == 0: // a line is cut where a record would be
			n = len(got)
		}
		if line := got[:n]; len(c.rest) == 0 {
			c.line(line)
		} else {
			c.rest = append(c.rest, line...)
			c.line(c.rest)
			c.rest = c.rest[:0]
		}
		got = got[n:]
	}
}

func (c *services) line(line []byte) {
	v := c.last
	name, n := prefix(line)
	if n > 0 || v == nil {
		v = c.named(name)
	}
	c.last = v
	if v.stretch == nil {
		return
	}
	v.stretch.Add(line[n:])
	if !v.due {
		v.due = true
		c.due = append(c.due, v)
	}
}

// named is the container of that name.
func (c *services) named(name []byte) *service {
	if v := c.byName[string(name)]; v != nil {
		return v
	}
	n := string(name)
	if n == "" {
		n = "(no container)"
	} else if len(c.byName) >= maxServices {
		n = "(others)"
		if v := c.byName[n]; v != nil {
			return v
		}
	}
	v := &service{}
	f := tail.Form{Format: c.s.Format, Stamp: stamps(c.now, true)}
	if p := c.s.known(n); p != nil {
		v.source, f.MaxLine = p.Source, p.MaxLine
		if f.Format == nil {
			f.Format = p.Format
		}
	} else {
		labels := []agent.Label{{Name: "container", Value: n}, {Name: "service", Value: withoutNumber(n)}, {Name: "source", Value: "scan"}}
		v.source = &agent.Source{ID: "scan/" + n, Collector: "scan", Name: n, Labels: labels}
	}
	if c.s.Source == nil || c.s.Source(v.source) {
		v.stretch = tail.NewStretch(f)
	}
	c.byName[n] = v
	c.all = append(c.all, v)
	return v
}

// known is the log of the container of which Compose writes the name without its
// project; nil where that is none, or several may be meant.
func (s *scan) known(name string) (found *tail.Past) {
	for i := range s.Logs {
		c := s.Logs[i].Source.Container
		if c == nil || c.Name != name && c.Name != c.Project+"-"+name && c.Name != c.Project+"_"+name {
			continue
		}
		if found != nil {
			return nil
		}
		found = &s.Logs[i]
	}
	return found
}
