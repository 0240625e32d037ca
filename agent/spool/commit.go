package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const (
	commitName = "commit"
	slotSize   = 28
	slotStride = 4096 // so that one torn sector or page does not take both
)

var commitMagic = [8]byte{'L', 'K', 'C', 'O', 'M', 'M', 'T', 1}

// A commit is the file that says below which seq all frames are done. Two slots
// are written in turn, so that a torn write leaves the one before.
//
//	slot  magic[8] generation[8] seq[8] crc[4]
type commit struct {
	fs    FS
	path  string
	file  File // nil until it is there
	gen   uint64
	seq   uint64
	dirty bool // written and not synced
}

// load reads the file. A file that cannot be read is replaced, for what it says
// must never come back once seqs are given anew; warn is then set.
func (c *commit) load() (warn bool, err error) {
	f, err := c.fs.OpenFile(c.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	b := make([]byte, slotStride+slotSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return false, err
	}
	found := false
	for i := 0; i+slotSize <= n; i += slotStride {
		gen, seq, ok := parseSlot(b[i : i+slotSize])
		if ok && (!found || gen > c.gen) {
			c.gen, c.seq, found = gen, seq, true
		}
	}
	c.file = f
	if found {
		return false, nil
	}
	err = f.Truncate(0)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		c.close()
		return true, fmt.Errorf("%s is damaged and cannot be replaced: %w; remove it to send again what may have been sent", c.path, err)
	}
	return n > 0, nil
}

func parseSlot(b []byte) (gen, seq uint64, ok bool) {
	if [8]byte(b) != commitMagic || binary.LittleEndian.Uint32(b[24:]) != checksum(b[:24]) {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), true
}

// store writes seq where it was not written yet, without a sync.
func (c *commit) store(seq uint64) error {
	if seq == c.seq {
		return nil
	}
	if c.file == nil {
		f, err := c.fs.OpenFile(c.path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		c.file = f
	}
	var b [slotSize]byte
	gen := c.gen + 1
	copy(b[:], commitMagic[:])
	binary.LittleEndian.PutUint64(b[8:], gen)
	binary.LittleEndian.PutUint64(b[16:], seq)
	binary.LittleEndian.PutUint32(b[24:], checksum(b[:24]))
	if _, err := c.file.WriteAt(b[:], int64(gen%2)*slotStride); err != nil {
		return err // the next try writes to the same slot, and spares the good one
	}
	c.gen, c.seq, c.dirty = gen, seq, true
	return nil
}

func (c *commit) sync() error {
	if !c.dirty {
		return nil
	}
	if err := c.file.Sync(); err != nil {
		return err
	}
	c.dirty = false
	return nil
}

func (c *commit) close() error {
	if c.file == nil {
		return nil
	}
	err := c.file.Close()
	c.file = nil
	return err
}
