package spool

import (
	"fmt"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// BenchmarkQueue appends, reads and acknowledges, four frames at a time.
func BenchmarkQueue(b *testing.B) {
	for _, size := range []int{10 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			s, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			frames := make([]Frame, 4)
			for i := range frames {
				frames[i] = Frame{Payload: make([]byte, size), Records: 2, Ranges: frameOf(1, "file/a", "file/b").Ranges}
			}
			buf := make([]byte, 0, size)
			b.SetBytes(int64(size * len(frames)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Append(frames); err != nil {
					b.Fatal(err)
				}
				for range frames {
					f, ok, err := s.Next(buf)
					if !ok || err != nil {
						b.Fatal(ok, err)
					}
					s.Done(f.Seq)
				}
			}
		})
	}
}

// BenchmarkOpen opens a spool of 256 MiB.
func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{2 << 10, 256 << 10} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			dir := b.TempDir()
			s, err := Open(dir, Options{})
			if err != nil {
				b.Fatal(err)
			}
			frames := make([]Frame, 4<<20/size)
			for i := range frames {
				frames[i] = Frame{Payload: make([]byte, size), Records: 1, Ranges: []Range{{Source: "file/a", Records: 1, To: agent.Position{Epoch: 1, Offset: 1}}}}
			}
			for s.Bytes() < 256<<20 {
				if _, err := s.Append(frames); err != nil {
					b.Fatal(err)
				}
			}
			s.Close()
			b.ReportAllocs()
			for b.Loop() {
				s, err := Open(dir, Options{})
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}
