package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// keepBad is how many segments that nobody could read are kept for a person to
// look at.
const keepBad = 4

// Open opens the spool in dir, and makes it where there is none. Only one may
// be open at a time. It reads the headers of all frames and the last segment;
// payloads are checked when Next reads them. What a torn write left is cut off,
// what is damaged is left out, and both are said.
func Open(dir string, o Options) (*Spool, error) {
	o = o.withDefaults()
	s := &Spool{
		dir:      dir,
		o:        o,
		log:      o.Log,
		commit:   commit{fs: o.FS, path: filepath.Join(dir, commitName)},
		acked:    acked{fs: o.FS, path: filepath.Join(dir, ackedName)},
		full:     agent.NewTrouble(o.Log),
		corrupt:  agent.NewTrouble(o.Log),
		removing: agent.NewTrouble(o.Log),
		writing:  agent.NewTrouble(o.Log),
		ahead:    map[uint64]struct{}{},
		counts:   counts{records: map[Reason]uint64{}, frames: map[Reason]uint64{}},
	}
	if err := s.load(); err != nil {
		s.commit.close()
		s.acked.close()
		for _, g := range s.segs {
			g.close()
		}
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s.level()
	return s, nil
}

func (s *Spool) load() error {
	if err := s.o.FS.MkdirAll(s.dir); err != nil {
		return err
	}
	warn, err := s.commit.load()
	if err != nil {
		return err
	}
	if warn {
		s.log.Warn("what was acknowledged of the spool is not known any more: it is sent again from its start", "file", s.commit.path)
	}
	s.done = max(1, s.commit.seq)
	if err := s.loadSegments(); err != nil {
		return err
	}
	lost := 0
	end := uint64(1)
	for i, g := range s.segs {
		limit := uint64(math.MaxUint64)
		if last := i == len(s.segs)-1; !last {
			limit = s.segs[i+1].first
		}
		n, err := s.scan(g, limit)
		if err != nil {
			return fmt.Errorf("%w; move the file away to go on without it", err)
		}
		lost += n
		s.bytes += g.size
		end = max(end, g.end())
	}
	s.next = max(end, s.done)
	s.loadAcked()
	s.advance()
	s.cursor = s.done
	if lost > 0 {
		s.counts.frames[Corrupt] += uint64(lost)
		s.report([]Drop{{Frames: lost, Reason: Corrupt}}, errDamaged)
	}
	return nil
}

var segmentName = regexp.MustCompile(`^\d{20}(\.cut)?\.seg(\.bad)?$`)

// loadSegments lists the segments and reads their headers.
func (s *Spool) loadSegments() error {
	entries, err := s.o.FS.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var names, bad []string
	for _, e := range entries {
		switch {
		case !e.Type().IsRegular() || !segmentName.MatchString(e.Name()):
		case strings.HasSuffix(e.Name(), ".bad"):
			bad = append(bad, e.Name())
		default:
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	for _, name := range names {
		aside, err := s.loadSegment(name)
		if err != nil {
			return err
		}
		if aside {
			bad = append(bad, name+".bad")
		}
	}
	slices.Sort(bad)
	for _, name := range bad[:max(0, len(bad)-keepBad)] {
		s.o.FS.Remove(filepath.Join(s.dir, name)) // tried again at the next start
	}
	return nil
}

// loadSegment adds one segment to the list, or puts it aside.
func (s *Spool) loadSegment(name string) (aside bool, err error) {
	path := filepath.Join(s.dir, name)
	f, err := s.o.FS.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if info.Size() < segmentHeader { // its first Append never came to an end
		if err := s.o.FS.Remove(path); err != nil {
			return false, err
		}
		return false, nil
	}
	var b [segmentHeader]byte
	if err := readFull(f, b[:], 0); err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	g := &segment{path: path, size: info.Size(), cut: strings.HasSuffix(name, ".cut.seg")}
	if g.first, g.seed, err = parseSegmentHeader(b[:]); err == nil {
		if named, nerr := strconv.ParseUint(name[:20], 10, 64); nerr != nil || named != g.first {
			err = errors.New("renamed")
		}
	}
	if err == nil {
		s.segs = append(s.segs, g)
		return false, nil
	}
	if rerr := s.o.FS.Rename(path, path+".bad"); rerr != nil {
		return false, rerr
	}
	s.log.Warn("a part of the spool cannot be read and is put aside", "file", path+".bad", "bytes", info.Size(), "error", err)
	return true, nil
}

// A scan is the walk from frame to frame through one segment.
type scan struct {
	s      *Spool
	g      *segment
	w      window
	limit  uint64 // what has this seq or more is of an Append that failed
	verify bool   // frames may be missing that were never synced
	sound  bool   // nothing is damaged so far
	expect uint64 // the least seq that the next frame may have
	end    int64  // of the last frame
	lost   int    // frames that were not done and are not there
}

// scan finds the frames of g. The last segment, which has no limit, is cut
// where a write was torn, and made the active one where all of it is good.
func (s *Spool) scan(g *segment, limit uint64) (lost int, err error) {
	last := limit == math.MaxUint64
	flag := os.O_RDONLY
	if last {
		flag = os.O_RDWR
	}
	f, err := s.o.FS.OpenFile(g.path, flag, 0)
	if err != nil {
		return 0, err
	}
	sc := scan{
		s: s, g: g, w: window{f: f, size: g.size}, limit: limit,
		verify: last || g.cut, sound: true, expect: g.first, end: segmentHeader,
	}
	if err = sc.run(); err == nil && last {
		err = sc.finish(f)
	}
	if s.active != g {
		f.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", g.path, err)
	}
	if !last {
		sc.miss(limit)
	}
	return sc.lost, nil
}

// finish takes care of the end of the last segment. A process that was killed
// may have left frames in it that are not on the disk yet; from here on they
// are counted on.
func (sc *scan) finish(f File) error {
	s, g := sc.s, sc.g
	if !sc.sound && !g.cut {
		path := cutPath(s.dir, g.first)
		if err := s.o.FS.Rename(g.path, path); err != nil {
			return err
		}
		g.path, g.cut = path, true
	}
	clean := sc.sound
	if torn := g.size - sc.end; torn > 0 {
		s.log.Warn("the last write to the spool was not finished and is taken back", "file", g.path, "bytes", torn)
		if err := f.Truncate(sc.end); err != nil {
			clean = false // what stays is ignored
		} else {
			g.size = sc.end
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := s.o.FS.SyncDir(s.dir); err != nil {
		return err
	}
	if clean && g.size < s.o.SegmentBytes {
		g.file, s.active = f, g
	}
	return nil
}

func (sc *scan) run() error {
	for off := int64(segmentHeader); off < sc.w.size; {
		h, err := sc.w.header(off, sc.g.seed)
		if err != nil && !errors.Is(err, errDamaged) {
			return err
		}
		if err != nil || !sc.inOrder(h) {
			if off, err = sc.w.find(off+1, sc.g.seed, sc.inOrder); err != nil {
				return err
			}
			sc.sound = sc.sound && off == sc.w.size // or else the end is torn
			continue
		}
		if h.seq >= sc.limit || off+h.size() > sc.w.size {
			return nil
		}
		if err := sc.frame(off, h); err != nil {
			return err
		}
		off += h.size()
		sc.end = off
	}
	return nil
}

// inOrder reports whether a frame with this header may come next.
func (sc *scan) inOrder(h header) bool {
	return h.seq >= sc.expect && h.seq-sc.g.first <= math.MaxUint32 && h.seq < math.MaxUint64
}

// frame takes one frame into the segment.
func (sc *scan) frame(off int64, h header) error {
	sc.miss(h.seq)
	sc.expect = h.seq + 1
	ranges, err := sc.w.ranges(off, h, func(b []byte) string { return string(b) })
	if err != nil && !errors.Is(err, errDamaged) {
		return err
	}
	if sc.verify && sc.sound {
		if sc.sound, err = sc.w.payloadSound(off, h); err != nil && !errors.Is(err, errDamaged) {
			return err
		}
	}
	if sc.verify && !sc.sound {
		// What was damaged may never have been safe. Its records are read
		// again, unless a frame behind it says that they are covered.
		for i := range ranges {
			ranges[i].To = agent.Position{}
		}
	}
	sc.g.refs = append(sc.g.refs, ref{off: off, size: uint32(h.size()), seq: uint32(h.seq - sc.g.first)})
	sc.g.add(int(h.records), ranges)
	return nil
}

// miss counts the frames below seq that should have come, and were not done.
func (sc *scan) miss(seq uint64) {
	if from := max(sc.expect, sc.s.done); seq > from {
		sc.lost += int(min(seq-from, math.MaxInt32))
	}
}
