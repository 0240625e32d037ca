package tail

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A readout is what reading a file in blocks gave.
type readout struct {
	body   string
	time   int64
	stream agent.Stream
	flags  agent.Flags
}

// readAll splits the file as a reader does, with blocks of sizes that next
// gives. check sees each offset up to which a batch covers the file.
func readAll(t *testing.T, s splitter, file []byte, next func() int, check func(covered int)) []readout {
	t.Helper()
	var out []readout
	at, block := 0, 0
	for at < len(file) {
		if block == 0 {
			block = next()
		}
		n := min(block, len(file)-at)
		m := growing
		if at+n == len(file) && block >= s.limit() { // there may be more until the largest block says that there is not
			m = final
		}
		b := &agent.Batch{Buf: bytes.Clone(file[at : at+n])}
		covered := s.split(b, int64(at), m)
		end, last := int32(0), int64(at)
		for i, r := range b.Records {
			if r.Body.Start < end || r.Body.End < r.Body.Start || int(r.Body.End) > len(b.Buf) || r.End < last || covered > 0 && r.End > int64(at+covered) {
				t.Fatalf("record %d of the block at %d is out of order: %+v", i, at, r)
			}
			end, last = r.Body.End, r.End
			if covered > 0 {
				out = append(out, readout{string(b.Body(i)), r.Time, r.Stream, r.Flags})
			}
		}
		switch {
		case covered > 0:
			at += covered
			block = 0
			check(at)
		case block >= s.limit():
			if m == final || n == block {
				t.Fatalf("a block of %d bytes at %d covers nothing", n, at)
			}
		default:
			block = min(2*block, s.limit())
		}
	}
	return out
}

// A logModel makes a container's log and what has to come of it.
type logModel struct {
	rand  *rand.Rand
	clock time.Time
	file  bytes.Buffer
	want  []readout
	open  map[string]*readout
	inner []int // offsets at which a line is incomplete
}

// text is of n bytes, with some that JSON escapes.
func (m *logModel) text(n int) string {
	const few = "abcdefgh <>\"\\\t\x01é"
	b := make([]byte, 0, n)
	for len(b) < n {
		if c := few[m.rand.IntN(len(few)-2)]; m.rand.IntN(8) == 0 {
			b = append(b, c)
		} else {
			b = append(b, 'a'+byte(len(b)%26))
		}
	}
	return string(b)
}

func (m *logModel) put(stream, text string) {
	m.clock = m.clock.Add(time.Duration(m.rand.IntN(1000)) * time.Microsecond)
	s, _ := streamOf([]byte(stream))
	attrs := ""
	if m.rand.IntN(3) == 0 {
		attrs = `{"tag":"x\"y"}`
	}
	m.file.WriteString(dockerLine(text, stream, attrs, m.clock))
	if o := m.open[stream]; o != nil {
		o.body += text
	} else {
		m.open[stream] = &readout{body: text, time: m.clock.UnixNano(), stream: s}
	}
	if o := m.open[stream]; strings.HasSuffix(text, "\n") || len(text) < fragmentSize {
		o.body = without(o.body)
		m.want = append(m.want, *o)
		delete(m.open, stream)
	}
	if len(m.open) > 0 {
		m.inner = append(m.inner, m.file.Len())
	}
}

func (m *logModel) raw(line string) {
	m.file.WriteString(line + "\n")
	if !blank([]byte(line)) {
		m.want = append(m.want, readout{body: line, flags: agent.Malformed})
	}
	if len(m.open) > 0 {
		m.inner = append(m.inner, m.file.Len())
	}
}

// step writes one line. ops are a fuzzer's choice.
func (m *logModel) step(op byte) {
	stream := []string{"stdout", "stderr"}[op&1]
	switch op >> 1 % 8 {
	case 0, 1, 2:
		m.put(stream, m.text(m.rand.IntN(300))+"\n")
	case 3, 4:
		m.put(stream, m.text(fragmentSize))
	case 5:
		m.put(stream, m.text(1+m.rand.IntN(100)))
	case 6:
		m.raw([]string{"", "not json", `{"log":"torn`, "\x00\x00", `{"log":"torn{"log":"x","stream":"stdout","time":"2025-01-09T14:30:00Z"}`}[m.rand.IntN(5)])
	case 7:
		m.put(stream, m.text(fragmentSize-1)+"\n")
	}
}

func newLogModel(seed uint64) *logModel {
	return &logModel{rand: rand.New(rand.NewPCG(seed, 1)), clock: time.Unix(1_736_430_000, 0).UTC(), open: map[string]*readout{}}
}

