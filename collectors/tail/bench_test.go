package tail

import (
	"context"
	"os"
	"testing"

	"github.com/webgrip/logkeel/agent"
)

// BenchmarkRead reads a container's log of 16 MiB, from the file to the sink.
func BenchmarkRead(b *testing.B) {
	w, feed := newWorld(b), &sinkFeed{}
	const size = 64 * blockSize
	if err := os.WriteFile(w.path("@c"), corpus(size)[:size], 0o600); err != nil {
		b.Fatal(err)
	}
	r := readerOf(b, w, feed)
	ctx := context.Background()
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		r.pos, r.stuck = agent.Position{Epoch: r.pos.Epoch + 1}, 0
		for again := true; again; {
			var err error
			if again, err = r.step(ctx, feed); err != nil {
				b.Fatal(err)
			}
		}
	}
}
