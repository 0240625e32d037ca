package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

// TestScripts runs the scenarios in testdata/scripts. Each line is a command;
// the first ones set the collector up, and start runs it:
//
//	files GLOB...           read these; docker: read containers' logs
//	exclude GLOB, at_end, max_line N, labels_wait D
//	multiline NAME, multiline_start TEXT, multiline_continue TEXT
//	poll D, pause D, join D, settle D, missing D    what the collector waits for
//	start, stop, kill       kill loses what the output did not call safe
//	start_without_inotify
//	hold, safe              from now on nothing is safe; what has come is safe
//	refuse, refused, accept the output takes nothing; wait until it did so; it does
//	sleep D                 Docker's clock goes on
//
//	append FILE TEXT        FILE is a path, or @c for the log of container c,
//	out C TEXT, err C TEXT  or @c.1; out and err write as Docker does
//	out_attrs C TEXT ATTRS
//	compress A              as gzip does: A.gz, and no A
//	tear A N                take N bytes from its end
//	rename, copy, symlink A B; truncate, unlink, mkdir, remove, fifo A; age A makes
//	                        it look as if nobody wrote to it for an hour
//	hold_open W FILE, write W TEXT    a writer that keeps the file open
//	reuse FILE              unlink it, and make a new one with the same inode
//	no_inodes               from the next start on, inodes say nothing
//	network                 the folders are on a network file system
//	name C NAME, unknown C, unwanted C, wanted C     a container's labels
//
//	expect                  the indented lines below are what comes now, by
//	                        source in this order, and nothing else
//	log TEXT, no_log TEXT   the collector has said this; it has not
//	gone FILE, closed FILE  its positions are forgotten; nobody reads it
//	polling on|off
//	gaps N                  so many were found since the start
//	caught_up               what was there at the start was read
//
// TEXT is a Go string; "x"*100 repeats, + joins.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := &script{world: newWorld(t), writers: map[string]*os.File{}, clock: time.Unix(1_736_430_000, 0).UTC()}
			s.play(path, string(text))
		})
	}
}

type script struct {
	*world
	writers map[string]*os.File
	clock   time.Time // of Docker
	at      string    // file:line
}

func (s *script) play(path, text string) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		s.at = fmt.Sprintf("%s:%d", path, i+1)
		words := s.split(lines[i])
		if len(words) == 0 {
			continue
		}
		var block []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\t") {
			i++
			block = append(block, lines[i])
		}
		if words[0] == "expect" {
			s.expect(block)
			continue
		}
		if err := s.do(words[0], words[1:]); err != nil {
			s.t.Fatalf("%s: %s: %v", s.at, lines[i], err)
		}
	}
	for _, f := range s.writers {
		f.Close()
	}
}

// split splits a line at white space outside of quotes.
func (s *script) split(line string) (words []string) {
	for {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			return words
		}
		quoted, end := false, 0
		for ; end < len(line) && (quoted || line[end] != ' ' && line[end] != '\t'); end++ {
			switch {
			case line[end] == '"':
				quoted = !quoted
			case line[end] == '\\' && quoted:
				end++
			}
		}
		words = append(words, line[:end])
		line = line[end:]
	}
}

// text is what an expression such as "ab"*3+"\n" stands for.
func (s *script) text(expr string) string {
	var b strings.Builder
	for rest := expr; rest != ""; {
		q, err := strconv.QuotedPrefix(rest)
		if err != nil {
			s.t.Fatalf("%s: %s is no text", s.at, expr)
		}
		part, _ := strconv.Unquote(q)
		times := 1
		rest = rest[len(q):]
		if n, ok := strings.CutPrefix(rest, "*"); ok {
			n, _, _ = strings.Cut(n, "+")
			if times, err = strconv.Atoi(n); err != nil {
				s.t.Fatalf("%s: %s: %v", s.at, expr, err)
			}
			rest = rest[1+len(n):]
		}
		b.WriteString(strings.Repeat(part, times))
		rest = strings.TrimPrefix(rest, "+")
	}
	return b.String()
}

