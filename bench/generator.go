package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/cespare/xxhash/v2"
)

// pieceLen is where Docker's json-file driver cuts a line, in bytes.
const pieceLen = 16 << 10

// span is the time that a whole corpus covers, whatever its size.
const span = 10 * time.Minute

// A tally is how many texts there are, and the sum of their hashes: it shows
// whether all have come, once and unchanged, in whatever order.
type tally struct {
	n   int64
	sum uint64
}

func (t *tally) add(text []byte) {
	t.n++
	t.sum += xxhash.Sum64(text)
}

// times is the tally of all texts, k times each.
func (t tally) times(k int64) tally { return tally{t.n * k, t.sum * uint64(k)} }

// A corpus is a log in Docker's json-file format, and what is known of it.
type corpus struct {
	path    string
	size    int64         // bytes
	records tally         // lines as they were written
	pieces  tally         // lines of the file: Docker cuts the long ones
	flagged tally         // records that at least one rule holds for
	found   [nRules]int64 // records by rule
}

// generate writes a corpus of size bytes or a record more. It depends on the
// arguments only; the times in it begin at start.
func generate(path string, size int64, seed uint64, start time.Time, storm bool) (*corpus, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	g := &generator{
		Rand: rand.New(rand.NewPCG(seed, 0)), out: bufio.NewWriterSize(f, 1<<20),
		start: start.UTC(), now: start.UTC(), want: size, corpus: corpus{path: path},
	}
	for g.size < size {
		switch n := g.IntN(100_000); {
		case storm:
			g.incident()
		case n < 80_000:
			g.request()
		case n < 97_500:
			g.application()
		case n < 97_520:
			g.long()
		case n < 97_900:
			g.exception()
		default:
			g.incident()
		}
	}
	if err := g.out.Flush(); err != nil {
		return nil, err
	}
	return &g.corpus, f.Close()
}

type generator struct {
	*rand.Rand
	corpus
	out   *bufio.Writer // keeps its first error
	start time.Time
	now   time.Time
	want  int64
	text  []byte // of the record that is being written
	line  []byte // as Docker writes it
}

// record writes a line of an application, for which the given rules hold.
func (g *generator) record(stream string, rules ruleSet, format string, args ...any) {
	g.text = fmt.Appendf(g.text[:0], format, args...)
	g.now = g.start.Add(time.Duration(float64(span) * float64(g.size) / float64(g.want)))
	g.records.add(g.text)
	if rules != 0 {
		g.flagged.add(g.text)
	}
	for i := range g.found {
		if rules&(1<<i) != 0 {
			g.found[i]++
		}
	}
	rest := g.text
	for len(rest) > pieceLen {
		g.piece(stream, rest[:pieceLen], false)
		rest = rest[pieceLen:]
	}
	g.piece(stream, rest, true)
}

// piece writes a line of the file.
func (g *generator) piece(stream string, text []byte, last bool) {
	g.pieces.add(text)
	b := appendEscaped(append(g.line[:0], `{"log":"`...), text)
	if last {
		b = append(b, `\n`...)
	}
	b = append(append(b, `","stream":"`...), stream...)
	// Docker leaves zeros at the end out; with them the size does not depend on
	// the time.
	b = g.now.AppendFormat(append(b, `","time":"`...), "2006-01-02T15:04:05.000000000Z")
	g.line = append(b, "\"}\n"...)
	g.size += int64(len(g.line))
	_, _ = g.out.Write(g.line)
}

// appendEscaped appends text as Docker writes it inside of a JSON string.
func appendEscaped(b, text []byte) []byte {
	for i, c := range text {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ' || c == '<' || c == '>' || c == '&':
			b = hex.AppendEncode(append(b, `\u00`...), text[i:i+1])
		default:
			b = append(b, c)
		}
	}
	return b
}
