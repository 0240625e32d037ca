package fluentd

import (
	"github.com/klauspost/compress/gzip"
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

// A compressor makes CompressedPackedForward messages. It belongs to one
// goroutine, and keeps its memory.
type compressor struct {
	gz  *gzip.Writer // from the first message on
	out appender
}

// An appender is a Writer that appends to itself.
type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
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
	z.out = forward.AppendPacked(z.out[:0], string(tag))
	entries := len(z.out)
	if !z.compress(packed) {
		return c.frame
	}
	z.out = forward.FinishCompressed(z.out, entries, c.records, c.id[:])
	if len(z.out) >= len(c.frame) {
		return c.frame
	}
	return z.out
}

func (z *compressor) compress(b []byte) (ok bool) {
	if z.gz == nil {
		z.gz, _ = gzip.NewWriterLevel(&z.out, gzip.BestSpeed) // fails for no level that there is
	} else {
		z.gz.Reset(&z.out)
	}
	_, err := z.gz.Write(b)
	return err == nil && z.gz.Close() == nil
}
