package tail

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// TestMarks compares both ways to mark a block, of all lengths around those that
// are looked at at a time, with what is there.
func TestMarks(t *testing.T) {
	text := []byte(strings.Repeat(`a\"b#!]"[\\\"`+"\xdc\xa2\x5d\x23\x00\xff", 40))
	for n := range 400 {
		for from := range 3 {
			block := text[from : from+n : from+n]
			var got marks
			got.read(block)
			words := (n + 63) / 64
			if len(got.back) != words || len(got.quote) != words {
				t.Fatalf("%d bytes have %d words", n, len(got.back))
			}
			plain := marks{make([]uint64, words), make([]uint64, words)}
			markWords(block, plain.back, plain.quote)
			if !slices.Equal(got.back, plain.back) || !slices.Equal(got.quote, plain.quote) {
				t.Fatalf("%d bytes from %d: %x, %x; eight at a time: %x, %x", n, from, got.back, got.quote, plain.back, plain.quote)
			}
			for i := range words * 64 {
				back, quote := got.back[i/64]>>(i%64)&1 == 1, got.quote[i/64]>>(i%64)&1 == 1
				if back != (i < n && block[i] == '\\') || quote != (i < n && block[i] == '"') {
					t.Fatalf("%d bytes from %d: byte %d: %v, %v", n, from, i, back, quote)
				}
			}
		}
	}
}

// FuzzUsualSize compares the size with what decoding makes of the text, wherever
// in the block it lies.
func FuzzUsualSize(f *testing.F) {
	for i, s := range lineTexts {
		f.Add([]byte(s+`\n`), uint8(i*7))
		f.Add([]byte(s+strings.Repeat(`\\`, 40)+s), uint8(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, before uint8) {
		if bytes.IndexByte(text, '\n') >= 0 || len(text) > fragmentSize {
			return
		}
		block := append(bytes.Repeat([]byte(`\`), int(before)), text...)
		block = append(block, `"\\\\"`...)
		var m marks
		m.read(block)
		size, ok := m.usualSize(block, int(before), int(before)+len(text))
		if !ok {
			return
		}
		d := &dockerJSON{maxLine: 1 << 20}
		line := []byte(strings.Replace(lineShapes[0], "%s", string(text), 1))
		if l, taken := d.parse(line, 0, len(line), 0); !taken || !l.fragment && l.body.Len() != size {
			t.Fatalf("%q: the size is %d; it is decoded as %+v, %v", text, size, l, taken)
		}
	})
}

func BenchmarkSieve(b *testing.B) {
	file := corpus(blockSize)[:blockSize]
	d := &dockerJSON{maxLine: DefaultMaxLine}
	b.SetBytes(blockSize)
	for b.Loop() {
		d.sifts.filter = &needle{text: "id=00000007"}
		d.sifts.look(file, fragmentSize, &d.clock)
	}
}
