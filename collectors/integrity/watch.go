package integrity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A watch is all that one target's goroutine has. Nothing of it is shared.
type watch struct {
	c       Config
	paths   []string // absolute
	exclude []pattern
	allow   []allowance
	now     func() time.Time

	tree    *tree
	reader  *reader
	notify  notifier
	roots   []string          // what paths are at the moment
	devices map[string]uint64 // their file systems

	todo   []string // folders in which something is to be hashed, from the last
	within string   // the name at which the last of them goes on
	all    bool     // todo is of files whose hash is known: they are read again
	cursor string   // the folder up to which that was done
	dirty  bool     // the baseline lacks something
}

type allowance struct {
	pattern
	mode uint32
}

// newWatch makes one of a Config that was checked. Relative paths are relative to
// baseDir.
func newWatch(c Config, baseDir string) *watch {
	w := &watch{
		c: c, now: time.Now, tree: newTree(), notify: noNotifier{}, devices: map[string]uint64{},
		reader: newReader(c.FollowSymlinks, newPace(int64(c.Rate))),
	}
	for _, p := range c.Paths {
		if !filepath.IsAbs(p) {
			p = filepath.Join(baseDir, p)
		}
		w.paths = append(w.paths, filepath.Clean(p))
	}
	for _, e := range c.Exclude {
		w.exclude = append(w.exclude, newPattern(e))
	}
	for _, a := range c.Allow {
		w.allow = append(w.allow, allowance{newPattern(a.Path), a.Mode & looseBits})
	}
	return w
}

// excluded reports whether the file is left out by itself, or by a folder that it
// is in.
func (w *watch) excluded(root, rel string) bool {
	for rel != "" {
		if w.excludes(root, rel) {
			return true
		}
		rel = rel[:max(strings.LastIndexByte(rel, '/'), 0)]
	}
	return false
}

// excludes reports whether the file is left out by itself.
func (w *watch) excludes(root, rel string) bool {
	for i := range w.exclude {
		if w.exclude[i].match(root, rel) {
			return true
		}
	}
	return false
}

// relative is the path below root, "" for root itself.
func relative(root, path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
}

// expand finds out what paths are. An error is of those that are not there.
func (w *watch) expand() (roots []string, err error) {
	var errs []error
	for _, p := range w.paths {
		found := []string{p}
		if strings.ContainsAny(p, `*?[\`) {
			found, _ = filepath.Glob(p)
		}
		found = slices.DeleteFunc(found, func(at string) bool {
			_, err := os.Stat(at)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, fmt.Errorf("%w; the agent needs to read it", err))
			}
			return err != nil
		})
		if len(found) == 0 {
			errs = append(errs, fmt.Errorf("%s is not there; mount it into the agent's container, or correct paths", p))
		}
		roots = append(roots, found...)
	}
	slices.Sort(roots)
	var apart []string // none in another one
	for _, r := range roots {
		if !slices.ContainsFunc(apart, func(a string) bool { return isBelow(a, r) }) {
			apart = append(apart, r)
		}
	}
	return apart, errors.Join(errs...)
}

// everything looks at all files. The error says what could not be looked at.
func (w *watch) everything(ctx context.Context) (*check, error) {
	c := w.newCheck()
	c.learn = !w.tree.learned
	roots, missing := w.expand()
	w.roots = roots
	for _, root := range roots {
		info, err := os.Stat(root)
		switch {
		case err != nil: // it has just gone
			continue
		case info.IsDir():
			err = c.walk(ctx, root, "", true)
		default:
			err = c.single(ctx, root)
		}
		if err != nil {
			return c, err
		}
	}
	w.forget(c)
	w.tree.partial = c.omitted > 0
	if !w.tree.learned {
		w.tree.learned, w.tree.since = true, w.now()
	}
	return c, c.failure(missing)
}

// forget drops what is not there any more.
func (w *watch) forget(c *check) {
	all := w.tree.below("/")
	c.vanished(all)
	for _, at := range all {
		f := w.tree.folders[at]
		if f == nil || slices.Contains(w.roots, f.root) || w.awaited(f.root) {
			continue
		}
		c.drop(at, f)
	}
}

// awaited reports whether a root is one of paths that are not there at all: what
// was known of it is kept, for it is more likely not mounted than removed.
func (w *watch) awaited(root string) bool {
	for _, p := range w.paths {
		if ok, _ := filepath.Match(p, root); !ok && p != root {
			continue
		}
		if !slices.ContainsFunc(w.roots, func(r string) bool { ok, _ := filepath.Match(p, r); return ok || r == p }) {
			return true
		}
	}
	return false
}

// some looks at these folders again, and at those in them that are new.
func (w *watch) some(ctx context.Context, folders []string) (*check, error) {
	if w.c.FollowSymlinks { // then whether a folder is to be looked at depends on all others
		return w.everything(ctx)
	}
	c := w.newCheck()
	slices.Sort(folders)
	for _, at := range folders {
		f := w.tree.folders[at]
		if f == nil || c.visited[at] {
			continue
		}
		var err error
		if f.isFolder() {
			err = c.walk(ctx, f.root, relative(f.root, at), false)
		} else {
			err = c.single(ctx, at)
		}
		if err != nil {
			return c, err
		}
	}
	c.vanished(w.tree.below("/"))
	return c, nil
}

// failure says what could not be looked at, and what to do.
func (c *check) failure(missing error) error {
	errs := []error{missing}
	if c.omitted > 0 {
		errs = append(errs, fmt.Errorf("there are more than %d files, and %d or more are left out; exclude some, or raise max_files", c.w.c.MaxFiles, c.omitted))
	}
	return errors.Join(errs...)
}
