package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// marksOf is which records the table marks, with which bits.
func marksOf(t *table, b *agent.Batch, bits int) []string {
	var c Candidates
	c.Reset(len(b.Records), (bits+63)/64)
	t.scan(b, &c)
	var list []string
	for i := range b.Records {
		if row, marked := c.Row(i); marked {
			list = append(list, fmt.Sprint(i, row))
		}
	}
	return list
}

// bothTables go through batches by a sweep, which need not be one that pays, and in
// steps.
type bothTables struct {
	swept, steps *table
	bits         int
}

func newBoth(targets *Targets) *bothTables {
	b := &bothTables{newSwept(targets.list, ""), newTable(targets.list, ""), 0}
	for _, x := range targets.list {
		b.bits = max(b.bits, int(slices.Max(x.wants))+1)
	}
	return b
}

// scan wants the same of both.
func (two *bothTables) scan(t *testing.T, b *agent.Batch) {
	t.Helper()
	if two.swept == nil {
		return
	}
	if got, want := marksOf(two.swept, b, two.bits), marksOf(two.steps, b, two.bits); !slices.Equal(got, want) {
		t.Fatalf("%d bytes, %d records: swept: %v; in steps: %v", len(b.Buf), len(b.Records), got, want)
	}
}

// recordsOf cuts text into records of so many bytes, with gaps between.
func recordsOf(text []byte, size, gap int) *agent.Batch {
	b := &agent.Batch{Buf: text}
	for at := 0; at < len(text); at += size + gap {
		b.Records = append(b.Records, agent.Record{Body: agent.Span{Start: int32(at), End: int32(min(len(text), at+size))}})
	}
	return b
}

func FuzzSweep(f *testing.F) {
	f.Add([]byte("ERROR\x00timeout\x00Slow\x01xss"), []byte("an ERROR, a tImEoUt, some slow xSS"), uint8(90), uint8(3))
	f.Add([]byte("aaa\x01aab"), []byte("aaaaaabaaab"), uint8(7), uint8(0))
	f.Add([]byte("\xc3\xa9t\xc3\x00\xff\xfe\xfd"), []byte("\xc3\xa9t\xc3\xff\xfe\xfd"), uint8(200), uint8(1))
	f.Fuzz(func(t *testing.T, words, text []byte, size, gap uint8) {
		if len(words) > 400 || len(text) > 1000 || len(text) == 0 {
			return
		}
		var targets Targets
		for i, w := range bytes.FieldsFunc(words, func(r rune) bool { return r < 2 }) {
			l := Literal{Text: string(w), Fold: i%2 == 1}
			if l.Fold {
				l.Text = lowerASCII(l.Text)
			}
			if len(w) >= longText {
				targets.Add(l, nil, int32(i))
			}
		}
		if len(targets.list) == 0 {
			return
		}
		both := newBoth(&targets)
		for _, n := range []int{1, 1 + 300/len(text), 1 + 9000/len(text)} {
			// No byte beyond the text may be looked at: it ends with its memory.
			b := slices.Clip(bytes.Repeat(text, n))
			both.scan(t, recordsOf(b, 1+int(size), int(gap)))
		}
	})
}

// TestSweepEveryPlace puts a literal at each place of texts of many lengths.
func TestSweepEveryPlace(t *testing.T) {
	var targets Targets
	for i, s := range []string{"ERROR", "xss", "connection refused", "Ωmega"} {
		targets.Add(Literal{Text: s}, nil, int32(i))
	}
	targets.Add(Literal{Text: "timeout", Fold: true}, nil, 70)
	both := newBoth(&targets)
	if both.swept == nil {
		t.Fatal("these are not swept")
	}
	for n := sweepLeast - 1; n < sweepLeast+70; n++ {
		for _, word := range []string{"ERROR", "xss", "TimeOut", "connection refused", "Ωmega"} {
			for at := 0; at+len(word) <= n; at++ {
				text := strings.Repeat("-", at) + word + strings.Repeat("-", n-at-len(word))
				b := recordsOf(slices.Clip([]byte(text)), n, 0)
				if got := marksOf(both.swept, b, both.bits); len(got) != 1 {
					t.Fatalf("%s at %d of %d is not found", word, at, n)
				}
			}
		}
	}
}

// TestSweepWords compares what finds windows here with what does so byte by byte.
func TestSweepWords(t *testing.T) {
	var targets Targets
	for i, s := range []string{"ERROR", "xss", "CSRF", "slow"} {
		targets.Add(Literal{Text: strings.ToLower(s), Fold: i%2 == 0}, nil, int32(i))
	}
	swept := newSwept(targets.list, "").swept
	text := []byte(strings.Repeat(sample, 4))
	for n := 1; n < 40; n++ {
		for from := range 40 {
			got, want := make([]uint32, n), make([]uint32, n)
			part := text[from*97 : from*97+32*n+sweepWindow-1 : from*97+32*n+sweepWindow-1]
			sweepWords(part, swept, got)
			swept.words(part, want)
			if !slices.Equal(got, want) {
				t.Fatalf("%d words from %d: %x, want %x", n, from*97, got, want)
			}
		}
	}
}

// TestSweepIsChosen wants few literals to be swept where that is fast, and so many
// that a look at the text follows everywhere not to be.
func TestSweepIsChosen(t *testing.T) {
	var few, many Targets
	for i, s := range []string{"ERROR", "timeout", "unauthorized", "injection", "failed"} {
		few.Add(Literal{Text: s}, nil, int32(i))
	}
	for i, w := range strings.Fields(sample) {
		if len(w) >= longText {
			many.Add(Literal{Text: lowerASCII(w), Fold: true}, nil, int32(i))
		}
	}
	if newSwept(few.list, "") == nil {
		t.Error("a few literals are not swept")
	}
	if newSwept(many.list, "") != nil {
		t.Errorf("%d literals are swept", len(many.list))
	}
	if got := tableOf(few.list, "").swept != nil; got != canSweep() {
		t.Errorf("it is swept: %v, though it would pay: %v", got, canSweep())
	}
}

func BenchmarkScan(b *testing.B) {
	var targets Targets
	for i, s := range []string{"ERROR", "CRITICAL", "FATAL", "slow", "timeout", "memory", "unauthorized", "authentication", "failed login", "injection", "xss", "csrf", "failed", "error"} {
		targets.Add(Literal{Text: s}, nil, int32(i))
	}
	text := bytes.Repeat([]byte(sample), 60)
	batch := recordsOf(text, 200, 40)
	for name, table := range map[string]*table{"swept": newSwept(targets.list, ""), "steps": newTable(targets.list, "")} {
		b.Run(name, func(b *testing.B) {
			var c Candidates
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				c.Reset(len(batch.Records), 1)
				table.scan(batch, &c)
			}
		})
	}
}
