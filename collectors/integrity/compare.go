package integrity

import (
	"context"
	"errors"
	"os"
	"time"
)

// settled is how long after its last change a file's times tell of the next one:
// file systems have times that are coarser than the clock.
const settled = 2 * time.Second

// A place is a file on the disk: in an open folder, and by the names that patterns
// know it by.
type place struct {
	dir       *os.File
	name      string // in dir
	root, rel string
}

func (p *place) path() string { return join(p.root, p.rel) }

// allowed gives the flags that the allow-list makes.
func (w *watch) allowed(p *place, m *meta) (f flags) {
	loose := m.loose()
	for i := range w.allow {
		a := &w.allow[i]
		if a.mode == 0 && f&free != 0 || a.mode != 0 && loose == 0 || !a.matchBelow(p.root, p.rel) {
			continue
		}
		if a.mode == 0 {
			f |= free
		}
		loose &^= a.mode
	}
	if loose == 0 {
		f |= mayLoose
	}
	return f
}

// added makes a file of one that was not known. Where that is no news it is
// hashed later, so that all are known soon.
func (c *check) added(ctx context.Context, p *place, name string, m meta, news bool) (file, error) {
	n := file{name: name, meta: m, flags: c.w.allowed(p, &m)}
	c.w.dirty = true
	if news && n.flags&free == 0 {
		if _, err := c.hash(ctx, p, &n); err != nil {
			return n, err
		}
		c.find(p, kindAdded, nil, &n)
	}
	if n.flags&mayLoose == 0 {
		c.find(p, looseKind(m.loose()), nil, &n)
	}
	return n, nil
}

func looseKind(bits uint32) kind {
	if bits&setIDs != 0 {
		return kindSetuid
	}
	return kindWorldWritable
}

// compared makes a file of what it was and what it is, and finds the difference.
func (c *check) compared(ctx context.Context, p *place, old *file, m meta) (file, error) {
	n := file{name: old.name, meta: m, hash: old.hash, flags: old.flags&(hashed|fresh|unread) | c.w.allowed(p, &m)}
	changed, err := c.contentChanged(ctx, p, old, &n)
	if err != nil {
		return *old, err
	}
	c.w.dirty = c.w.dirty || n != *old
	if changed && n.flags&free == 0 {
		c.find(p, kindChanged, old, &n)
	}
	c.compareRights(p, old, &n)
	return n, nil
}

// compareRights is of files and folders.
func (c *check) compareRights(p *place, old, n *file) {
	if (old.uid != n.uid || old.gid != n.gid) && n.flags&free == 0 {
		c.find(p, kindOwner, old, n)
	}
	wider := n.loose()&^old.loose() != 0 && n.flags&mayLoose == 0
	if old.perm() != n.perm() && n.flags&free == 0 && old.kind() == n.kind() {
		if wider {
			c.batch.by.Mode++
		} else {
			c.find(p, kindMode, old, n)
		}
	}
	if wider {
		c.find(p, looseKind(n.loose()), old, n)
	}
}

// contentChanged reports whether the file has another content than it had, and
// gives n its hash where that has to be known.
func (c *check) contentChanged(ctx context.Context, p *place, old, n *file) (bool, error) {
	if old.meta == n.meta {
		return false, nil
	}
	if old.kind() != n.kind() {
		_, err := c.hash(ctx, p, n)
		return true, err
	}
	byTimes := (n.regular() || n.link()) && (old.size != n.size || old.mtime != n.mtime)
	if old.size == n.size && old.mtime == n.mtime && old.ctime == n.ctime && old.inode == n.inode {
		return false, nil
	}
	had := old.flags&hashed != 0
	ok, err := c.hash(ctx, p, n)
	switch {
	case err != nil:
		return false, err
	case ok && had:
		return n.hash != old.hash, nil
	}
	return byTimes, nil
}

// hash gives the file its hash where it is to have one, and reports whether it
// has. An error is only that ctx is done: then nothing is known of the file.
func (c *check) hash(ctx context.Context, p *place, n *file) (bool, error) {
	n.flags &^= hashed | fresh | unread
	if !c.w.hashes(n) {
		return false, nil
	}
	h, err := c.w.reader.sum(ctx, p.dir, p.name, &n.meta)
	switch {
	case err == nil:
		n.hash = h
		n.flags |= hashed
		if c.w.now().UnixNano()-n.ctime < int64(settled) {
			n.flags |= fresh
		}
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, errMoving): // it is hashed when it is looked at again
	default:
		n.flags |= unread
		c.because(p.path(), err)
	}
	return false, nil
}

// hashes reports whether the file's content is to be hashed.
func (w *watch) hashes(f *file) bool {
	return f.flags&free == 0 && (f.link() && w.c.Hash != 0 || f.regular() && w.c.Hash.includes(f.size))
}

// find notes a finding.
func (c *check) find(p *place, k kind, old, n *file) {
	f := finding{at: c.w.now(), path: p.path(), kind: k}
	if old != nil {
		f.old = stateOf(old)
	}
	if n != nil {
		f.new = stateOf(n)
	}
	c.batch.add(f)
}

func stateOf(f *file) *state {
	s := &state{meta: f.meta}
	if f.flags&hashed != 0 {
		h := f.hash
		s.hash = &h
	}
	return s
}
