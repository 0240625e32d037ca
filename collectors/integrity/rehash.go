package integrity

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// turn is how long files are hashed until the watch looks whether there is more
// urgent work.
const turn = time.Second

// plan says which folders have files that are to be hashed still. The last one is
// the first to be done.
func (w *watch) plan() {
	w.todo, w.within, w.all = w.todo[:0], "", false
	for _, at := range slices.Backward(w.tree.below("/")) {
		f := w.tree.folders[at]
		if slices.ContainsFunc(f.files, func(f file) bool { return w.needsHash(&f) }) {
			w.todo = append(w.todo, at)
		}
	}
}

func (w *watch) needsHash(f *file) bool {
	return w.hashes(f) && (f.flags&(hashed|unread) == 0 || f.flags&fresh != 0)
}

// planAgain says which folders are read again, whatever their files' times say:
// so many that all have their turn within the interval for that.
func (w *watch) planAgain() {
	w.todo, w.within, w.all = w.todo[:0], "", true
	if w.c.Hash == 0 {
		return
	}
	all := w.tree.below("/")
	from, found := slices.BinarySearch(all, w.cursor)
	if found {
		from++
	}
	share := float64(w.c.WalkInterval) / float64(w.c.RehashInterval)
	quota := int(float64(w.tree.files)*share) + 1
	for i := range all {
		at := all[(from+i)%len(all)]
		if quota <= 0 {
			break
		}
		w.todo = append(w.todo, at)
		quota -= len(w.tree.folders[at].files)
	}
	slices.Reverse(w.todo)
}

// rehash hashes files of the first folder that is to be done, for about a turn.
// done says that there is nothing to do any more.
func (w *watch) rehash(ctx context.Context) (c *check, done bool, err error) {
	c = w.newCheck()
	if len(w.todo) == 0 {
		if w.all {
			return c, true, nil
		}
		w.planAgain()
		return c, len(w.todo) == 0, nil
	}
	at := w.todo[len(w.todo)-1]
	if f := w.tree.folders[at]; f != nil {
		more, err := c.rehashFolder(ctx, at, f)
		if more || err != nil {
			return c, false, err
		}
	}
	if w.all {
		w.cursor = at
	}
	w.todo, w.within = w.todo[:len(w.todo)-1], ""
	return c, false, nil
}

// rehashFolder reports whether it was not done to its end.
func (c *check) rehashFolder(ctx context.Context, at string, f *folder) (more bool, err error) {
	w := c.w
	dir, alone, err := w.openKnown(at, f)
	if err != nil {
		return false, ctx.Err() // the next walk finds out more
	}
	defer dir.Close()
	until := w.now().Add(turn)
	for i := range f.files {
		old := &f.files[i]
		if old.name < w.within || !w.needsHash(old) && !(w.all && w.hashes(old)) {
			continue
		}
		if w.now().After(until) {
			w.within = old.name
			return true, nil
		}
		p := place{dir: dir, name: old.name, root: f.root, rel: strings.TrimPrefix(relative(f.root, at)+"/"+old.name, "/")}
		if alone != "" {
			p.name, p.rel = alone, ""
		}
		if err := c.rehashFile(ctx, &p, old); err != nil {
			return true, err
		}
	}
	return false, nil
}

// openKnown opens a folder of the tree. Of a root that is a file it is that in
// which the file is, with its name.
func (w *watch) openKnown(at string, f *folder) (dir *os.File, alone string, err error) {
	if f.isFolder() {
		dir, err = w.reader.open(f.root, relative(f.root, at))
		return dir, "", err
	}
	in, alone := parent(at)
	dir, err = w.reader.open(in, "")
	return dir, alone, err
}

func (c *check) rehashFile(ctx context.Context, p *place, old *file) error {
	h, err := c.w.reader.sum(ctx, p.dir, p.name, &old.meta)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errMoving):
		return c.moved(ctx, p, old)
	case err != nil:
		old.flags |= unread
		c.because(p.path(), err)
		return nil
	}
	was := *old
	old.hash = h
	old.flags = old.flags&^(unread|fresh) | hashed
	if c.w.now().UnixNano()-old.ctime < int64(settled) {
		old.flags |= fresh
	}
	c.w.dirty = c.w.dirty || was != *old
	if was.flags&hashed == 0 || was.hash == h {
		return nil
	}
	kind := kindForged
	if was.flags&fresh != 0 {
		kind = kindChanged
	}
	c.find(p, kind, &was, old)
	return nil
}

// moved looks at a file that is not what it was at the last look.
func (c *check) moved(ctx context.Context, p *place, old *file) error {
	m, _, err := c.w.reader.stat(p.dir, p.name)
	if err != nil || m.isFolder() || old.meta == m {
		if err != nil && !gone(err) && !errors.Is(err, unix.EINVAL) {
			c.because(p.path(), err)
		}
		return nil // the next look finds out
	}
	n, err := c.compared(ctx, p, old, m)
	if err == nil {
		*old = n
	}
	return err
}
