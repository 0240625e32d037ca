package docker

import (
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/webgrip/logkeel/agent"
)

// A mark is a place in a log that is read from the engine's API: just after some
// message. The API has no offsets. It can be asked for what is not older than a
// time, in the order in which it was written, so a place is the greatest time
// until there (peak) and how many messages there are since the first one of that
// time (count). Times go back when the clock is set: such messages are counted,
// too, and low is the time from which on one has to ask to get them all.
//
// Each message has a number (key): its time in nanoseconds where that is greater
// than the number before it, and else one more than that. So numbers ascend, they
// are the same whenever the log is read again from a mark, and they are nearly
// those of another reader that began elsewhere.
type mark struct {
	key   int64
	peak  int64
	count uint32
	low   int64
	near  uint64 // hash of the last message
	time  int64  // of the last message
}

// next moves the mark after a message.
func (m *mark) next(at int64, hash uint64) {
	at = max(at, 0)
	switch {
	case at > m.peak || m.count == 0:
		m.peak, m.count, m.low = at, 1, at
	case m.count < math.MaxUint32:
		m.count++
		m.low = min(m.low, at)
	}
	m.key = max(m.key+1, at)
	m.near, m.time = hash, at
}

// position is the mark for the ledger. A log in the API has no files: the members
// of File say what mark says of them.
func (m *mark) position() agent.Position {
	return agent.Position{
		Epoch: 1, Offset: m.key, Near: m.near, Time: m.time,
		File: agent.FileID{Head: uint64(m.peak), Len: m.count, Inode: uint64(m.low)},
	}
}

// markOf is the mark of a position; ok is false for the beginning of the log.
func markOf(p agent.Position) (m mark, ok bool) {
	if p.Offset <= 0 || p.File.Len == 0 {
		return mark{}, false
	}
	m = mark{
		key: p.Offset, near: p.Near, time: p.Time,
		peak: int64(p.File.Head & math.MaxInt64), count: p.File.Len, low: int64(p.File.Inode & math.MaxInt64),
	}
	if m.time == 0 { // the spool does not keep it
		m.time = m.peak
	}
	return m, true
}

// hashOf tells messages apart. It is never 0, which says that nothing is known.
func hashOf(stream agent.Stream, text []byte) uint64 {
	return (xxhash.Sum64(text) ^ uint64(stream)) | 1
}

// A resumption finds the place in a stream of messages from which on they are
// new to somebody, and numbers them.
type resumption struct {
	at    mark   // where the stream stands
	ahead []mark // the other consumers' places, ascending, beyond at
	since int64  // what to ask the engine for, in nanoseconds; 0: for all

	goal    mark // the lowest place, while it is looked for
	how     search
	met     uint32 // messages since the first one of the goal's peak
	skipped bool   // something was passed over
	similar bool   // among it was one like the goal's last message
	lost    bool   // the place is not in the log any more: lines may be missing

	// Another consumer stands just after the last message, or before it, at one that
	// is gone. Nothing was open there, and what it had must not be joined again.
	stands, jumped bool
}

// A search is how a resumption looks for its place.
type search uint8

const (
	found     search = iota // it does not, any more
	byCount                 // the message of that time and count
	byContent               // the message of that time and text: those before it are gone
	byTime                  // none: all that is not older is read, though it may have been read before
)

// slack is how much more is asked for than should be needed: engines such as
// 20.10 leave out what is older also where it was written later, for the clock
// was set back a little.
const slack = int64(2e9)

// resume begins at the lowest of the positions, which ascend. now is the time in
// nanoseconds.
func resume(positions []agent.Position, now int64) *resumption {
	r := &resumption{}
	for i, p := range positions {
		m, ok := markOf(p)
		switch {
		case !ok:
			continue
		case i == 0:
			r.goal, r.how = m, byCount
		default:
			r.ahead = append(r.ahead, m)
		}
		if low := max(m.low-slack, 0); i == 0 || low < r.since {
			r.since = low
		}
		if now < m.peak-slack { // the clock was set back, nobody knows how far
			r.since = 0
		}
	}
	if r.how == found {
		r.since = 0
	} else {
		r.at = r.goal
	}
	return r
}

// errAgain is what a resumption says where the log has to be read once more.
type errAgain struct{ how search }

func (errAgain) Error() string { return "the place in the log has to be looked for again" }

// take looks at the next message. fresh says that it is new to somebody; at then
// is the place after it.
func (r *resumption) take(at int64, hash uint64) (fresh bool, err error) {
	at = max(at, 0)
	switch r.how {
	case byCount:
		if done, err := r.count(at, hash); !done || err != nil {
			return false, err
		}
	case byContent:
		r.skipped = true
		if at == r.goal.time && hash == r.goal.near {
			r.how = found
		}
		return false, nil
	case byTime:
		if r.since > 0 && at < r.goal.low {
			return false, nil
		}
		r.lost, r.how = true, found
	}
	r.number(at, hash)
	return true, nil
}

// count passes over what the goal covers; done says that this message is beyond.
func (r *resumption) count(at int64, hash uint64) (done bool, err error) {
	g := &r.goal
	like := at == g.time && hash == g.near
	switch {
	case at > g.peak && !r.skipped: // what was read last is gone, and all before it
		r.lost, r.how = true, found
		return true, nil
	case at > g.peak:
		return false, r.again()
	case r.met == 0 && at < g.peak:
	default:
		r.met++
		if r.met == g.count {
			if g.near != 0 && !like {
				return false, r.again()
			}
			r.how = found
			return false, nil
		}
	}
	r.skipped, r.similar = true, r.similar || like
	return false, nil
}

// again says how to look for the place when it is not where it should be.
func (r *resumption) again() error {
	if r.how == byCount && r.similar && r.goal.near != 0 {
		return errAgain{byContent}
	}
	return errAgain{byTime}
}

// end is to be called where the log has no more messages.
func (r *resumption) end() error {
	if r.how == byCount && r.skipped || r.how == byContent {
		return r.again()
	}
	return nil
}

// number moves on by a new message. Where another consumer stands just after it,
// it has the number that it had for that one; and what that one did not have gets
// greater ones.
func (r *resumption) number(at int64, hash uint64) {
	r.at.next(at, hash)
	r.stands, r.jumped = false, false
	for len(r.ahead) > 0 {
		q := &r.ahead[0]
		switch {
		case r.at.peak < q.peak || r.at.peak == q.peak && r.at.count < q.count:
			return
		case r.at.peak == q.peak && r.at.count == q.count && (q.near == 0 || q.near == hash):
			r.at.key, r.stands = max(r.at.key, q.key), true
		default: // its message is gone
			r.at.key, r.jumped = max(r.at.key, q.key+1), true
		}
		r.ahead = r.ahead[1:]
	}
}
