package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"time"
)

const (
	ledgerName    = "positions.jsonl"
	ledgerSync    = time.Second
	ledgerTouch   = 10 * time.Second   // how exactly the time of a kill is known
	ledgerCompact = 1 << 20            // bytes appended before the file is written anew
	ledgerForget  = 7 * 24 * time.Hour // for sources that nobody opens any more
	maxMeanwhile  = 8 << 20            // bytes of lines that move while one snapshot is written
	ledgerSettle  = time.Hour          // until sources are open, and the clock is right
)

var errMeanwhile = errors.New("writing them takes too long")

// A Ledger keeps, for each durable consumer and source, how far the source is
// safe with that consumer.
//
// It is a file of JSON lines to which each move of a position is appended at
// once: a killed process repeats nothing that it knew to be safe. Once a second
// the file is synced, for the machine's sake; when it has grown it is replaced
// by a snapshot of itself, atomically. While the file cannot be written the
// positions are kept in memory and a snapshot is tried every second.
type Ledger struct {
	path    string
	log     *slog.Logger
	trouble *Trouble
	away    time.Duration // since an agent had it; negative: none has
	opened  time.Time

	mu        sync.Mutex
	consumers map[string]*Consumer
	stored    map[string]map[string]entry // what the file had of consumers that nobody asked for yet
	file      *os.File
	appended  int64
	dirty     bool   // written and not synced
	meanwhile []byte // lines that moved while a snapshot is written; nil: none is
	broken    bool   // the file lacks something, or has a torn line
	failures  uint64
	line      []byte // scratch
}

// An entry is one line of the ledger.
type entry struct {
	Consumer string `json:"c"`
	Source   string `json:"s"`
	Epoch    uint64 `json:"e"`
	Offset   int64  `json:"o"`
	Head     uint64 `json:"h"`
	Len      uint32 `json:"n"`
	Inode    uint64 `json:"i"`
	Near     uint64 `json:"b,omitempty"`
	Last     int64  `json:"r,omitempty"` // time of the last record, ns
	Time     int64  `json:"t"`           // unix seconds
	Gone     bool   `json:"x,omitempty"` // the source was forgotten
}

func (e *entry) position() Position {
	return Position{Epoch: e.Epoch, Offset: e.Offset, File: FileID{Head: e.Head, Len: e.Len, Inode: e.Inode}, Near: e.Near, Time: e.Last}
}

