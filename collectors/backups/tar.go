package backups

import (
	"archive/tar"
	"bufio"
	"errors"
	"io"
	"strings"
)

// A counted counts what is read, and keeps the error.
type counted struct {
	r   io.Reader
	n   int64
	err error // but io.EOF
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

const blockSize = 512

// listTar lists the archive as tar -t does, and reads what is in it. It takes no
// name for anything.
func listTar(r io.Reader) (members, files int64, err error) {
	in := &counted{r: bufio.NewReaderSize(r, 64<<10)}
	t := tar.NewReader(in)
	// An archive ends with blocks of zeros. To package tar one that was cut
	// between two members has ended as well.
	from := int64(0)
	for {
		h, err := t.Next()
		switch {
		case in.err != nil:
			return members, files, in.err
		case err == io.EOF && in.n-from < blockSize:
			return members, files, faultf(truncated, "the end of the tar archive is missing, after %d members", members)
		case err == io.EOF && files == 0:
			return members, files, faultf(noTar, "there is no file in the tar archive, only %d folders: was the right volume packed?", members)
		case err == io.EOF:
			return members, files, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return members, files, faultf(truncated, "the tar archive ends within a member, after %d", members)
		case err != nil && members == 0:
			return members, files, faultf(noTar, "there is no tar archive in it")
		case err != nil:
			return members, files, faultf(corrupt, "the tar archive is damaged after %d members", members)
		}
		members++
		if h.Typeflag != tar.TypeDir {
			files++
		}
		if isSparse(h) {
			from = -blockSize // its holes would be read, so what is there is left to Next
			continue
		}
		if _, err := io.Copy(io.Discard, t); err != nil {
			if in.err != nil {
				return members, files, in.err
			}
			return members, files, faultf(truncated, "the tar archive ends within a member, after %d", members-1)
		}
		from = in.n
	}
}

func isSparse(h *tar.Header) bool {
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}
