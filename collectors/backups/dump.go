package backups

import (
	"bytes"
	"strings"

	"github.com/webgrip/logkeel/agent/conf"
)

// tailSize is how much of a file's end is kept.
const tailSize = 4 << 10

// A tail keeps the end of what is written to it.
type tail struct {
	buf [2 * tailSize]byte
	n   int
	all int64 // bytes written
}

func (t *tail) Write(p []byte) (int, error) {
	t.all += int64(len(p))
	rest := p
	if len(rest) > tailSize {
		rest = rest[len(rest)-tailSize:]
	}
	if t.n+len(rest) > len(t.buf) {
		keep := tailSize
		copy(t.buf[:keep], t.buf[t.n-keep:t.n])
		t.n = keep
	}
	t.n += copy(t.buf[t.n:], rest)
	return len(p), nil
}

func (t *tail) bytes() []byte { return t.buf[max(0, t.n-tailSize):t.n] }

// trailers are what dumps end with: those of mariadb-dump and mysqldump, pg_dump
// and pg_dumpall.
func trailers() []string {
	return []string{"-- Dump completed", "-- PostgreSQL database dump complete", "-- PostgreSQL database cluster dump complete"}
}

// complaint is how the programs that dump begin what they say of their errors.
// Such a line has no data of the dump, so it may be shown.
var complaint = conf.NewForm(`^(mysqldump|mariadb-dump|mariadb|mysql|pg_dump|pg_dumpall|docker|docker-compose|OCI runtime exec failed)(:| \[| failed)`)

// checkDump looks at the end of a dump. own is the trailer that is expected; ""
// is those of the usual programs. No data of the dump gets into the error.
func checkDump(end []byte, own string) error {
	if len(bytes.TrimSpace(end)) == 0 {
		return faultf(noTrailer, "there is nothing in it: the program that dumps failed, and what packs does not know of that")
	}
	want := trailers()
	if own != "" {
		want = []string{own}
	}
	lines := strings.Split(string(end), "\n")
	if len(end) == tailSize {
		lines[0] = "" // a part of a line
	}
	completed := false
	for _, line := range lines {
		line = strings.TrimRight(line, " \t\r\x00")
		switch {
		case begins(line, want):
			completed = true
		case line == "" || line == "--" || strings.HasPrefix(line, `\unrestrict `):
			// what pg_dump has after it
		case complaint.MatchString(line):
			return faultf(noTrailer, "it ends with an error: %s", shorten(line, 200))
		default:
			if completed {
				completed = false
			}
		}
	}
	if completed {
		return nil
	}
	for _, line := range lines {
		if begins(line, want) {
			return faultf(noTrailer, "something follows the line %q", want[0])
		}
	}
	return faultf(noTrailer, "it does not end with the line %q: the dump was not finished", want[0])
}

func begins(line string, any []string) bool {
	for _, t := range any {
		if strings.HasPrefix(line, t) {
			return true
		}
	}
	return false
}
