package fluentd

import (
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
	"github.com/webgrip/logkeel/agent/gzip"
)

// A compressor makes CompressedPackedForward messages. It belongs to one
// goroutine, and keeps its memory.
type compressor struct {
	gz  *gzip.Compressor // from the first message on
	out []byte
}

// message is c's message with its entries compressed, or as it is where that is
// not larger. It is good until the next call.
func (z *compressor) message(c *chunk) []byte {
	_, b, err := msgp.ReadArrayHeaderBytes(c.frame)
	if err != nil {
		return c.frame // not of ours: as it was found
	}
	tag, b, err := msgp.ReadStringZC(b)
	if err != nil {
		return c.frame
	}
	packed, _, err := msgp.ReadBytesZC(b)
	if err != nil {
		return c.frame
	}
	if cap(z.out) > keptMemory {
		z.out = nil
	}
	if z.gz == nil {
		z.gz = &gzip.Compressor{}
	}
	z.out = forward.AppendPacked(z.out[:0], string(tag))
	entries := len(z.out)
	z.out = z.gz.Append(z.out, packed)
	z.out = forward.FinishCompressed(z.out, entries, c.records, c.id[:])
	if len(z.out) >= len(c.frame) {
		return c.frame
	}
	return z.out
}
