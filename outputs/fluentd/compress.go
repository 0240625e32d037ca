package fluentd

import (
	"compress/gzip"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent/forward"
)

// A compressor makes CompressedPackedForward messages. It belongs to one
// goroutine, and keeps its memory.
type compressor struct {
	gz  *gzip.Writer
	out sink
}

type sink struct{ b []byte }

func (s *sink) Write(b []byte) (int, error) {
	s.b = append(s.b, b...)
	return len(b), nil
}

// message is c's message with its entries compressed, or as it is where that is
// not larger. It is good until the next call.
func (z *compressor) message(c *chunk) ([]byte, error) {
	_, b, err := msgp.ReadArrayHeaderBytes(c.frame)
	if err != nil {
		return c.frame, nil // not of ours: as it was found
	}
	tag, b, err := msgp.ReadStringZC(b)
	if err != nil {
		return c.frame, nil
	}
	packed, _, err := msgp.ReadBytesZC(b)
	if err != nil {
		return c.frame, nil
	}
	if cap(z.out.b) > 2*keptMemory {
		z.out.b = nil
	}
	z.out.b = forward.AppendPacked(z.out.b[:0], string(tag))
	entries := len(z.out.b)
	if z.gz == nil {
		// The default level takes three times as long for a sixth fewer bytes.
		z.gz, err = gzip.NewWriterLevel(&z.out, gzip.BestSpeed)
		if err != nil {
			return nil, err
		}
	} else {
		z.gz.Reset(&z.out)
	}
	if _, err := z.gz.Write(packed); err != nil {
		return nil, err
	}
	if err := z.gz.Close(); err != nil {
		return nil, err
	}
	z.out.b = forward.FinishCompressed(z.out.b, entries, c.records, c.id[:])
	if len(z.out.b) >= len(c.frame) {
		return c.frame, nil
	}
	return z.out.b, nil
}
