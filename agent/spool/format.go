package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"

	"github.com/webgrip/logkeel/agent"
)

// A segment file is a header of two equal copies, then frames. A frame is a
// fixed header, its ranges and its payload. All integers are little endian.
//
//	segment copy  magic[4] version[4] first[8] salt[8] crc[4] zero[4]
//	frame header  magic[4] ranges[4] payload[4] records[4] seq[8]
//	              crc of ranges[4] crc of payload[4] crc of this header[4]
//
// Where a header is damaged the next one is looked for byte by byte, in what
// may be the text of a log. The header's checksum therefore starts from the
// segment's random salt: nobody can write a line that reads as a frame.
const (
	version = 1

	copySize      = 32
	segmentHeader = 2 * copySize
	frameHeader   = 36

	maxPayload = 64 << 20
	maxRanges  = 1 << 20
)

var (
	segmentMagic = [4]byte{'L', 'K', 'S', 'P'}
	frameMagic   = [4]byte{0xf7, 'L', 'K', 0x1d}
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

var errRanges = errors.New("ranges are not well formed")

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// putSegmentHeader writes the header of a new segment to b and returns the
// seed of its frames' checksums.
func putSegmentHeader(b []byte, first, salt uint64) uint32 {
	c := b[:copySize]
	copy(c, segmentMagic[:])
	binary.LittleEndian.PutUint32(c[4:], version)
	binary.LittleEndian.PutUint64(c[8:], first)
	binary.LittleEndian.PutUint64(c[16:], salt)
	binary.LittleEndian.PutUint32(c[24:], checksum(c[:24]))
	binary.LittleEndian.PutUint32(c[28:], 0)
	copy(b[copySize:segmentHeader], c)
	return checksum(c[16:24])
}

// parseSegmentHeader reads whichever copy is sound.
func parseSegmentHeader(b []byte) (first uint64, seed uint32, err error) {
	for i := 0; i < segmentHeader; i += copySize {
		c := b[i : i+copySize]
		if [4]byte(c) != segmentMagic || binary.LittleEndian.Uint32(c[24:]) != checksum(c[:24]) {
			continue
		}
		if binary.LittleEndian.Uint32(c[4:]) != version {
			return 0, 0, errors.New("written by another version of the agent")
		}
		return binary.LittleEndian.Uint64(c[8:]), checksum(c[16:24]), nil
	}
	return 0, 0, errors.New("not a spool segment, or its header is damaged")
}

// A header is the fixed part of a frame.
type header struct {
	ranges, payload uint32 // lengths in bytes
	records         uint32
	seq             uint64
	rangesSum       uint32
	payloadSum      uint32
}

func (h *header) size() int64 { return frameHeader + int64(h.ranges) + int64(h.payload) }

// put writes the header to b, without its own checksum.
func (h *header) put(b []byte) {
	copy(b, frameMagic[:])
	binary.LittleEndian.PutUint32(b[4:], h.ranges)
	binary.LittleEndian.PutUint32(b[8:], h.payload)
	binary.LittleEndian.PutUint32(b[12:], h.records)
	binary.LittleEndian.PutUint64(b[16:], h.seq)
	binary.LittleEndian.PutUint32(b[24:], h.rangesSum)
	binary.LittleEndian.PutUint32(b[28:], h.payloadSum)
}

// seal writes the header's own checksum.
func seal(b []byte, seed uint32) {
	binary.LittleEndian.PutUint32(b[32:], crc32.Update(seed, castagnoli, b[:32]))
}

// parseHeader reads the header at the start of b; ok is false where there is
// none, or one that is damaged or beyond the limits.
func parseHeader(b []byte, seed uint32) (h header, ok bool) {
	if len(b) < frameHeader || [4]byte(b) != frameMagic ||
		binary.LittleEndian.Uint32(b[32:]) != crc32.Update(seed, castagnoli, b[:32]) {
		return header{}, false
	}
	h = header{
		ranges:     binary.LittleEndian.Uint32(b[4:]),
		payload:    binary.LittleEndian.Uint32(b[8:]),
		records:    binary.LittleEndian.Uint32(b[12:]),
		seq:        binary.LittleEndian.Uint64(b[16:]),
		rangesSum:  binary.LittleEndian.Uint32(b[24:]),
		payloadSum: binary.LittleEndian.Uint32(b[28:]),
	}
	return h, h.ranges <= maxRanges && h.payload <= maxPayload && h.records <= math.MaxInt32
}

func appendRanges(b []byte, rs []Range) []byte {
	b = binary.AppendUvarint(b, uint64(len(rs)))
	for i := range rs {
		r := &rs[i]
		b = binary.AppendUvarint(b, uint64(len(r.Source)))
		b = append(b, r.Source...)
		b = binary.AppendUvarint(b, uint64(r.Records))
		b = binary.AppendUvarint(b, r.To.Epoch)
		b = binary.AppendVarint(b, r.To.Offset)
		b = binary.LittleEndian.AppendUint64(b, r.To.File.Head)
		b = binary.AppendUvarint(b, uint64(r.To.File.Len))
		b = binary.AppendUvarint(b, r.To.File.Inode)
	}
	if !slices.ContainsFunc(rs, func(r Range) bool { return r.First != 0 || r.Last != 0 }) {
		return b // as before there were times
	}
	for i := range rs {
		b = binary.AppendVarint(b, rs[i].First)
		b = binary.AppendVarint(b, rs[i].Last-rs[i].First)
	}
	return b
}

// minRange is the least that a range takes: five varints beside its length,
// and the hash.
const minRange = 1 + 5 + 8

// parseRanges reads what appendRanges wrote; name makes a string of a source.
func parseRanges(b []byte, name func([]byte) string) ([]Range, error) {
	d := decoder{b: b}
	n := d.uvarint()
	if n > uint64(len(d.b)/minRange) {
		return nil, errRanges
	}
	rs := make([]Range, 0, n)
	for range n {
		source := d.bytes(d.uvarint())
		records := d.uvarint()
		to := agent.Position{Epoch: d.uvarint(), Offset: d.varint()}
		to.File.Head = d.uint64()
		length := d.uvarint()
		to.File.Inode = d.uvarint()
		if d.bad || records > math.MaxInt32 || length > math.MaxUint32 {
			return nil, errRanges
		}
		to.File.Len = uint32(length)
		rs = append(rs, Range{Source: name(source), To: to, Records: int(records)})
	}
	for i := 0; i < len(rs) && (i > 0 || len(d.b) > 0); i++ {
		rs[i].First = d.varint()
		rs[i].Last = rs[i].First + d.varint()
	}
	if d.bad || len(d.b) > 0 {
		return nil, errRanges
	}
	return rs, nil
}

// A decoder takes values off the front of b until one is not there.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.skip(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.skip(n)
	return v
}

// skip drops the n bytes of a varint; n is not positive where there is none.
func (d *decoder) skip(n int) {
	if n <= 0 {
		d.bad = true
		return
	}
	d.b = d.b[n:]
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint64() uint64 {
	b := d.bytes(8)
	if d.bad {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}
