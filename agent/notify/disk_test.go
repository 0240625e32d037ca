package notify

import (
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/webgrip/logkeel/agent/spool"
)

// A disk is the machine's, until it is full. It does not sync, for these tests
// kill processes and not machines.
type disk struct {
	full atomic.Bool
}

func (d *disk) OpenFile(name string, flag int, perm fs.FileMode) (spool.File, error) {
	file, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return diskFile{file, d}, nil
}

type diskFile struct {
	*os.File
	disk *disk
}

func (diskFile) Sync() error { return nil }

func (f diskFile) WriteAt(b []byte, off int64) (int, error) {
	if f.disk.full.Load() {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(b, off)
}

func (*disk) MkdirAll(dir string) error                 { return os.MkdirAll(dir, 0o700) }
func (*disk) Remove(name string) error                  { return os.Remove(name) }
func (*disk) Rename(from, to string) error              { return os.Rename(from, to) }
func (*disk) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
func (*disk) SyncDir(string) error                      { return nil }
