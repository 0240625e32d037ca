package integrity

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A check is one look at all folders, or at some.
type check struct {
	w     *watch
	batch batch
	// learn says that what is there is new to the agent and not to the disk: the
	// first walk of all, or one with other paths than before.
	learn bool

	seen    map[string]bool    // folders that are there, by path
	visited map[string]bool    // those that were read to the end
	loops   map[[2]uint64]bool // folders by device and inode, where links are followed

	unreadable int   // folders
	first      error // why the first of them is, or the first file
	omitted    int   // files that there was no room for
	done       *walked
}

// walked is what is known of a walk that has come to its end.
type walked struct {
	took      time.Duration
	at        time.Time
	err       error // why not everything was looked at
	unwatched int   // folders whose changes nobody tells of
}

func (w *watch) newCheck() *check {
	return &check{w: w, seen: map[string]bool{}, visited: map[string]bool{}, loops: map[[2]uint64]bool{}}
}

// cannot notes that a folder may not be read.
func (c *check) cannot(path string, err error) {
	c.unreadable++
	c.because(path, err)
}

// because notes why something may not be read.
func (c *check) because(path string, err error) {
	if c.first == nil {
		c.first = &fs.PathError{Op: "read", Path: path, Err: err}
	}
}

func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// walk looks at the folder rel below root and at those in it: at all of them, or,
// where deep is false, at those that were not known.
func (c *check) walk(ctx context.Context, root, rel string, deep bool) error {
	todo := []string{rel}
	for len(todo) > 0 {
		rel := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		subs, err := c.folder(ctx, root, rel)
		if err != nil {
			return err
		}
		if c.omitted > 10*c.w.c.MaxFiles {
			return nil // it is known well enough that there are too many
		}
		for _, sub := range slices.Backward(subs) {
			if deep || c.w.tree.folders[join(root, sub)] == nil {
				todo = append(todo, sub)
			}
		}
	}
	return nil
}

// folder looks at one folder, and returns those in it. An error is only that ctx
// is done.
func (c *check) folder(ctx context.Context, root, rel string) (subs []string, err error) {
	w, at := c.w, join(root, rel)
	old := c.before(at, true)
	w.notify.add(at) // before it is read, so that nothing is missed in between
	dir, err := w.reader.open(root, rel)
	if err != nil {
		if !gone(err) {
			c.cannot(at, err)
		}
		return nil, ctx.Err()
	}
	defer dir.Close()
	m, dev, err := statFile(dir)
	var all []string
	more := 0
	if err == nil {
		all, more, err = names(dir, w.c.MaxFiles+1)
	}
	if err != nil {
		c.cannot(at, err)
		return nil, ctx.Err()
	}
	if rel == "" {
		w.devices[root] = dev
	}
	if c.loops[[2]uint64{dev, m.inode}] {
		delete(c.seen, at)
		return nil, ctx.Err()
	}
	if w.c.FollowSymlinks {
		c.loops[[2]uint64{dev, m.inode}] = true
	}
	f := &filler{check: c, place: place{dir: dir, root: root, rel: rel}, old: old, folder: &folder{meta: meta{mode: m.mode, uid: m.uid, gid: m.gid}, root: root, partial: more > 0}, limit: w.devices[root], cut: more > 0}
	c.omitted += more
	if err := f.fill(ctx, all); err != nil {
		return nil, err
	}
	c.visited[at] = true
	return f.subs, nil
}

// before is what was known of a folder, or of a root that is a file. Where one has
// taken the other's place that is gone.
func (c *check) before(at string, isFolder bool) *folder {
	old := c.w.tree.folders[at]
	if old != nil && old.isFolder() != isFolder {
		c.drop(at, old)
		return nil
	}
	return old
}

// single looks at a root that is a file.
func (c *check) single(ctx context.Context, root string) error {
	in, name := parent(root)
	dir, err := c.w.reader.open(in, "")
	if err != nil {
		if !gone(err) {
			c.cannot(root, err)
		}
		return ctx.Err()
	}
	defer dir.Close()
	c.w.notify.add(in)
	f := &filler{check: c, place: place{dir: dir, root: root}, old: c.before(root, false), folder: &folder{root: root}, alone: name}
	if err := f.fill(ctx, []string{name}); err != nil {
		return err
	}
	c.visited[root] = true
	return nil
}

// vanished drops folders that are not there any more: those in a folder that was
// read to its end, in which they were not seen.
func (c *check) vanished(all []string) {
	lost := map[string]bool{}
	for _, at := range all {
		in := path.Dir(at)
		f := c.w.tree.folders[at]
		if at == f.root || c.seen[at] || !lost[in] && !c.visited[in] {
			continue
		}
		lost[at] = true
		c.drop(at, f)
	}
}

// drop forgets a folder, and says of its files that they are removed.
func (c *check) drop(at string, f *folder) {
	for i := range f.files {
		p := place{root: f.root, rel: relative(f.root, join(at, f.files[i].name))}
		c.removed(&p, &f.files[i])
	}
	c.w.tree.drop(at)
	c.w.dirty = true
	c.w.notify.remove(at)
}

func (c *check) removed(p *place, old *file) {
	c.w.dirty = true
	if c.learn || old.flags&free != 0 || c.w.excluded(p.root, p.rel) {
		return
	}
	c.find(p, kindRemoved, old, nil)
}
