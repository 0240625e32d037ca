package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ReplaceFile gives the file new content: whatever happens, it has the old one
// or the new one, and what it has when ReplaceFile returned stays.
func ReplaceFile(path string, content []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = SyncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

func isReadOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// A StateDir is the folder in which an agent keeps what must outlive it. It is
// locked while it is open.
type StateDir struct {
	Path string
	lock *os.File
}

// OpenStateDir makes and locks the folder. The errors say what to do.
func OpenStateDir(path string) (*StateDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	const remedy = "name a folder that this user can write, on a disk that stays (state_dir)"
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir %s: %w; %s", abs, err, remedy)
	}
	f, err := os.OpenFile(filepath.Join(abs, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state_dir %s: %w; %s", abs, err, remedy)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("state_dir %s: another agent uses it (%w); stop that one or give this one a folder of its own", abs, err)
	}
	return &StateDir{Path: abs, lock: f}, nil
}

// Close unlocks the folder.
func (d *StateDir) Close() error { return d.lock.Close() }
