package tail

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// needle is a filter that wants the lines which have a text, and all from the
// first one on that has another.
type needle struct{ text, opens string }

func (n *needle) Wanted(b *agent.Batch, want []uint64) int {
	for i := range b.Records {
		raw := string(b.Body(i))
		if strings.Contains(raw, n.text) {
			want[i>>6] |= 1 << (i & 63)
		}
		if n.opens != "" && strings.Contains(raw, n.opens) {
			return i
		}
	}
	return len(b.Records)
}

func (n *needle) Opens(body []byte) bool {
	return n.opens != "" && bytes.Contains(body, []byte(n.opens))
}

// sameSifted splits a block with and without the filter, and wants the same, but
// for lines that the filter does not want. It returns how much was covered, and
// how many lines were passed over.
func sameSifted(t *testing.T, whole, sifted *dockerJSON, n *needle, block []byte, base int64, m mode) (covered, passed int) {
	t.Helper()
	all, some := &agent.Batch{Buf: bytes.Clone(block)}, &agent.Batch{Buf: bytes.Clone(block)}
	sifted.sifts.filter = n
	covered = whole.split(all, base, m)
	if got := sifted.split(some, base, m); got != covered {
		t.Fatalf("the block at %d: %d bytes are covered, want %d", base, got, covered)
	}
	if covered == 0 {
		return 0, 0
	}
	next, lines, size, end, opened := 0, 0, 0, int64(0), false
	var gaps []int32
	for i, want := range all.Records {
		body := string(all.Body(i))
		if next < len(some.Records) {
			got := some.Records[next]
			if want.Flags&agent.Malformed != 0 {
				got.Time = want.Time
			}
			text := string(some.Body(next))
			got.Body = want.Body
			if got == want && text == body {
				next++
				opened = opened || n.opens != "" && strings.Contains(body, n.opens)
				continue
			}
		}
		if strings.Contains(body, n.text) || want.Flags != 0 || opened {
			t.Fatalf("record %d, %+v %.200q, was passed over", i, want, body)
		}
		lines++
		if len(gaps) == 0 || int(gaps[len(gaps)-1]) != next {
			gaps = append(gaps, int32(next))
		}
		size += len(body)
		end = want.End
	}
	p := some.Passed
	if next != len(some.Records) || p.Lines != lines || p.Bytes != size || p.End != end || some.Lines() != all.Lines() || !slices.Equal(some.Gaps, gaps) {
		t.Fatalf("%d of %d records are there; passed over: %+v before %v; want %d lines of %d bytes until %d, before %v", next, len(some.Records), p, some.Gaps, lines, size, end, gaps)
	}
	if k := len(all.Records) - 1; k >= 0 && all.Records[k].Flags&agent.Malformed == 0 && some.LastTime() != all.LastTime() {
		t.Fatalf("the last time is %d, want %d", some.LastTime(), all.LastTime())
	}
	return covered, lines
}

// hostile writes one line that may not be Docker's.
func (m *logModel) hostile() {
	text := lineTexts[m.rand.IntN(len(lineTexts))] + []string{"", "needle", `n\u0065edle`, "OPEN", `\u004fPEN`, `\nneedle`, `\\needle`}[m.rand.IntN(7)] + lineTexts[m.rand.IntN(len(lineTexts))]
	m.file.WriteString(strings.Replace(lineShapes[m.rand.IntN(len(lineShapes))], "%s", text, 1) + []string{"\n", "\r\n"}[m.rand.IntN(20)/19])
}

func FuzzSieve(f *testing.F) {
	f.Add(uint64(1), []byte{0, 1, 2, 16, 17, 7, 0, 1, 12, 16, 14, 15, 8, 9, 0, 1, 16, 16, 16})
	f.Add(uint64(2), []byte{6, 16, 7, 7, 1, 0, 6, 0, 16, 17, 1, 3, 5, 1, 3})
	f.Add(uint64(3), []byte{0, 2, 4, 0, 2, 4, 1, 3, 5, 16, 0, 2, 4, 0, 2, 4, 16, 16, 1, 3, 5})
	f.Fuzz(func(t *testing.T, seed uint64, ops []byte) {
		m := newLogModel(seed)
		for _, op := range ops[:min(len(ops), 80)] {
			if op%32 >= 16 {
				m.hostile()
			} else {
				m.step(op)
			}
		}
		file, n := m.file.Bytes(), &needle{text: []string{"needle", "abc", "x"}[m.rand.IntN(3)]}
		if seed%2 == 0 {
			n.opens = "OPEN"
		}
		most := []int{1 << 20, 1024}[m.rand.IntN(2)]
		whole, sifted := &dockerJSON{maxLine: most}, &dockerJSON{maxLine: most}
		for at, block := 0, 1+m.rand.IntN(1<<18); at < len(file); {
			size, mode := min(block, len(file)-at), growing
			if at+size == len(file) && block >= whole.limit() {
				mode = final
			}
			covered, _ := sameSifted(t, whole, sifted, n, file[at:at+size], int64(at), mode)
			if at += covered; covered == 0 {
				if block >= whole.limit() {
					break
				}
				block = min(2*block, whole.limit())
			}
		}
	})
}

