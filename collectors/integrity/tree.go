package integrity

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A meta is what a file is without its content. Times are nanoseconds since 1970.
type meta struct {
	size         int64
	mtime, ctime int64
	inode        uint64
	mode         uint32 // with the type, as stat gives it
	uid, gid     uint32
}

func metaOf(st *unix.Stat_t) meta {
	return meta{st.Size, st.Mtim.Nano(), st.Ctim.Nano(), st.Ino, st.Mode, st.Uid, st.Gid}
}

func (m *meta) kind() uint32   { return m.mode & unix.S_IFMT }
func (m *meta) regular() bool  { return m.kind() == unix.S_IFREG }
func (m *meta) link() bool     { return m.kind() == unix.S_IFLNK }
func (m *meta) perm() uint32   { return m.mode & 0o7777 }
func (m *meta) isFolder() bool { return m.kind() == unix.S_IFDIR }

// loose are the bits of the mode that are told of. A link's say nothing; where a
// folder is sticky, one may not replace what is others'; its setgid only says whose
// group new files have.
func (m *meta) loose() uint32 {
	switch {
	case m.regular():
		return m.mode & looseBits
	case m.isFolder() && m.mode&unix.S_ISVTX == 0:
		return m.mode & worldWritable
	}
	return 0
}

type hash [sha256.Size]byte

// A file is what is known of one: anything in a folder that is no folder.
type file struct {
	name string
	meta
	hash  hash
	flags flags
}

type flags uint8

const (
	hashed    flags = 1 << iota // hash is that of the content, or of where a link leads to
	free                        // it may change: allow has it
	mayLoose                    // and likewise be what its mode says
	fresh                       // it was hashed within a moment of its last change: times may hide another one
	unread                      // its content may not be read
	flagsMask = 1<<iota - 1
)

// A folder is what is known of one, with its files in the order of their names.
// A file that is a root by itself stands alone in one, without a name.
type folder struct {
	meta
	files []file
	flags flags
	// partial says that there were more files than are known.
	partial bool
	root    string // that it was found under
}

func (f *folder) find(name string) *file {
	i, ok := slices.BinarySearchFunc(f.files, name, func(f file, name string) int { return cmp.Compare(f.name, name) })
	if !ok {
		return nil
	}
	return &f.files[i]
}

// A tree is all that is known, by the paths of folders. One goroutine has it.
type tree struct {
	folders map[string]*folder
	files   int
	partial bool      // some folders were left out, for there were too many files
	learned bool      // a walk has come to its end
	since   time.Time // when the first one had: what was so then is taken as right
}

func newTree() *tree { return &tree{folders: map[string]*folder{}} }

func (t *tree) put(path string, f *folder) {
	if old := t.folders[path]; old != nil {
		t.files -= len(old.files)
	}
	t.files += len(f.files)
	t.folders[path] = f
}

func (t *tree) drop(path string) {
	if old := t.folders[path]; old != nil {
		t.files -= len(old.files)
		delete(t.folders, path)
	}
}

// below are the folder and those in it, sorted.
func (t *tree) below(path string) []string {
	var all []string
	for p := range t.folders {
		if isBelow(path, p) {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

// isBelow reports whether p is the folder, or in it.
func isBelow(folder, p string) bool {
	n := len(folder)
	return len(p) >= n && p[:n] == folder && (len(p) == n || p[n] == '/' || folder == "/")
}
