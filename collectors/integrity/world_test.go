package integrity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func (w *world) command(word, rest string) error {
	a, b, _ := strings.Cut(rest, " ")
	a, b = unquote(a), unquote(b)
	switch word {
	case "walk":
		return w.walk()
	case "some":
		folders := strings.Fields(rest)
		for i := range folders {
			folders[i] = w.path(folders[i])
		}
		c, err := w.w.some(w.Context(), folders)
		w.add(c)
		return err
	case "rehash":
		return w.rehash()
	case "restart", "restart_torn", "config":
		return w.restart(word, rest)
	case "user":
		uid, err := strconv.Atoi(a)
		if err != nil {
			return err
		}
		return as(uid, func() error { return errors.Join(w.walk(), w.rehash()) })
	case "now":
		w.later = 0
	case "fails":
		if w.failure == nil != (rest == "") || rest != "" && !strings.Contains(w.failure.Error(), rest) {
			return fmt.Errorf("it said %v", w.failure)
		}
	case "counts":
		t := w.w.tally()
		got := fmt.Sprintf("files=%d writable=%d open=%d setuid=%d unread=%d unhashed=%d", t.files, t.writable, t.open, t.setuid, t.unread, t.unhashed)
		for _, want := range strings.Fields(rest) {
			if !strings.Contains(got+" ", want+" ") {
				return errors.New(got)
			}
		}
	default:
		return w.file(word, a, b)
	}
	return nil
}

func (w *world) restart(how, rest string) error {
	if err := w.w.save(w.state, nil); err != nil {
		return err
	}
	c := w.w.c
	switch how {
	case "config":
		var err error
		if c, err = item(w, strings.ReplaceAll(rest, `\n`, "\n"), w.dir); err != nil {
			return err
		}
	case "restart_torn":
		data, err := os.ReadFile(w.state)
		w.must(err)
		w.must(os.WriteFile(w.state, data[:len(data)-40], 0o600))
		if err := w.begin(c); err == nil || !strings.Contains(err.Error(), ".damaged") {
			return fmt.Errorf("a torn baseline is taken: %v", err)
		}
		_, err = os.Stat(w.state + ".damaged")
		return err
	}
	return w.begin(c)
}

// file are the commands that change files.
func (w *world) file(word, a, b string) error {
	switch word {
	case "write":
		w.write(a, b)
		return nil
	case "append":
		data, err := os.ReadFile(w.path(a))
		w.must(err)
		w.write(a, string(data)+b)
		return nil
	case "mkdir":
		return os.MkdirAll(w.path(a), 0o755)
	case "rm":
		return os.RemoveAll(w.path(a))
	case "mv":
		return os.Rename(w.path(a), w.path(b))
	case "ln":
		return os.Symlink(strings.ReplaceAll(a, "D/", w.dir+"/"), w.path(b))
	case "fifo":
		return unix.Mkfifo(w.path(a), 0o644)
	case "touch":
		past := time.Now().Add(-time.Hour)
		return os.Chtimes(w.path(a), past, past)
	case "chmod":
		mode, err := strconv.ParseUint(a, 8, 32)
		if err != nil {
			return err
		}
		return unix.Chmod(w.path(b), uint32(mode))
	case "chown":
		uid, err := strconv.Atoi(a)
		if err != nil {
			return err
		}
		return os.Chown(w.path(b), uid, -1)
	case "forge":
		return w.forge(a, b)
	case "racing":
		pace, path := w.w.reader.pace, w.path(a)
		pace.rate, pace.sleep = 1, func(ctx context.Context, _ time.Duration) error {
			pace.rate, pace.sleep = 1e12, func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
			return os.WriteFile(path, []byte(b), 0o644)
		}
		return nil
	}
	return fmt.Errorf("there is no command %s", word)
}

// forge gives the file another content, and makes the watch believe that its
// times were always so.
func (w *world) forge(name, text string) error {
	w.write(name, text)
	path := w.path(name)
	f := w.w.tree.folders[filepath.Dir(path)].find(filepath.Base(path))
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err
	}
	f.meta = metaOf(&st)
	return nil
}
