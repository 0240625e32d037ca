package fluentd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/spool"
)

// open makes servers and lanes, and finds what was left for servers that are not
// configured any more.
func (o *Output) open(stateDir string) error {
	for _, s := range o.c.servers() {
		made, err := newServer(&o.c, s, o.log)
		if err != nil {
			return err
		}
		o.servers = append(o.servers, made)
	}
	root := filepath.Join(stateDir, "spool")
	used := map[string]bool{}
	for _, s := range o.servers {
		if s.Standby {
			continue
		}
		folder := o.c.Name
		if len(o.lanes) > 0 {
			folder = folderFor(o.c.Name, s.Address)
		}
		used[folder] = true
		l, err := o.newLane(filepath.Join(root, folder), s)
		if err != nil {
			return err
		}
		o.lanes = append(o.lanes, l)
	}
	return o.findStrays(root, used)
}

// folderFor is the folder of the spool for a server that is not the first one.
func folderFor(name, address string) string {
	return fmt.Sprintf("%s@%016x", name, xxhash.Sum64String(address))
}

var hashForm = conf.NewForm(`^[0-9a-f]{16}$`)

func (o *Output) findStrays(root string, used map[string]bool) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		hash, ours := strings.CutPrefix(e.Name(), o.c.Name+"@")
		if !ours || !hashForm.MatchString(hash) || !e.IsDir() || used[e.Name()] {
			continue
		}
		l, err := o.newLane(filepath.Join(root, e.Name()), nil)
		if err != nil {
			return err
		}
		o.strays = append(o.strays, l)
		if n := l.spool.Frames(); n > 0 {
			o.log.Info("chunks are left for a server that is not configured any more; they go to the others", "chunks", n, "dir", l.dir)
		}
	}
	return nil
}

// newLane opens the spool in dir. own is nil for one that is only to be emptied.
func (o *Output) newLane(dir string, own *server) (*lane, error) {
	l := &lane{o: o, c: &o.c, dir: dir, log: o.log, stray: own == nil, rules: map[*agent.Rule][]byte{}}
	key, active := filepath.Base(dir), o.c.active()
	if own != nil {
		key = own.Address
	}
	l.links = linksFor(o.servers, own, key, time.Duration(o.c.AckTimeout))
	if active > 1 && own != nil {
		l.log = l.log.With("server", own.Address)
	}
	size := int64(o.c.Spool.MaxSize) / int64(active)
	if active > 1 || own == nil {
		there, err := bytesIn(dir)
		if err != nil {
			return nil, fmt.Errorf("open spool: %w", err)
		}
		// Nothing is dropped only because its share is smaller now, and nobody is
		// told that a stray is nearly full.
		if size = max(size, there); own == nil {
			size = max(size, 2*there)
		}
	}
	var err error
	l.spool, err = spool.Open(dir, spool.Options{
		MaxBytes: size,
		Block:    o.c.Spool.WhenFull == block,
		OnDrop:   o.losses.add,
		Log:      l.log,
		Labels:   []agent.Label{{Name: "output", Value: o.c.Name}},
	})
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	// What is in the spool is safe, also where the ledger did not get to know.
	l.spool.Positions(o.consumer.Safe)
	l.q = newQueue(o.consumer, l.spool, limitsFor(&o.c))
	return l, nil
}

// bytesIn is what the files in dir take.
func bytesIn(dir string) (n int64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		n += info.Size()
	}
	return n, err
}

// remove removes the spool of a stray that is empty. What somebody should look
// at stays: segments that could not be read.
func (l *lane) remove() {
	err := l.spool.Close()
	l.removed.Store(true)
	entries, lerr := os.ReadDir(l.dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".bad") {
			return
		}
	}
	if err = errors.Join(err, lerr); err == nil {
		err = os.RemoveAll(l.dir)
	}
	if err != nil {
		l.log.Warn("the spool for a server that is not configured any more is empty and cannot be removed; remove it", "dir", l.dir, "error", err)
		return
	}
	l.log.Info("the spool for a server that is not configured any more is empty and was removed", "dir", l.dir)
}
