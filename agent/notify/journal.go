package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

const (
	journalSegment = 1 << 20
	journalMin     = 4 << 20 // bytes up to which the journal is left as it is
	journalFactor  = 4       // of what is live in it, likewise
	rewritten      = 64      // frames that are appended at once when it is written anew
	listed         = 5000    // groups, marks, cools and folds in one frame
	readTries      = 5
)

// A frame is one payload of the journal: the state of some items. The newest
// state of an item is the one that counts.
type frame struct {
	Alert  *savedAlert  `json:"alert,omitempty"`
	Groups []savedGroup `json:"groups,omitempty"`
	Told   []mark       `json:"told,omitempty"`
	Cools  []cool       `json:"cools,omitempty"`
	Folds  []fold       `json:"folds,omitempty"`
	Spent  *spent       `json:"spent,omitempty"`
}

// savedAlert is an entry.
type savedAlert struct {
	Alert    agent.Alert   `json:"alert"`
	Value    string        `json:"value,omitempty"` // where JSON has no such number
	Key      string        `json:"key"`             // of the group
	Group    []agent.Label `json:"group,omitempty"`
	Incident string        `json:"incident"`
	Since    stamp         `json:"since"`
	Over     stamp         `json:"over,omitzero"`
	Other    bool          `json:"other,omitempty"`
	Base     uint64        `json:"base,omitempty"`
}

// savedGroup is what was told of a group. One that is closed has no more to
// tell of this incident.
type savedGroup struct {
	Key      string `json:"key"`
	Incident string `json:"incident"`
	Told     int    `json:"told,omitempty"`
	At       stamp  `json:"at,omitzero"`
	Closed   bool   `json:"closed,omitempty"`
}

func saveAlert(e *entry, key string, labels []agent.Label) *savedAlert {
	s := &savedAlert{
		Alert: e.alert, Key: key, Group: labels, Incident: e.incident, Since: e.since, Over: e.over,
		Other: e.other, Base: e.base,
	}
	if v := s.Alert.Value; math.IsNaN(v) || math.IsInf(v, 0) {
		s.Value, s.Alert.Value = strconv.FormatFloat(v, 'g', -1, 64), 0
	}
	return s
}

func (s *savedAlert) entry(opened time.Time) *entry {
	if v, err := strconv.ParseFloat(s.Value, 64); err == nil {
		s.Alert.Value = v
	}
	s.Since.restore(opened)
	s.Over.restore(opened)
	e := &entry{
		alert: s.Alert, incident: s.Incident, key: cooldownKey(&s.Alert), since: s.Since, over: s.Over,
		changed: s.Since.at, other: s.Other, base: s.Base,
	}
	if e.other {
		e.alert.Count = e.base
	}
	return e
}

// items names what the frame has the state of.
func (f *frame) items() []string {
	var names []string
	if f.Alert != nil {
		names = append(names, alertItem(f.Alert.Alert.ID))
	}
	for _, g := range f.Groups {
		if !g.Closed {
			names = append(names, groupItem(g.Key))
		}
	}
	for _, m := range f.Told {
		names = append(names, markItem(m.ID))
	}
	for _, c := range f.Cools {
		names = append(names, coolItem(c.Key))
	}
	for _, f := range f.Folds {
		names = append(names, foldItem(f.ID))
	}
	if f.Spent != nil {
		names = append(names, spentItem)
	}
	return names
}

// A journal is the spool with frames, of which those are kept that have the
// newest state of some item. What is read at the start is always the end of
// all that was written.
type journal struct {
	spool *spool.Spool
	items map[string]uint64 // the frame with the item's state
	held  map[uint64]*held
	live  int64 // bytes of held
}

type held struct {
	items int
	bytes int64
}

func openJournal(dir string, o spool.Options) (*journal, error) {
	o.SegmentBytes = journalSegment
	s, err := spool.Open(dir, o)
	if err != nil {
		return nil, err
	}
	return &journal{spool: s, items: map[string]uint64{}, held: map[uint64]*held{}}, nil
}

// replay gives all frames, in their order. A frame that says nothing is passed
// over, and counted.
func (j *journal) replay(each func(*frame)) (unread int, err error) {
	var buf []byte
	for failed := 0; ; {
		f, ok, err := j.spool.Next(buf)
		switch {
		case err != nil:
			if failed++; failed == readTries {
				return unread, fmt.Errorf("read journal: %w", err)
			}
			continue
		case !ok:
			return unread, nil
		}
		failed, buf = 0, f.Payload
		var content frame
		if err := json.Unmarshal(f.Payload, &content); err != nil {
			unread++
			j.spool.Done(f.Seq)
			continue
		}
		j.hold(f.Seq, int64(len(f.Payload)), content.items())
		each(&content)
	}
}

// append puts the frames on the disk, all or none.
func (j *journal) append(frames []*frame) error {
	payloads, err := encode(frames)
	if err != nil || len(frames) == 0 {
		return err
	}
	first, err := j.spool.Append(payloads)
	if errors.Is(err, spool.ErrClosed) {
		return fmt.Errorf("write journal: %w", err)
	}
	if err != nil {
		return &unwritableError{err}
	}
	for i, f := range frames {
		j.hold(first+uint64(i), int64(len(payloads[i].Payload)), f.items())
	}
	return nil
}

// An unwritableError is the disk's, and may pass.
type unwritableError struct{ err error }

func (e *unwritableError) Error() string { return "write journal: " + e.err.Error() }
func (e *unwritableError) Unwrap() error { return e.err }

func unwritable(err error) bool {
	var u *unwritableError
	return errors.As(err, &u)
}

func encode(frames []*frame) ([]spool.Frame, error) {
	list := make([]spool.Frame, len(frames))
	for i, f := range frames {
		b, err := json.Marshal(f)
		if err != nil {
			return nil, fmt.Errorf("write journal: %w", err)
		}
		list[i] = spool.Frame{Payload: b, Records: 1}
	}
	return list, nil
}

// rewrite appends frames in parts, each of which is good by itself: a failure or
// a kill in between loses nothing.
func (j *journal) rewrite(frames []*frame) error {
	for part := range slices.Chunk(frames, rewritten) {
		if err := j.append(part); err != nil {
			return err
		}
	}
	return nil
}

// hold notes which items the frame has. Others have them no more.
func (j *journal) hold(seq uint64, bytes int64, items []string) {
	h := &held{bytes: bytes}
	j.held[seq] = h
	j.live += bytes
	h.items++ // until all are noted
	for _, name := range items {
		if j.items[name] == seq {
			continue
		}
		j.drop(name)
		j.items[name] = seq
		h.items++
	}
	j.release(seq)
}

// drop says that nothing of the item is needed any more.
func (j *journal) drop(item string) {
	if seq, ok := j.items[item]; ok {
		delete(j.items, item)
		j.release(seq)
	}
}

func (j *journal) release(seq uint64) {
	h := j.held[seq]
	if h.items--; h.items > 0 {
		return
	}
	delete(j.held, seq)
	j.live -= h.bytes
	j.spool.Done(seq)
}

// bloated reports whether most of the journal is of no use any more.
func (j *journal) bloated() bool {
	return j.spool.Bytes() > max(journalMin, journalFactor*j.live)
}
