package integrity

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// errMoving is a file that changed while it was read, or is another one by now.
var errMoving = errors.New("it changes while it is read")

// A reader reads folders and files, by descriptors of the folders that they are
// in: a folder that someone replaces by a link meanwhile leads nowhere else. It
// opens nothing but folders and regular files.
type reader struct {
	follow bool
	pace   *pace
	buf    []byte
}

func newReader(follow bool, p *pace) *reader {
	return &reader{follow: follow, pace: p, buf: make([]byte, 64<<10)}
}

func (r *reader) noFollow() int {
	if r.follow {
		return 0
	}
	return unix.O_NOFOLLOW
}

// open opens the folder rel below root. The root itself may be a link.
func (r *reader) open(root, rel string) (*os.File, error) {
	const folder = unix.O_DIRECTORY | unix.O_CLOEXEC
	how := unix.O_PATH
	if rel == "" {
		how = unix.O_RDONLY
	}
	fd, err := openat(unix.AT_FDCWD, root, folder|how)
	for err == nil && rel != "" {
		var name string
		name, rel, _ = strings.Cut(rel, "/")
		if rel == "" {
			how = unix.O_RDONLY
		}
		var next int
		next, err = openat(fd, name, folder|how|r.noFollow())
		unix.Close(fd)
		fd = next
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), root), nil
}

// openat is unix.Openat, again where a signal came between.
func openat(dir int, name string, how int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, how, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// names are at most limit of what is in the folder, sorted, and how many more
// there are.
func names(dir *os.File, limit int) (all []string, more int, err error) {
	for {
		some, err := dir.Readdirnames(1024)
		if n := limit - len(all); len(some) > n {
			more += len(some) - n
			some = some[:n]
		}
		all = append(all, some...)
		if errors.Is(err, io.EOF) {
			slices.Sort(all)
			return all, more, nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// stat is of one file in the folder. dev is its file system.
func (r *reader) stat(dir *os.File, name string) (m meta, dev uint64, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && r.follow && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		var to unix.Stat_t
		if unix.Fstatat(int(dir.Fd()), name, &to, 0) == nil { // else it leads nowhere, and is a link
			st = to
		}
	}
	return metaOf(&st), st.Dev, err
}

func statFile(f *os.File) (m meta, dev uint64, err error) {
	var st unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &st)
	return metaOf(&st), st.Dev, err
}

// sum hashes what a regular file has, or where a link leads to. The file has to
// be what m says, and to stay it.
func (r *reader) sum(ctx context.Context, dir *os.File, name string, m *meta) (h hash, err error) {
	if m.link() {
		n, err := unix.Readlinkat(int(dir.Fd()), name, r.buf)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
			return h, errMoving
		}
		return sha256.Sum256(r.buf[:max(n, 0)]), err
	}
	// Without O_NONBLOCK a FIFO that took the file's place would hold us up.
	fd, err := openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC|r.noFollow())
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO):
		return h, errMoving
	case err != nil:
		return h, err
	}
	defer unix.Close(fd)
	if err := unchanged(fd, m); err != nil {
		return h, err
	}
	sum := sha256.New()
	for left := m.size; ; {
		n, err := unix.Read(fd, r.buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return h, err
		case n == 0:
			sum.Sum(h[:0])
			return h, unchanged(fd, m)
		}
		if left -= int64(n); left < 0 {
			return h, errMoving
		}
		sum.Write(r.buf[:n])
		if err := r.pace.read(ctx, n); err != nil {
			return h, err
		}
	}
}

func unchanged(fd int, m *meta) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if metaOf(&st) != *m {
		return errMoving
	}
	return nil
}

// A pace holds the work to so many bytes a second, and to a quarter of a
// processor.
type pace struct {
	rate  float64
	now   func() time.Time
	sleep func(context.Context, time.Duration) error

	began time.Time     // the stretch of work that goes on
	owed  time.Duration // for bytes
}

const (
	stretch = 20 * time.Millisecond
	rest    = 3 * stretch
)

func newPace(rate int64) *pace { return &pace{rate: float64(rate), now: time.Now, sleep: sleep} }

// read is called for n bytes that were read.
func (p *pace) read(ctx context.Context, n int) error {
	p.owed += time.Duration(float64(n) / p.rate * float64(time.Second))
	return p.step(ctx)
}

// step is called after each bit of work.
func (p *pace) step(ctx context.Context) error {
	now := p.now()
	worked := now.Sub(p.began)
	if worked > 2*time.Second || worked < 0 { // there was a break
		p.began = now
		worked = 0
	}
	if worked < stretch && p.owed < stretch {
		return ctx.Err()
	}
	long := p.owed
	if worked >= stretch {
		long = max(long, rest)
	}
	err := p.sleep(ctx, long)
	p.began, p.owed = p.now(), 0
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// parent is the folder and the name of a root that is a file.
func parent(path string) (dir, name string) { return filepath.Dir(path), filepath.Base(path) }
