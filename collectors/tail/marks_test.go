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
	text := []byte(strings.Repeat(`a\"b#!]"[\\\"`+"\n\x0b\x8a\xdc\xa2\x5d\x23\x00\xff\n", 40))
	for n := range 400 {
		for from := range 3 {
			block := text[from : from+n : from+n]
			var got marks
			got.read(block)
			plain := make(marks, (n+63)/64)
			markWords(block, plain)
			if !slices.Equal(got, plain) {
				t.Fatalf("%d bytes from %d: %x; eight at a time: %x", n, from, got, plain)
			}
			for i := range len(got) * 64 {
				c, m := byte(0), got[i/64]
				if i < n {
					c = block[i]
				}
				if m.back>>(i%64)&1 == 1 != (c == '\\') || m.quote>>(i%64)&1 == 1 != (c == '"') || m.end>>(i%64)&1 == 1 != (c == '\n') {
					t.Fatalf("%d bytes from %d: byte %d: %x", n, from, i, m)
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
