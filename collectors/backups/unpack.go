package backups

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A fault is what is wrong with a file.
type fault struct {
	problem problem
	text    string
}

func (f *fault) Error() string { return f.text }

func faultf(p problem, format string, args ...any) error {
	return &fault{p, fmt.Sprintf(format, args...)}
}

// maxWindow bounds what unpacking zstd takes in memory; it is what the tool's
// own default is.
const maxWindow = 128 << 20

// unpacked returns a reader of what is in r. It reads r to its end, whatever
// follows the packed data.
func unpacked(r io.Reader, packed string) (io.Reader, func(), error) {
	in := bufio.NewReaderSize(r, 64<<10)
	nothing := func() {}
	switch packed {
	case "gz":
		return &gunzip{in: in}, nothing, nil
	case "zst":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nothing, err
		}
		return z, z.Close, nil
	case "bz2":
		return bzip2.NewReader(in), nothing, nil
	}
	return in, nothing, nil
}

// A gunzip reads the members of a gzip file one by one, for what follows the
// last one tells how it broke.
type gunzip struct {
	in *bufio.Reader
	z  *gzip.Reader // nil before the first
	at bool         // within a member
}

func (g *gunzip) Read(p []byte) (int, error) {
	for {
		if !g.at {
			if err := g.next(); err != nil {
				return 0, err
			}
		}
		n, err := g.z.Read(p)
		if err == io.EOF {
			g.at, err = false, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next begins a member. io.EOF is the end after one at least.
func (g *gunzip) next() error {
	if g.z != nil {
		// As gzip does it, zeros are padding.
		for {
			b, err := g.in.ReadByte()
			if err != nil {
				return err
			}
			if b != 0 {
				g.in.UnreadByte() //nolint:errcheck // a byte was read just now
				break
			}
		}
	}
	head, err := g.in.Peek(2)
	switch {
	case err == io.EOF && (len(head) == 0 || head[0] == 0x1f):
		return io.ErrUnexpectedEOF
	case err != nil && err != io.EOF:
		return err
	case len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b:
		if g.z == nil {
			return faultf(corrupt, "it is not packed with gzip, as its name says")
		}
		return faultf(corrupt, "something that is no gzip follows its end")
	}
	if g.z == nil {
		g.z, err = gzip.NewReader(g.in)
	} else {
		err = g.z.Reset(g.in)
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	g.z.Multistream(false)
	g.at = true
	return nil
}

// unpackFault says what an error in unpacking means for the file, which could be
// read.
func unpackFault(err error, packed string) error {
	var (
		f    *fault
		bzip bzip2.StructuralError
		tool = map[string]string{"gz": "gzip", "zst": "zstd", "bz2": "bzip2"}[packed]
	)
	switch {
	case err == nil || errors.As(err, &f):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return faultf(truncated, "it ends in the middle of what %s has packed", tool)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch), errors.As(err, &bzip) && strings.Contains(string(bzip), "checksum"):
		return faultf(corrupt, "the checksum that %s has put into it is wrong", tool)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return faultf(corrupt, "it takes more than %d MiB of memory to unpack", maxWindow>>20)
	case errors.Is(err, zstd.ErrMagicMismatch), errors.As(err, &bzip) && strings.Contains(string(bzip), "magic"):
		return faultf(corrupt, "it is not what %s packs, or something else follows its end", tool)
	}
	return faultf(corrupt, "it is damaged: %s cannot unpack it", tool)
}

// xzEnd is the size of the footer that an xz file ends with.
const xzEnd = 12

// checkXZ looks at the last bytes of an .xz file: of one that was cut they are
// something else.
func checkXZ(tail []byte) error {
	tail = bytes.TrimRight(tail, "\x00") // padding; a footer ends with YZ
	if len(tail) < xzEnd || !bytes.HasSuffix(tail, []byte("YZ")) {
		return faultf(truncated, "it does not end as an xz file does")
	}
	end := tail[len(tail)-xzEnd:]
	if crc32.ChecksumIEEE(end[4:10]) != binary.LittleEndian.Uint32(end) {
		return faultf(truncated, "it does not end as an xz file does")
	}
	return nil
}
