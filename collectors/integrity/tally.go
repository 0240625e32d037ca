package integrity

// A tally is what is counted of a tree.
type tally struct {
	files    int
	writable int // files that everybody may write
	open     int // folders likewise
	setuid   int // files that run as another user or group
	unread   int
	unhashed int // that are to be hashed still

	loose     []seriesKey // of those, so many of a kind as are told
	looseLeft map[kind]int
	unreadAt  string
}

func (w *watch) tally() *tally {
	t := &tally{files: w.tree.files, looseLeft: map[kind]int{}}
	for _, at := range w.tree.below("/") {
		f := w.tree.folders[at]
		if f.flags&mayLoose == 0 && f.isFolder() {
			t.open++
			t.note(at, kindWorldWritable)
		}
		for i := range f.files {
			t.file(w, at, &f.files[i])
		}
	}
	return t
}

func (t *tally) file(w *watch, at string, f *file) {
	if f.flags&unread != 0 {
		if t.unread++; t.unread == 1 {
			t.unreadAt = join(at, f.name)
		}
	}
	if w.hashes(f) && f.flags&(hashed|unread) == 0 {
		t.unhashed++
	}
	if f.flags&mayLoose != 0 {
		return
	}
	if f.loose()&worldWritable != 0 {
		t.writable++
		t.note(join(at, f.name), kindWorldWritable)
	}
	if f.loose()&setIDs != 0 {
		t.setuid++
		t.note(join(at, f.name), kindSetuid)
	}
}

func (t *tally) note(path string, k kind) {
	if t.looseLeft[k]++; t.looseLeft[k] <= maxFindings {
		t.loose = append(t.loose, seriesKey{path, k})
	}
}
