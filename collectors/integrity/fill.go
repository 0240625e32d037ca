package integrity

import (
	"context"
	"path"
	"slices"
	"strings"
)

// A filler makes anew what is known of one folder.
type filler struct {
	*check
	place  place
	old    *folder // nil: it was not known
	folder *folder
	limit  uint64 // the file system that it is on
	alone  string // the name of a root that is a file
	cut    bool   // not all of its names are known
	subs   []string
}

// fill looks at what is there. When ctx ends in between, what was not looked at
// stays as it was known.
func (f *filler) fill(ctx context.Context, names []string) error {
	var err error
	f.folder.files = make([]file, 0, f.room(names))
	for i, name := range names {
		if err = f.w.reader.pace.step(ctx); err == nil {
			err = f.one(ctx, name)
		}
		if err != nil && f.old == nil {
			return err // it is new again next time
		}
		if err != nil {
			f.keepFrom(names[i])
			break
		}
	}
	if f.old != nil && err == nil && !f.cut {
		f.lost(names)
	}
	f.itself()
	if spare := cap(f.folder.files) - len(f.folder.files); spare > 0 {
		f.folder.files = slices.Clip(append(make([]file, 0, len(f.folder.files)), f.folder.files...))
	}
	at := f.place.path()
	if f.old == nil && len(f.w.tree.folders) >= f.w.c.MaxFiles {
		f.w.tree.partial = true
		f.omitted += len(f.folder.files)
		return err
	}
	f.w.tree.put(at, f.folder)
	return err
}

// room is how many of the names are likely to be files.
func (f *filler) room(names []string) int {
	if f.old != nil {
		return min(len(names), len(f.old.files)+8)
	}
	return min(len(names), 64)
}

// keepFrom keeps what was known of files from the name on.
func (f *filler) keepFrom(name string) {
	if f.alone != "" {
		name = ""
	}
	for _, o := range f.old.files {
		if o.name >= name {
			f.folder.files = append(f.folder.files, o)
		}
	}
}

// one looks at one name. An error is only that ctx is done.
func (f *filler) one(ctx context.Context, name string) error {
	p := f.place
	p.name = name
	known := name
	if f.alone != "" {
		known = ""
	} else {
		p.rel = strings.TrimPrefix(f.place.rel+"/"+name, "/")
	}
	if p.rel != "" && f.w.excludes(p.root, p.rel) {
		return nil
	}
	var old *file
	if f.old != nil {
		old = f.old.find(known)
	}
	m, dev, err := f.w.reader.stat(p.dir, name)
	switch {
	case err != nil && gone(err):
		return nil
	case err != nil:
		f.cannot(p.path(), err)
		if old != nil {
			f.folder.files = append(f.folder.files, *old)
		}
		return nil
	case m.isFolder() && f.alone == "":
		if !f.w.c.OneFileSystem || dev == f.limit {
			f.subs = append(f.subs, p.rel)
			f.seen[p.path()] = true
		}
		return nil
	case m.isFolder():
		return nil // it took the file's place since the roots were looked for
	}
	return f.known(ctx, &p, known, old, m)
}

// known adds the file to what is known.
func (f *filler) known(ctx context.Context, p *place, name string, old *file, m meta) error {
	others := f.w.tree.files
	if f.old != nil {
		others -= len(f.old.files)
	}
	if others+len(f.folder.files) >= f.w.c.MaxFiles {
		f.omitted++
		f.folder.partial = true
		return nil
	}
	var n file
	var err error
	if old != nil {
		n, err = f.compared(ctx, p, old, m)
	} else {
		n, err = f.added(ctx, p, name, m, f.news())
	}
	if err == nil {
		f.folder.files = append(f.folder.files, n)
	}
	return err
}

// news reports whether a file that was not known is new on the disk.
func (f *filler) news() bool {
	switch {
	case f.learn, f.old == nil && f.w.tree.partial, f.old != nil && f.old.partial:
		return false
	}
	return true
}

// lost finds the files that are known and not there any more.
func (f *filler) lost(names []string) {
	for i := range f.old.files {
		o := &f.old.files[i]
		if f.folder.find(o.name) != nil {
			continue
		}
		p := f.place
		if f.alone == "" {
			p.rel = strings.TrimPrefix(p.rel+"/"+o.name, "/")
			if _, there := slices.BinarySearch(names, o.name); there && f.folder.partial {
				continue // it is there, and has no room
			}
		}
		f.removed(&p, o)
	}
}

// itself compares the folder, which is like a file without content.
func (f *filler) itself() {
	if f.alone != "" {
		return
	}
	p := f.place
	n := file{name: path.Base(p.path()), meta: f.folder.meta, flags: f.w.allowed(&p, &f.folder.meta)}
	f.folder.flags = n.flags
	f.w.dirty = f.w.dirty || f.old == nil || f.old.meta != n.meta || f.old.flags != n.flags || f.old.partial != f.folder.partial
	if f.old == nil {
		if n.flags&mayLoose == 0 {
			f.find(&p, looseKind(n.loose()), nil, &n)
		}
		return
	}
	was := file{name: n.name, meta: f.old.meta, flags: f.old.flags}
	f.compareRights(&p, &was, &n)
}
