// Package silence keeps what people do not want to be told of for a while. It is
// one file in state_dir, written by the command `logkeel silence`, whether an agent
// runs or not, and read by the agent.
package silence

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/matchers"
)

const (
	fileName = "silences.json"
	lockName = "silences.lock"
	// MaxSilences is how many there may be at a time.
	MaxSilences = 1000
	// MaxFor is how long one may last.
	MaxFor = 90 * 24 * time.Hour
	// KeepEnded is for how long those that are over are still listed.
	KeepEnded  = 24 * time.Hour
	maxComment = 500
	maxFile    = 16 << 20 // of what can be read, in bytes
)

// A Silence is about the alerts whose labels all of its matchers select.
type Silence struct {
	ID       string    `json:"id"`
	Matchers string    `json:"matchers"` // as matchers.Parse reads them
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	By       string    `json:"by,omitempty"` // the user who made it
	Comment  string    `json:"comment,omitempty"`

	parsed matchers.Matchers
}

// Active reports whether it holds at t.
func (s *Silence) Active(t time.Time) bool { return !t.Before(s.From) && t.Before(s.Until) }

// A file is the form on the disk.
type file struct {
	Silences []Silence `json:"silences"`
}

// A Book is the silences of one state_dir.
type Book struct{ dir string }

// Open names the book in dir. Nothing is read or made yet.
func Open(dir string) *Book { return &Book{dir} }

func (b *Book) path() string { return filepath.Join(b.dir, fileName) }

// List reads all silences, those that are over included, the newest last.
func (b *Book) List() ([]Silence, error) {
	f, err := os.Open(b.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	return parse(text)
}

func parse(text []byte) ([]Silence, error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("%s is not what logkeel writes: %w", fileName, err)
	}
	if len(f.Silences) > MaxSilences {
		return nil, fmt.Errorf("%s has more than %d silences", fileName, MaxSilences)
	}
	for i := range f.Silences {
		s := &f.Silences[i]
		parsed, err := matchers.Parse(s.Matchers)
		if err != nil {
			return nil, fmt.Errorf("%s: silence %s: %w", fileName, s.ID, err)
		}
		s.parsed = parsed
	}
	return f.Silences, nil
}

// Add makes a silence of the matchers, from now on for d. by is the user, whom a
// list names beside the comment.
func (b *Book) Add(text string, now time.Time, d time.Duration, by, comment string) (s Silence, err error) {
	if d <= 0 || d > MaxFor {
		return s, fmt.Errorf("%s is out of range; write 1s to 90d", conf.Duration(d))
	}
	parsed, fault := matchers.Parse(text)
	if fault != nil {
		return s, fmt.Errorf("%s: %w; %s", conf.Quote(text), fault, fault.Hint)
	}
	if len(comment) > maxComment {
		return s, fmt.Errorf("a comment has at most %d bytes", maxComment)
	}
	now = now.UTC().Round(0)
	s = Silence{
		ID: strings.ToLower(rand.Text()[:8]), Matchers: text, From: now, Until: now.Add(d),
		By: valid(by), Comment: valid(comment), parsed: parsed,
	}
	return s, b.change(now, func(all []Silence) ([]Silence, error) {
		if len(all) >= MaxSilences {
			all = slices.DeleteFunc(all, func(s Silence) bool { return !s.Active(now) })
		}
		if len(all) >= MaxSilences {
			return nil, fmt.Errorf("there are %d silences already; end some", len(all))
		}
		return append(all, s), nil
	})
}

func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

// End ends the active silences that pick picks, and returns them.
func (b *Book) End(now time.Time, pick func(*Silence) bool) (ended []Silence, err error) {
	now = now.UTC().Round(0)
	err = b.change(now, func(all []Silence) ([]Silence, error) {
		for i := range all {
			if s := &all[i]; s.Active(now) && pick(s) {
				s.Until = now
				ended = append(ended, *s)
			}
		}
		return all, nil
	})
	return ended, err
}

// change rewrites the file while nobody else does.
func (b *Book) change(now time.Time, do func([]Silence) ([]Silence, error)) error {
	lock, err := os.OpenFile(filepath.Join(b.dir, lockName), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close() // which gives the lock back
	if err := b.likeDir(lock); err != nil {
		return err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	all, err := b.List()
	if err != nil {
		return fmt.Errorf("%w; mend it, or remove it", err)
	}
	all = slices.DeleteFunc(all, func(s Silence) bool { return now.Sub(s.Until) > KeepEnded })
	if all, err = do(all); err != nil {
		return err
	}
	text, err := json.MarshalIndent(file{all}, "", "  ")
	if err != nil {
		return err
	}
	return b.replace(append(text, '\n'))
}

// replace puts text in the place of the file, or leaves it as it is.
func (b *Book) replace(text []byte) error {
	if err := os.Remove(b.path() + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(b.path()+".new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is left of a failure
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = b.likeDir(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), b.path()); err != nil {
		return err
	}
	dir, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// likeDir gives a file that root has written to the owner of the folder: that is
// who has to read it. Who owns the folder may have put links there, to have root
// give him another file: none is followed, here and where the file is opened.
func (b *Book) likeDir(f *os.File) error {
	info, err := os.Stat(b.dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// OfHandle is the matchers of the alerts with a handle, as agent.Alert.Handle gives
// it.
func OfHandle(handle string) string { return `handle="` + handle + `"` }