// OpenLedger reads the ledger in dir, which must exist, or starts a new one. A
// ledger that can be read and, for now, not written (a full disk) is no error.
func OpenLedger(dir string, log *slog.Logger) (*Ledger, error) {
	l := NewLedger(log)
	l.path = filepath.Join(dir, ledgerName)
	if info, err := os.Stat(l.path); err == nil {
		l.away = max(0, time.Since(info.ModTime()))
	}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	if err := l.snapshot(); err != nil {
		if errors.Is(err, fs.ErrPermission) || isReadOnly(err) {
			return nil, fmt.Errorf("write positions: %w", err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.fail(err)
	}
	return l, nil
}

// NewLedger starts one that is in memory only.
func NewLedger(log *slog.Logger) *Ledger {
	return &Ledger{
		log: log, trouble: NewTrouble(log), away: -1, opened: time.Now(),
		consumers: map[string]*Consumer{}, stored: map[string]map[string]entry{},
	}
}

func (l *Ledger) load() error {
	f, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			var e entry
			if jerr := json.Unmarshal(line, &e); jerr != nil || e.Consumer == "" || e.Source == "" {
				l.log.Warn("a line of the positions file is not readable and is left out", "file", l.path, "line", n)
			} else {
				l.restore(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (l *Ledger) restore(e entry) {
	m := l.stored[e.Consumer]
	if m == nil {
		m = map[string]entry{}
		l.stored[e.Consumer] = m
	}
	if e.Gone {
		delete(m, e.Source)
		return
	}
	m[e.Source] = e
}

// Consumer returns the consumer of that name; a new one starts with no
// positions.
func (l *Ledger) Consumer(name string) *Consumer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.consumers[name]; c != nil {
		return c
	}
	c := &Consumer{ledger: l, name: name, places: map[string]*place{}}
	for id, e := range l.stored[name] {
		p := c.place(id)
		p.safe, p.taken, p.seen = e.position(), e.position(), e.Time
	}
	delete(l.stored, name)
	l.consumers[name] = c
	return c
}

// Detached returns a consumer that keeps its positions itself: saved is what it
// kept. In all else it is like the others.
func (l *Ledger) Detached(name string, saved []Saved) *Consumer {
	c := l.Consumer(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	c.detached = true
	clear(c.places)
	for _, s := range saved {
		p := c.place(s.Source)
		p.safe, p.taken, p.seen = s.Position, s.Position, s.Seen
	}
	return c
}

// Forget drops all positions of the source: it will not come back.
func (l *Ledger) Forget(source string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, m := range l.stored {
		if _, ok := m[source]; ok {
			delete(m, source)
			l.append(quotedKey(name, source), entry{Gone: true})
		}
	}
	for _, c := range l.consumers {
		if p := c.places[source]; p != nil {
			delete(c.places, source)
			if !c.detached {
				l.append(p.key, entry{Gone: true})
			}
		}
	}
}

// drop forgets the consumer: there is no such output any more.
func (l *Ledger) drop(c *Consumer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.consumers, c.name)
	for _, p := range c.places {
		l.append(p.key, entry{Gone: true})
	}
	clear(c.places)
}

// Run keeps the file on the disk in step until ctx is done.
func (l *Ledger) Run(ctx context.Context) error {
	t := time.NewTicker(ledgerSync)
	defer t.Stop()
	touched := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-t.C:
			l.Sync()
			if now.Sub(touched) >= ledgerTouch {
				touched = now
				l.touch()
			}
		}
	}
}

// touch notes in the file's time that the agent lives: a ledger in which nothing
// moves is not written.
func (l *Ledger) touch() {
	now := time.Now()
	os.Chtimes(l.path, now, now) // it says how long the agent was away, no more
}

// Away is for how long no agent had the ledger before this one, within 10 s where
// that was killed. ok is false when this is the first one.
func (l *Ledger) Away() (d time.Duration, ok bool) { return l.away, l.away >= 0 }

// Sync brings what was written to the disk.
func (l *Ledger) Sync() {
	l.mu.Lock()
	due := l.broken || l.appended > ledgerCompact
	l.mu.Unlock()
	var err error
	if due {
		err = l.snapshot()
	}
	l.mu.Lock()
	if err != nil {
		l.fail(err)
	} else if due && !l.broken {
		l.trouble.Clear("positions are written again", "file", l.path)
	}
	f, dirty := l.file, l.dirty
	l.dirty = false
	l.mu.Unlock()
	if !dirty || f == nil {
		return
	}
	if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		l.mu.Lock()
		l.fail(err)
		l.mu.Unlock()
	}
}

// Close writes a last snapshot.
func (l *Ledger) Close() error {
	err := l.snapshot()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.touch()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
	if err != nil {
		return fmt.Errorf("write positions: %w", err)
	}
	return nil
}

// append writes one line. The caller holds mu.
func (l *Ledger) append(key []byte, e entry) {
	if l.meanwhile == nil && (l.broken || l.file == nil) {
		return
	}
	l.line = appendEntry(append(l.line[:0], key...), e)
	if l.meanwhile != nil && len(l.meanwhile) <= maxMeanwhile {
		l.meanwhile = append(l.meanwhile, l.line...)
	}
	if l.broken || l.file == nil {
		return
	}
	n, err := l.file.Write(l.line)
	l.appended += int64(n)
	l.dirty = true
	if err != nil {
		l.fail(err)
	}
}

// fail says what is wrong; the next Sync tries a snapshot. The caller holds mu.
func (l *Ledger) fail(err error) {
	l.broken = true
	l.failures++
	l.trouble.Fail(err, "positions cannot be written: after a crash now, what was shipped since would be shipped again; free space in state_dir or make it writable", "file", l.path)
}

// snapshot replaces the file by one with a line for each position. Positions move
// meanwhile: on a busy disk it takes seconds.
func (l *Ledger) snapshot() (err error) {
	if l.path == "" {
		return nil // in memory only
	}
	l.mu.Lock()
	content := l.encode(time.Now())
	l.meanwhile = []byte{}
	l.mu.Unlock()
	tmp := l.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		if _, err = f.Write(content); err == nil {
			err = f.Sync()
		}
	}
	if err = l.replace(tmp, f, err); err != nil {
		if f != nil {
			f.Close()
			os.Remove(tmp)
		}
		return err
	}
	return SyncDir(filepath.Dir(l.path))
}