func TestSieve(t *testing.T) {
	d, whole := &dockerJSON{maxLine: DefaultMaxLine}, &dockerJSON{maxLine: DefaultMaxLine}
	file := corpus(blockSize)[:blockSize]
	total := bytes.Count(file, []byte("\n"))
	if _, passed := sameSifted(t, whole, d, &needle{text: "id=00000007"}, file, 0, growing); passed != total-1 {
		t.Errorf("%d of %d lines were passed over, want all but one", passed, total)
	}
	if d.sifts.rest != 0 {
		t.Error("the sieve rests, and was worth it")
	}
	if _, passed := sameSifted(t, whole, d, &needle{text: "Mozilla"}, file, 0, growing); passed != 0 {
		t.Errorf("%d lines were passed over, want none", passed)
	}
	if cap(d.sifts.marks) == 0 {
		t.Error("the memory for a full block is not kept for the next one")
	}
	sameSifted(t, whole, d, &needle{text: "none"}, file[:blockSize/2], 0, growing)
	if n := cap(d.sifts.marks) + cap(d.sifts.lines.Records) + cap(d.sifts.want); n != 0 {
		t.Error("a log of which all was read keeps the memory for large blocks")
	}
	sameSifted(t, whole, d, &needle{text: "Mozilla"}, file, 0, growing)
	for n := range siftRest + 1 {
		if got, want := d.sifts.due(), n == siftRest && CanSift(); got != want {
			t.Errorf("%d blocks after one of which all was wanted: due is %v", n, got)
		}
	}
}

func usualSize(text string) (n int, ok bool) {
	const before = `{"log":"`
	var m marks
	block := []byte(before + text + `","stream`)
	m.read(block)
	return m.usualSize(block, len(before), len(before)+len(text))
}

// TestSieveFollows has a text that is hidden by escapes, after which all counts.
func TestSieveFollows(t *testing.T) {
	line := func(text string) string { return strings.Replace(lineShapes[0], "%s", text+`\n`, 1) + "\n" }
	usual := strings.Repeat(line("nothing"), 5)
	for _, tt := range []struct {
		text, opens string
		passed      int
	}{
		{`\u004fPEN`, "", 10},
		{`\u004fPEN`, "OPEN", 5},
		{`OPEN`, "", 11},
		{`OPEN`, "OPEN", 5},
		{`needle \u004fPEN`, "OPEN", 5},
		{`\u004fPER`, "OPEN", 10},
		{strings.Repeat("x", fragmentSize) + "OP" + `","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}` + "\n" + `{"log":"ER`, "OPEN", 10},
		{strings.Repeat("x", fragmentSize) + "OP" + `","stream":"stdout","time":"2025-01-09T14:30:00.1Z"}` + "\n" + `{"log":"EN`, "OPEN", 5},
	} {
		d, whole := &dockerJSON{maxLine: DefaultMaxLine}, &dockerJSON{maxLine: DefaultMaxLine}
		if _, passed := sameSifted(t, whole, d, &needle{"needle", tt.opens}, []byte(usual+line(tt.text)+usual), 0, growing); passed != tt.passed {
			t.Errorf("%.30s, %q: %d lines were passed over, want %d", tt.text, tt.opens, passed, tt.passed)
		}
	}
}

// A siftingFeed wants what has the text.
type siftingFeed struct {
	*sinkFeed
	filter agent.Filter
	passed int
	err    error
}

func (f *siftingFeed) Filter(agent.Position) agent.Filter { return f.filter }

