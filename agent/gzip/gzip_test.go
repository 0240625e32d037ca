package gzip

import (
	"bytes"
	stdlib "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// check wants a reader that is not ours to get src again.
func check(t *testing.T, c *Compressor, src []byte) []byte {
	t.Helper()
	const before = "before"
	packed := c.Append([]byte(before), src)
	if !bytes.HasPrefix(packed, []byte(before)) {
		t.Fatalf("what was there became %q", packed[:min(len(packed), len(before))])
	}
	packed = packed[len(before):]
	r, err := stdlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r) // it checks length and checksum
	if err != nil {
		t.Fatalf("%d bytes: %v", len(src), err)
	}
	if !bytes.Equal(got, src) {
		t.Fatalf("%d bytes became %d others", len(src), len(got))
	}
	return packed
}

// records are what a log becomes.
func records(size int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < size {
		b = fmt.Appendf(b, "\x92\xd7\x00%04x\x87\xa3log\xd9\x9010.0.%d.%d - - [09/Jan/2025:14:%02d:%02d +0000] \"GET /orders/%d HTTP/1.1\" %d %d rt=%.3f", r.Uint32()&0xffff, r.IntN(256), r.IntN(256), r.IntN(60), r.IntN(60), r.IntN(1e5), 200+r.IntN(4), r.IntN(1e5), r.Float64())
		b = append(b, "\xa6stream\xa6stdout\xaccontainer_id\xd9\x40000000000000000000000000000000000000000000000000000000000000000a\xb0/shop-service-1-1"...)
	}
	return b[:size]
}

func noise(size int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestAppend(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	var rare []byte // counts that make codes too long for the format
	for i, n := 0, 1; i < 24; i, n = i+1, n*8/5+1 {
		rare = append(rare, bytes.Repeat([]byte{byte(i)}, n)...)
	}
	rand.New(rand.NewPCG(5, 6)).Shuffle(len(rare), func(i, j int) { rare[i], rare[j] = rare[j], rare[i] })
	var c Compressor
	for name, src := range map[string][]byte{
		"nothing":           nil,
		"a byte":            []byte("a"),
		"seven":             []byte("abcdefg"),
		"every byte":        every,
		"far":               append(append(noise(window), noise(window)...), noise(100)...),
		"too far":           append(append(noise(window+1), noise(window)...), noise(1000)...),
		"zeros":             make([]byte, 3*blockSize+5),
		"noise":             noise(2*blockSize + 7),
		"records":           records(4 * blockSize),
		"a block":           records(blockSize),
		"a byte more":       records(blockSize + 1),
		"long codes":        rare,
		"a text, and again": []byte(strings.Repeat("the same text ", 1000)),
	} {
		t.Run(name, func(t *testing.T) { check(t, &c, src) })
	}
	for n := range 600 { // matches of all lengths, and what is left of them
		check(t, &c, append(append(noise(9), bytes.Repeat([]byte("x"), n)...), noise(9)...))
	}
}

// Records take about as many bytes as the standard library's fastest makes of them.
func TestRatio(t *testing.T) {
	src := records(512 << 10)
	var c Compressor
	got := len(check(t, &c, src))
	var b bytes.Buffer
	w, _ := stdlib.NewWriterLevel(&b, stdlib.BestSpeed)
	w.Write(src)
	w.Close()
	if got > b.Len()*21/20 {
		t.Errorf("%d bytes, the standard library %d", got, b.Len())
	}
	t.Logf("%d bytes become %d, with the standard library %d", len(src), got, b.Len())
}

func TestAllocs(t *testing.T) {
	src, c := records(300<<10), &Compressor{}
	dst := c.Append(nil, src)
	if n := testing.AllocsPerRun(10, func() { dst = c.Append(dst[:0], src) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte("abcabcabcabcabcabc"), 3)
	f.Add(records(2000), 1)
	f.Add(noise(300), 40)
	f.Fuzz(func(t *testing.T, src []byte, times int) {
		var c Compressor
		check(t, &c, src)
		check(t, &c, bytes.Repeat(src, min(max(times, 0), 1+4*blockSize/(len(src)+1))))
	})
}

func BenchmarkAppend(b *testing.B) {
	src, c := records(512<<10), &Compressor{}
	var dst []byte
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		dst = c.Append(dst[:0], src)
	}
}
