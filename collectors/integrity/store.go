package integrity

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// A savedFinding is a finding in the head of a baseline. Paths are base64, for
// they may be any bytes.
type savedFinding struct {
	At   time.Time   `json:"at"`
	Path string      `json:"path"`
	Kind string      `json:"kind"`
	Old  *savedState `json:"old,omitempty"`
	New  *savedState `json:"new,omitempty"`
}

type savedState struct {
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"`
	Ctime int64  `json:"ctime"`
	Inode uint64 `json:"inode"`
	Mode  uint32 `json:"mode"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Hash  string `json:"sha256,omitempty"`
}

func encodePath(p string) string { return base64.StdEncoding.EncodeToString([]byte(p)) }

func decodePath(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err
}

func saveFinding(f finding) savedFinding {
	return savedFinding{At: f.at, Path: encodePath(f.path), Kind: f.kind.String(), Old: saveState(f.old), New: saveState(f.new)}
}

func saveState(s *state) *savedState {
	if s == nil {
		return nil
	}
	o := &savedState{s.size, s.mtime, s.ctime, s.inode, s.mode, s.uid, s.gid, ""}
	if s.hash != nil {
		o.Hash = hex.EncodeToString(s.hash[:])
	}
	return o
}

// loadFinding reports whether it is one.
func loadFinding(s savedFinding) (f finding, ok bool) {
	path, err := decodePath(s.Path)
	k, known := kindNamed(s.Kind)
	return finding{at: s.At, path: path, kind: k, old: loadState(s.Old), new: loadState(s.New)}, err == nil && known && path != ""
}

func loadState(s *savedState) *state {
	if s == nil {
		return nil
	}
	o := &state{meta: meta{s.Size, s.Mtime, s.Ctime, s.Inode, s.Mode, s.UID, s.GID}}
	if b, err := hex.DecodeString(s.Hash); err == nil && len(b) == len(hash{}) {
		h := hash(b)
		o.hash = &h
	}
	return o
}

// save replaces the baseline: whatever happens, there is the old one or the new
// one.
func (w *watch) save(path string, findings []finding) error {
	h := head{Cursor: encodePath(w.cursor), Selected: w.selected()}
	for _, f := range findings {
		h.Findings = append(h.Findings, saveFinding(f))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err = writeBaseline(f, h, w.tree); err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = agent.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

// load reads the baseline. Where it is damaged it is put aside: the error says so,
// and what is on the disk is learned anew.
func (w *watch) load(path string) (findings []finding, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, t, err := readBaseline(f, mostFiles)
	if err == nil {
		w.cursor, err = decodePath(h.Cursor)
	}
	if err != nil {
		aside := path + ".damaged"
		return nil, errors.Join(fmt.Errorf("%s: %w; it is kept as %s", path, err, aside), os.Rename(path, aside))
	}
	w.tree = t
	if h.Selected != w.selected() {
		w.tree.learned = false
	}
	for _, s := range h.Findings[:min(len(h.Findings), maxFindings)] {
		if f, ok := loadFinding(s); ok {
			findings = append(findings, f)
		}
	}
	return findings, nil
}