// replace makes f, which is tmp, the ledger, unless it could not be written.
func (l *Ledger) replace(tmp string, f *os.File, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.meanwhile
	l.meanwhile = nil
	if err != nil {
		return err
	}
	if len(lines) > maxMeanwhile {
		return errMeanwhile
	}
	if _, err := f.Write(lines); err != nil {
		return err
	}
	if err := os.Rename(tmp, l.path); err != nil {
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.appended, l.dirty, l.broken = f, int64(len(lines)), len(lines) > 0, false
	return nil
}

// oldest is the last move of a position that is kept though nobody opens its
// source. At first all are kept: after a long absence, or with a clock that was
// wrong, each is old, and the agent may be killed before it has opened the source.
func (l *Ledger) oldest(now time.Time) int64 {
	if now.Sub(l.opened) < ledgerSettle {
		return math.MinInt64
	}
	return now.Add(-ledgerForget).Unix()
}

func (l *Ledger) encode(now time.Time) []byte {
	oldest := l.oldest(now)
	var lines [][]byte
	add := func(key []byte, p Position, seen int64) {
		lines = append(lines, appendEntry(bytes.Clone(key), positionEntry(p, seen)))
	}
	for name, m := range l.stored {
		for id, e := range m {
			if e.Time >= oldest {
				add(quotedKey(name, id), e.position(), e.Time)
			}
		}
	}
	for _, c := range l.consumers {
		if c.detached {
			continue
		}
		for _, p := range c.places {
			if p.kept(oldest) {
				add(p.key, p.safe, p.seen)
			}
		}
	}
	sort.Slice(lines, func(i, j int) bool { return bytes.Compare(lines[i], lines[j]) < 0 })
	return bytes.Join(lines, nil)
}

func positionEntry(p Position, seen int64) entry {
	return entry{Epoch: p.Epoch, Offset: p.Offset, Head: p.File.Head, Len: p.File.Len, Inode: p.File.Inode, Near: p.Near, Last: p.Time, Time: seen}
}

// quotedKey is the start of a line: everything that never changes in it.
func quotedKey(consumer, source string) []byte {
	c, _ := json.Marshal(consumer)
	s, _ := json.Marshal(source)
	return fmt.Appendf(nil, `{"c":%s,"s":%s`, c, s)
}

func appendEntry(b []byte, e entry) []byte {
	b = strconv.AppendUint(append(b, `,"e":`...), e.Epoch, 10)
	b = strconv.AppendInt(append(b, `,"o":`...), e.Offset, 10)
	b = strconv.AppendUint(append(b, `,"h":`...), e.Head, 10)
	b = strconv.AppendUint(append(b, `,"n":`...), uint64(e.Len), 10)
	b = strconv.AppendUint(append(b, `,"i":`...), e.Inode, 10)
	if e.Near != 0 {
		b = strconv.AppendUint(append(b, `,"b":`...), e.Near, 10)
	}
	if e.Last != 0 {
		b = strconv.AppendInt(append(b, `,"r":`...), e.Last, 10)
	}
	b = strconv.AppendInt(append(b, `,"t":`...), e.Time, 10)
	if e.Gone {
		b = append(b, `,"x":true`...)
	}
	return append(b, "}\n"...)
}

// Meter reports the ledger's own health.
func (l *Ledger) Meter(yield func(Sample)) {
	l.mu.Lock()
	failures := l.failures
	l.mu.Unlock()
	yield(Sample{Name: "logkeel_positions_write_errors_total", Help: "Failed writes of the positions file.", Type: Counter, Value: float64(failures)})
	yield(Unwritten("positions", l.trouble))
}