func (f *siftingFeed) Emit(ctx context.Context, b *agent.Batch) error {
	f.passed += b.Passed.Lines
	b.Passed = agent.Passed{}
	if err := f.err; err != nil {
		f.err, f.filter = nil, nil
		f.Release(b)
		return err
	}
	return f.sinkFeed.Emit(ctx, b)
}

// What a reload made outdated is read again, and nothing is wrong with the log.
func TestOutdatedIsReadAgain(t *testing.T) {
	if !CanSift() {
		t.Log("each line is decoded here")
		return
	}
	w, feed := newWorld(t), &siftingFeed{sinkFeed: &sinkFeed{}, filter: &needle{text: "id=00000007"}}
	file := corpus(blockSize)
	if err := os.WriteFile(w.path("@c"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	r := readerOf(t, w, feed.sinkFeed)
	r.feed, feed.err = feed, agent.ErrOutdated
	if again, err := r.step(t.Context(), feed.sinkFeed); !again || err != nil || r.pos.Offset != 0 || feed.passed == 0 {
		t.Fatalf("again: %v, %v; the reader is at %d, and %d lines were passed over", again, err, r.pos.Offset, feed.passed)
	}
	for again := true; again; {
		var err error
		if again, err = r.step(t.Context(), feed.sinkFeed); err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes.Count(file, []byte("\n")); feed.records != n || r.pos.Offset != int64(len(file)) {
		t.Errorf("%d of %d records came, and the reader is at %d of %d", feed.records, n, r.pos.Offset, len(file))
	}
}

func TestSiftingDoesNotAllocate(t *testing.T) {
	const runs = 50
	w, feed := newWorld(t), &siftingFeed{sinkFeed: &sinkFeed{}, filter: nothing{}}
	if err := os.WriteFile(w.path("@c"), corpus((runs+10)*blockSize), 0o600); err != nil {
		t.Fatal(err)
	}
	r := readerOf(t, w, feed.sinkFeed)
	r.feed = feed
	step := func() {
		if again, err := r.step(t.Context(), feed.sinkFeed); !again || err != nil {
			t.Fatal(again, err)
		}
	}
	for range 3 {
		step()
	}
	if n := testing.AllocsPerRun(runs, step); n != 0 {
		t.Errorf("%v allocations a block", n)
	}
	if lines := runs * 500; CanSift() && feed.passed < lines {
		t.Errorf("only %d lines were passed over", feed.passed)
	}
}

// nothing is a filter that wants none.
type nothing struct{}

func (nothing) Wanted(b *agent.Batch, _ []uint64) int { return len(b.Records) }
func (nothing) Opens([]byte) bool                     { return false }

// TestUsualSize has what may be around the end of a text, at all places of the
// words that are looked at.
func TestUsualSize(t *testing.T) {
	d := &dockerJSON{maxLine: 1 << 20}
	for before := range 70 {
		for _, text := range lineTexts {
			for _, end := range []string{"", `\n`, `\r\n`, `\\n`, `\\r\n`, "\r" + `\n`, `\u000d\n`, `\u000a`, `\r`, `\n\n`} {
				text := strings.Repeat("x", before) + text + end
				size, ok := usualSize(text)
				line := []byte(strings.Replace(lineShapes[0], "%s", text, 1))
				l, taken := d.parse(line, 0, len(line), 0)
				if ok && (!taken || l.body.Len() != size && !l.fragment) {
					t.Fatalf("%.100q: the size is %d, it is decoded as %+v, %v", text, size, l, taken)
				}
				if !ok && !strings.ContainsAny(strings.NewReplacer(`\\`, "", `\"`, "").Replace(text), `"`+`\`) {
					t.Fatalf("%.100q is not taken as usual", text)
				}
			}
		}
	}
	for text, want := range map[string]int{
		`GET \"/\"\n`: 7, `a\u0026b\u003c\u003e\n`: 5, `\u001b[0m\t`: 5, `\u2028\ufffd`: 6, `é\r\n`: 2, ``: 0, `\n`: 0,
		`a\/b`: -1, `\u0041`: -1, `\u00e9`: -1, `\ud83d\ude00`: -1, `\x`: -1, `"`: -1, `\`: -1, `\u00`: -1, `\u000a`: -1,
	} {
		if n, ok := usualSize(text); ok != (want >= 0) || ok && n != want {
			t.Errorf("%s: %d, %v; want %d", text, n, ok, want)
		}
	}
}