func (m *logModel) end() {
	for _, s := range []string{"stdout", "stderr"} {
		if m.open[s] != nil {
			m.put(s, "\n")
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(uint64(1), []byte{0, 1, 2, 6, 7, 6, 0, 1, 12, 13, 14, 15, 8, 9, 0, 1})
	f.Add(uint64(2), []byte{6, 6, 6, 7, 7, 1, 0, 6, 0})
	f.Add(uint64(3), []byte{10, 11, 14, 14, 0})
	f.Fuzz(func(t *testing.T, seed uint64, ops []byte) {
		m := newLogModel(seed)
		for _, op := range ops[:min(len(ops), 60)] {
			m.step(op)
		}
		m.end()
		d := &dockerJSON{maxLine: 4 << 20}
		got := readAll(t, d, m.file.Bytes(), func() int { return 1 + m.rand.IntN(1<<uint(1+m.rand.IntN(18))) }, func(covered int) {
			if slices.Contains(m.inner, covered) {
				t.Fatalf("the bytes up to %d are covered, and lie in an open line", covered)
			}
		})
		for i := range got {
			if got[i].flags&agent.Malformed != 0 {
				got[i].time = 0
			}
		}
		if !slices.Equal(got, m.want) {
			t.Fatal(difference(got, m.want))
		}
	})
}

// FuzzCut has records smaller than lines: no byte is lost, and where the blocks
// end does not matter.
func FuzzCut(f *testing.F) {
	f.Add(uint64(1), uint16(1000), []byte{0, 6, 6, 0, 7, 7, 1})
	f.Add(uint64(2), uint16(17000), []byte{6, 7, 6, 7, 6, 0, 1})
	f.Fuzz(func(t *testing.T, seed uint64, maxLine uint16, ops []byte) {
		m := newLogModel(seed)
		for _, op := range ops[:min(len(ops), 60)] {
			if op>>1%8 != 6 {
				m.step(op)
			}
		}
		m.end()
		d := &dockerJSON{maxLine: 1024 + int(maxLine)}
		whole := readAll(t, d, m.file.Bytes(), d.limit, func(int) {})
		parts := readAll(t, d, m.file.Bytes(), func() int { return 1 + m.rand.IntN(60000) }, func(int) {})
		if !slices.Equal(whole, parts) {
			t.Fatal(difference(parts, whole))
		}
		for stream := agent.Stdout; stream <= agent.Stderr; stream++ {
			if got, want := joined(whole, stream, d.maxLine, t), joined(m.want, stream, 1<<30, t); got != want {
				t.Fatalf("%v: %d bytes came of %d", stream, len(got), len(want))
			}
		}
	})
}

func joined(records []readout, stream agent.Stream, maxLine int, t *testing.T) string {
	var b strings.Builder
	for _, r := range records {
		if len(r.body) > maxLine {
			t.Fatalf("a record has %d bytes", len(r.body))
		}
		if r.stream != stream {
			continue
		}
		b.WriteString(r.body)
		if r.flags&agent.Cut == 0 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func FuzzPlain(f *testing.F) {
	f.Add(uint64(1), uint8(10), []byte("a\nb\r\n\r\n\n0123456789\r\n0123456789a\r\n01234567890123456789\nend"))
	f.Fuzz(func(t *testing.T, seed uint64, maxLine uint8, file []byte) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		p := &plain{maxLine: 1 + int(maxLine)}
		var want []readout
		lines := strings.SplitAfter(string(file), "\n")
		for _, l := range lines {
			if l == "" {
				continue
			}
			for l = without(l); len(l) > p.maxLine; l = l[p.maxLine:] {
				want = append(want, readout{body: l[:p.maxLine], flags: agent.Cut})
			}
			want = append(want, readout{body: l})
		}
		got := readAll(t, p, file, func() int { return 1 + rnd.IntN(100) }, func(int) {})
		for i := range got {
			got[i].time = 0
		}
		if !slices.Equal(got, want) {
			t.Fatal(difference(got, want))
		}
	})
}

// difference shows the first records that differ.
func difference(got, want []readout) string {
	i := 0
	for i < len(got) && i < len(want) && got[i] == want[i] {
		i++
	}
	show := func(all []readout) string {
		if i >= len(all) {
			return "none"
		}
		r := all[i]
		return fmt.Sprintf("%.100q (%d bytes) time=%d %s flags=%d", r.body, len(r.body), r.time, r.stream, r.flags)
	}
	return fmt.Sprintf("%d records for %d; record %d:\n got %s\nwant %s", len(got), len(want), i, show(got), show(want))
}

// corpus is a log of lines of 240 bytes, as Docker writes them.
func corpus(size int) []byte {
	m := newLogModel(1)
	var b []byte
	for i := 0; len(b) < size; i++ {
		m.clock = m.clock.Add(time.Millisecond)
		text := fmt.Sprintf(`10.0.0.%d - - [09/Jan/2025:14:30:00 +0000] "GET /index.php?id=%08d HTTP/1.1" 200 5316 "-" "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0" rt=0.%03d`+"\n", i%250, i, i%1000)
		b = append(b, dockerLine(text, "stdout", "", m.clock)...)
	}
	return b
}

func BenchmarkSplitDocker(b *testing.B) {
	file := corpus(blockSize)[:blockSize]
	d := &dockerJSON{maxLine: DefaultMaxLine}
	batch := &agent.Batch{Buf: make([]byte, blockSize)}
	b.SetBytes(blockSize)
	b.ReportAllocs()
	for b.Loop() {
		batch.Records = batch.Records[:0]
		copy(batch.Buf, file)
		d.split(batch, 0, growing)
	}
}

func BenchmarkSplitPlain(b *testing.B) {
	file := bytes.Repeat([]byte(strings.Repeat("x", 239)+"\n"), blockSize/240)
	p := &plain{maxLine: DefaultMaxLine}
	batch := &agent.Batch{Buf: file}
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		batch.Records = batch.Records[:0]
		p.split(batch, 0, growing)
	}
}
