package scan

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/logtime"
	"github.com/webgrip/logkeel/collectors/tail"
)

// sniffed is how much of a file is looked at to see what it is.
const sniffed = 64 << 10

// open makes the lanes. Nothing is held open yet.
func (s *scan) open() {
	if len(s.Files) == 0 {
		for i := range s.Logs {
			s.past(s.Logs[i])
		}
		return
	}
	seen := map[string]bool{}
	for _, name := range s.Files {
		path := name
		if name != "-" {
			path = absolute(name)
		}
		if seen[path] {
			continue
		}
		seen[path] = true
		if err := s.file(name); err != nil {
			s.fail(err)
		}
	}
}

func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

func (s *scan) add(l *lane) {
	l.chunks = make(chan *chunk, 1)
	s.lanes = append(s.lanes, l)
}

// past adds a log that lies in files.
func (s *scan) past(p tail.Past) {
	if s.Source != nil && !s.Source(p.Source) {
		return
	}
	p.Since, p.Fail, p.Read = s.Since, s.fail, &s.read
	when := s.Now
	if info, err := os.Stat(p.Path); err == nil {
		when = info.ModTime()
	}
	if !p.Docker && p.Stamp == nil {
		p.Stamp = stamps(when, false)
	}
	s.size += p.Size()
	s.add(&lane{when: when.UnixNano(), open: func() (feed, error) { return opened(p.Open()) }})
}

// opened is a feed that is nil with an error.
func opened(r *tail.PastReader, err error) (feed, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// stamps reads the times of text. docker says that docker logs --timestamps has
// put them before the lines.
func stamps(newest time.Time, docker bool) tail.Stamp {
	p := logtime.New(time.Local, newest)
	return func(line []byte) (ns int64, skip int, ok bool) {
		if docker {
			if ns, skip = logtime.Stamp(line); skip > 0 {
				return ns, skip, true
			}
		}
		ns, ok = p.Find(line)
		return ns, 0, ok
	}
}

// file adds an argument.
func (s *scan) file(name string) error {
	if name == "-" {
		return s.stream("(stdin)", s.In, s.Now)
	}
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder; name the files in it, as %s", name, filepath.Join(name, "*.log"))
	case !info.Mode().IsRegular(): // as <(zcat …) of a shell
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		return s.stream(name, f, s.Now)
	}
	for i := range s.Logs {
		if p := s.Logs[i]; absolute(p.Path) == absolute(name) {
			p.Rotated = s.Rotated
			s.past(p)
			return nil
		}
	}
	start, _, err := tail.Peek(name, sniffed)
	if err != nil {
		return err
	}
	form := recognise(start)
	if form == composed {
		s.size += info.Size()
		s.add(&lane{mixed: true, when: info.ModTime().UnixNano(), open: func() (feed, error) {
			in, err := s.whole(name)
			if err != nil {
				return nil, err
			}
			return newServices(s, in, info.ModTime()), nil
		}})
		return nil
	}
	p := tail.Past{Source: source(name), Path: filepath.Clean(name), Rotated: s.Rotated, Form: tail.Form{Docker: form == dockerJSON, Format: s.Format}}
	if form == stamped {
		p.Stamp = stamps(info.ModTime(), true)
	}
	s.past(p)
	return nil
}

// source is that of a log of which nothing is known but its name.
func source(name string) *agent.Source {
	return &agent.Source{ID: "scan/" + name, Collector: "scan", Name: name, Labels: []agent.Label{{Name: "path", Value: name}, {Name: "source", Value: "scan"}}}
}

// whole opens a file for reading from its start, decompressed.
func (s *scan) whole(name string) (io.ReadCloser, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	in := &counted{f, s}
	if !strings.HasSuffix(name, ".gz") {
		return in, nil
	}
	zr, err := gzip.NewReader(in)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{zr, f}, nil
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	s *scan
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.s.read.Add(int64(n))
	return n, err
}

// stream adds what can be read once.
func (s *scan) stream(name string, in io.Reader, now time.Time) error {
	l := &lane{when: now.UnixNano(), mixed: true}
	l.open = func() (feed, error) {
		in := &counted{io.NopCloser(in), s}
		start := make([]byte, 0, sniffed)
		var err error
		for err == nil && len(start) < sniffed && !strings.Contains(string(start), "\n") {
			var n int
			n, err = in.Read(start[len(start):sniffed])
			start = start[:len(start)+n]
		}
		rest := io.NopCloser(io.MultiReader(strings.NewReader(string(start)), in))
		form := recognise(start)
		if form == composed {
			return newServices(s, rest, now), nil
		}
		src := source(name)
		if s.Source != nil && !s.Source(src) {
			return &pipe{}, nil
		}
		f := tail.Form{Docker: form == dockerJSON, Format: s.Format, Stamp: stamps(now, form == stamped)}
		return &pipe{in: rest, source: src, stretch: tail.NewStretch(f)}, nil
	}
	s.add(l)
	return nil
}

// A pipe is a log that comes through one.
type pipe struct {
	in      io.ReadCloser // nil: it is not asked for
	source  *agent.Source
	stretch *tail.Stretch
	ended   error // why nothing follows: io.EOF, or another one
}

func (p *pipe) Close() {}

func (p *pipe) idle() bool { return true }

func (p *pipe) Next(b *agent.Batch, block *[]byte) error {
	b.Reset()
	for p.in != nil {
		if p.stretch.Cut(b, p.ended != nil) {
			if len(b.Records) > 0 {
				b.Source, b.Pos.Epoch = p.source, 1
				return nil
			}
			continue
		}
		if p.ended != nil {
			return p.ended
		}
		var got []byte
		got, p.ended = fill(p.in, block)
		p.stretch.Add(got)
	}
	return io.EOF
}

const blockSize = 256 << 10

// fill reads once into the block.
func fill(in io.Reader, block *[]byte) ([]byte, error) {
	if cap(*block) < blockSize {
		*block = make([]byte, blockSize)
	}
	for {
		n, err := in.Read((*block)[:blockSize])
		if n > 0 || err != nil {
			return (*block)[:n], err
		}
	}
}
