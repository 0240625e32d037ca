package spool

import (
	"io"
	"io/fs"
	"os"

	"github.com/webgrip/logkeel/agent"
)

// An FS is what a spool asks of a file system. Names are paths as Open's dir
// made them; the errors are those of package os.
type FS interface {
	MkdirAll(dir string) error
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Remove(name string) error
	Rename(from, to string) error
	ReadDir(dir string) ([]fs.DirEntry, error)
	SyncDir(dir string) error // makes the names in dir durable
}

// A File is an open file of an FS. It may be closed while it is read.
type File interface {
	io.ReaderAt
	io.WriterAt
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

type osFS struct{}

func (osFS) MkdirAll(dir string) error                 { return os.MkdirAll(dir, 0o700) }
func (osFS) Remove(name string) error                  { return os.Remove(name) }
func (osFS) Rename(from, to string) error              { return os.Rename(from, to) }
func (osFS) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
func (osFS) SyncDir(dir string) error                  { return agent.SyncDir(dir) }

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // not f: a nil *os.File in a File is not nil
	}
	return f, nil
}