func (s *script) do(cmd string, args []string) error {
	arg := func(i int) string {
		if i >= len(args) {
			s.t.Fatalf("%s: an argument is missing", s.at)
		}
		return args[i]
	}
	if ok, err := s.setUp(cmd, args); ok {
		return err
	}
	if ok, err := s.control(cmd, args); ok {
		return err
	}
	a := s.path(arg(0))
	switch cmd {
	case "append":
		return appendTo(a, s.text(arg(1)))
	case "rename":
		return os.Rename(a, s.path(arg(1)))
	case "copy":
		b, err := os.ReadFile(a)
		return errors.Join(err, os.WriteFile(s.path(arg(1)), b, 0o600))
	case "symlink":
		return os.Symlink(a, s.path(arg(1)))
	case "age":
		return os.Chtimes(a, time.Time{}, time.Now().Add(-time.Hour))
	case "truncate":
		return os.Truncate(a, 0)
	case "unlink":
		return os.Remove(a)
	case "mkdir":
		return os.MkdirAll(a, 0o700)
	case "remove":
		return os.RemoveAll(a)
	case "fifo":
		return syscall.Mkfifo(a, 0o600)
	case "compress":
		return s.compress(a)
	case "tear":
		info, err := os.Stat(a)
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(arg(1), 10, 64)
		return errors.Join(err, os.Truncate(a, info.Size()-n))
	case "reuse":
		return s.reuse(a)
	case "hold_open":
		f, err := os.OpenFile(s.path(arg(1)), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		s.writers[arg(0)] = f
		return err
	case "write":
		_, err := s.writers[arg(0)].WriteString(s.text(arg(1)))
		return err
	}
	return errors.New("unknown command")
}

func (s *script) setUp(cmd string, args []string) (known bool, err error) {
	o := &s.options
	switch cmd {
	case "files":
		for _, g := range args {
			o.Globs = append(o.Globs, filepath.Join(s.dir, g))
		}
	case "exclude":
		o.Exclude = append(o.Exclude, filepath.Join(s.dir, args[0]))
	case "docker":
		s.docker()
	case "at_end":
		o.StartAtEnd = true
	case "max_line":
		o.MaxLine, err = strconv.Atoi(args[0])
	case "multiline":
		f, ok := multiline.Preset(args[0])
		if !ok {
			err = errors.New("no such preset")
		}
		o.Format = func(*agent.Source) *multiline.Format { return f }
	case "multiline_start", "multiline_continue":
		var f *multiline.Format
		if expr := s.text(args[0]); cmd == "multiline_start" {
			f, err = multiline.Custom(expr, "")
		} else {
			f, err = multiline.Custom("", expr)
		}
		o.Format = func(*agent.Source) *multiline.Format { return f }
	case "no_inodes":
		s.inode = func(fs.FileInfo) uint64 { return 0 }
	case "network":
		s.netFS = func(string) string { return "nfs" }
	case "labels_wait":
		o.LabelWait, err = time.ParseDuration(args[0])
	case "poll":
		o.Poll, err = time.ParseDuration(args[0])
	case "pause":
		s.timing.pause, err = time.ParseDuration(args[0])
	case "join":
		s.timing.join, err = time.ParseDuration(args[0])
	case "settle":
		s.timing.settle, err = time.ParseDuration(args[0])
	case "missing":
		s.timing.missing, err = time.ParseDuration(args[0])
	case "start":
		s.start()
	case "start_without_inotify":
		s.newFS = noInotify
		s.start()
	case "stop":
		s.stop()
	case "kill":
		s.kill()
	default:
		return false, nil
	}
	return true, err
}

func (s *script) control(cmd string, args []string) (known bool, err error) {
	switch cmd {
	case "hold", "refuse", "accept":
		s.out.mu.Lock()
		defer s.out.mu.Unlock()
		s.out.holding = cmd == "hold" || s.out.holding
		s.out.failing = cmd == "refuse"
	case "refused":
		s.until(s.at, func() bool {
			s.out.mu.Lock()
			defer s.out.mu.Unlock()
			return s.out.refused > 1
		})
	case "safe":
		s.out.safe()
	case "out", "err":
		return true, appendTo(s.path("@"+args[0]), s.dockerLines("std"+cmd, s.text(args[1]), ""))
	case "out_attrs":
		return true, appendTo(s.path("@"+args[0]), s.dockerLines("stdout", s.text(args[1]), args[2]))
	case "sleep": // Docker's clock
		d, err := time.ParseDuration(args[0])
		s.clock = s.clock.Add(d)
		return true, err
	case "name", "unknown", "unwanted", "wanted":
		s.label(cmd, args)
	case "log":
		s.until(s.at+": log "+args[0], func() bool { return strings.Contains(s.log.String(), s.text(args[0])) })
	case "no_log":
		if strings.Contains(s.log.String(), s.text(args[0])) {
			return true, errors.New("it was said")
		}
	case "gone":
		id := s.sourceID(args[0])
		s.until(s.at+": gone", func() bool { return s.out.c.Position(id).IsZero() && !s.tail.has(s.path(args[0])) })
	case "closed":
		s.until(s.at+": closed", func() bool { return !s.tail.has(s.path(args[0])) })
	case "gaps":
		n, err := strconv.ParseUint(args[0], 10, 64)
		s.until(s.at+": gaps", func() bool { return s.tail.gaps.Load() == n })
		return true, err
	case "caught_up":
		s.until(s.at+": caught up", s.tail.CaughtUp)
	case "polling":
		s.until(s.at+": polling", func() bool { return s.tail.polling.Load() == (args[0] == "on") })
	default:
		return false, nil
	}
	return true, nil
}

func (s *script) label(cmd string, args []string) {
	id := idOf(args[0])
	s.labels.mu.Lock()
	defer s.labels.mu.Unlock()
	switch cmd {
	case "name":
		s.labels.known[id] = &agent.Container{ID: id, Name: args[1]}
		delete(s.labels.hidden, id)
	case "unknown":
		s.labels.hidden[id] = true
	case "unwanted":
		s.labels.unwanted[id] = true
	case "wanted":
		delete(s.labels.unwanted, id)
	}
}

// expect compares what has come, source by source.
func (s *script) expect(block []string) {
	s.t.Helper()
	want := map[string][]got{}
	for _, line := range block {
		w := s.split(line)
		g := got{name: strings.TrimPrefix(w[0], "@")}
		if !strings.HasPrefix(w[0], "@") {
			g.name = s.path(w[0])
		}
		for _, word := range w[1:] {
			switch {
			case word == "stdout":
				g.stream = agent.Stdout
			case word == "stderr":
				g.stream = agent.Stderr
			case word == "malformed":
				g.flags |= agent.Malformed
			case word == "cut":
				g.flags |= agent.Cut
			case strings.HasPrefix(word, "as="):
				g.name = word[3:]
			default:
				g.body = s.text(word)
			}
		}
		id := s.sourceID(w[0])
		want[id] = append(want[id], g)
	}
	deadline := time.Now().Add(wait)
	for id, records := range want {
		for s.out.count(id) < len(records) && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
	}
	s.quiet()
	all := s.out.take()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if _, ok := want[id]; !ok {
			s.t.Fatalf("%s: unexpected source %s: %s", s.at, id, brief(all[id]))
		}
	}
	for id, records := range want {
		if !slices.Equal(all[id], records) {
			s.t.Fatalf("%s: %s\n got %s\nwant %s", s.at, id, brief(all[id]), brief(records))
		}
	}
}

// brief is for people: long bodies are shown by their start and length.
func brief(records []got) string {
	var b strings.Builder
	for _, g := range records {
		body := strconv.Quote(g.body[:min(len(g.body), 80)])
		if len(g.body) > 80 {
			body += fmt.Sprintf("… (%d)", len(g.body))
		}
		fmt.Fprintf(&b, "\n\t%s %s %s flags=%d", g.name, body, g.stream, g.flags)
	}
	return b.String()
}
