package tail

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

func readPast(t *testing.T, p Past) (bodies []string, failures []error) {
	t.Helper()
	p.Source = &agent.Source{ID: "x"}
	p.Fail = func(err error) { failures = append(failures, err) }
	r, err := p.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b agent.Batch
	var block []byte
	last := int64(0)
	for {
		err := r.Next(&b, &block)
		if err == io.EOF {
			return bodies, failures
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Records {
			if b.Records[i].End < last || b.Source != p.Source {
				t.Errorf("record %q ends at %d, after %d", b.Body(i), b.Records[i].End, last)
			}
			last = b.Records[i].End
			bodies = append(bodies, string(b.Body(i)))
		}
	}
}

func writeLog(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := io.WriteCloser(f)
	if strings.HasSuffix(path, ".gz") {
		w = gzip.NewWriter(f)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func dockerLines(lines ...string) string {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, `{"log":"%s\n","stream":"stderr","time":"2026-01-02T03:04:05.%09dZ"}`+"\n", l, i)
	}
	return b.String()
}

func TestPastReadsAllFilesOfALog(t *testing.T) {
	python, _ := multiline.Preset("python")
	trace := []string{"Traceback (most recent call last):", "  File a", "    b", "ValueError: c"}
	for _, c := range []struct {
		name string
		form Form
		text func(lines ...string) string
	}{
		{"docker", Form{Docker: true, Format: python}, dockerLines},
		{"text", Form{Format: python}, func(l ...string) string { return strings.Join(l, "\n") + "\n" }},
	} {
		path := filepath.Join(t.TempDir(), "app.log")
		writeLog(t, path+".3.gz", c.text("one"))
		writeLog(t, path+".2.gz", c.text("two", trace[0], trace[1])) // it goes on in the next file
		writeLog(t, path+".1", c.text(trace[2], trace[3], "three"))
		writeLog(t, path, strings.TrimSuffix(c.text("four", "five"), "\n"))
		want := []string{"one", "two", strings.Join(trace, "\n"), "three", "four", "five"}
		var read atomic.Int64
		p := Past{Path: path, Rotated: true, Form: c.form, Read: &read}
		got, failures := readPast(t, p)
		if !slices.Equal(got, want) || len(failures) > 0 {
			t.Errorf("%s: %q, want %q; %v", c.name, got, want, failures)
		}
		if read.Load() != p.Size() {
			t.Errorf("%s: %d bytes were read, of %d", c.name, read.Load(), p.Size())
		}
		p.Rotated = false
		if got, _ := readPast(t, p); !slices.Equal(got, want[4:]) {
			t.Errorf("%s without older files: %q", c.name, got)
		}
		old := time.Now().Add(-time.Hour)
		for _, suffix := range []string{".2.gz", ".3.gz"} {
			if err := os.Chtimes(path+suffix, old, old); err != nil {
				t.Fatal(err)
			}
		}
		p.Rotated, p.Since = true, time.Now().Add(-time.Minute)
		if got, _ := readPast(t, p); len(got) == 0 || slices.Contains(got, "two") || got[len(got)-1] != "five" {
			t.Errorf("%s without what is too old: %q", c.name, got)
		}
	}
}

// What a log has does not depend on how large the pieces are in which it is read,
// nor on how long its lines are.
func TestPastReadsLongLogs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	var lines []string
	for i := range 20_000 {
		lines = append(lines, fmt.Sprintf("line %d %s", i, strings.Repeat("x", i%97)))
	}
	lines[7000] = strings.Repeat("y", 700<<10)
	writeLog(t, path, dockerLines(lines...))
	got, _ := readPast(t, Past{Path: path, Form: Form{Docker: true}})
	// Docker writes no line of that length in one piece; what is longer is a piece.
	if !slices.Equal(got, lines) {
		t.Errorf("%d records, want %d", len(got), len(lines))
	}
	writeLog(t, path, strings.Join(lines, "\n"))
	if got, _ = readPast(t, Past{Path: path}); !slices.Equal(got, lines) {
		t.Errorf("text: %d records, want %d", len(got), len(lines))
	}
}

func TestPastSaysWhatIsDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	writeLog(t, path+".1.gz", strings.Repeat("old\n", 100_000))
	writeLog(t, path, "new\n")
	if err := os.Truncate(path+".1.gz", 300); err != nil {
		t.Fatal(err)
	}
	got, failures := readPast(t, Past{Path: path, Rotated: true})
	if len(got) < 2 || got[len(got)-1] != "new" {
		t.Errorf("%d records", len(got))
	}
	damaged := new(DamagedError)
	if len(failures) != 1 || !errors.As(failures[0], &damaged) || damaged.Path != path+".1.gz" {
		t.Errorf("failures: %v", failures)
	}
	if _, err := (&Past{Path: path + ".none"}).Open(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log that is not there: %v", err)
	}
}

// A line without a time has that of the one before, however the log comes in.
func TestStretchStamps(t *testing.T) {
	stamp := func(line []byte) (int64, int, bool) {
		if line[0] < '0' || line[0] > '9' {
			return 0, 0, false
		}
		return int64(line[0] - '0'), 2, true
	}
	const text = "none\n1 a\nb\n2 c\nd\n3 e"
	for _, n := range []int{1, 2, 5, len(text)} {
		s := NewStretch(Form{Stamp: stamp})
		var b agent.Batch
		var got []string
		for rest := text; rest != ""; {
			k := min(n, len(rest))
			s.Add([]byte(rest[:k]))
			rest = rest[k:]
			for s.Cut(&b, rest == "") {
				for i := range b.Records {
					got = append(got, fmt.Sprintf("%d %s", b.Records[i].Time, b.Body(i)))
				}
			}
		}
		if want := []string{"0 none", "1 a", "1 b", "2 c", "2 d", "3 e"}; !slices.Equal(got, want) {
			t.Errorf("by %d bytes: %q, want %q", n, got, want)
		}
	}
}
