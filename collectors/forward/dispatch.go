package forward

import (
	"context"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
	"github.com/webgrip/logkeel/agent/spool"
)

const (
	windowBytes  = 256 << 10 // from which on nothing more is read before what was is emitted
	windowFrames = 256
	settleEvery  = 100 * time.Millisecond
	maxNeeds     = 100_000 // from which on the spool waits
	keptWindow   = 2 << 20 // bytes of memory that are kept between windows
	keptItems    = 4
)

// A dispatcher reads the spool and emits what is in it, in order. It keeps
// frames until all consumers have what they hold.
type dispatcher struct {
	name     string
	labels   map[string]string
	extras   []extra
	textKeys []string
	maxLine  int
	// How long the next piece of a line is waited for.
	pieceWait time.Duration
	spool     *spool.Spool
	written   <-chan struct{}
	sink      agent.Sink
	epoch     uint64
	end       uint64 // of the spool when it was opened: no earlier run has gone beyond
	reading   *agent.Trouble
	counts    *counts

	sources   map[string]*source
	touched   []*source // those with items
	spare     [][]item  // memory for them
	needs     []need    // ascending by seq
	window    uint64
	read      uint64 // the frame behind the last one that was read
	now       time.Time
	partials  int // lines in pieces
	openBytes int // of them
	behind    bool
	said      time.Time // when sources last heard of it
	key       []byte
	bufs      [][]byte
}

// A need is what a frame waits for: that the source is safe up to a place.
type need struct {
	seq uint64
	s   *source
	to  int64
	p   *partial // then it is where the line ends
}

func (n *need) met() bool {
	to := n.to
	if n.p != nil {
		if to = n.p.end; to == 0 {
			return true
		}
	}
	return !n.s.safe.Before(agent.Position{Epoch: n.s.epoch, Offset: to})
}

// run emits until ctx is done. caughtUp is called when what was there at first
// has been emitted.
func (d *dispatcher) run(ctx context.Context, caughtUp func()) error {
	defer d.close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	settled := time.Now()
	for ctx.Err() == nil {
		more, err := d.step(ctx)
		if err != nil {
			return err
		}
		if d.now = time.Now(); d.now.Sub(settled) >= settleEvery {
			if err := d.settle(ctx); err != nil {
				return err
			}
			settled = d.now
		}
		if more {
			continue
		}
		if frames, _ := d.spool.Unread(); frames == 0 {
			caughtUp()
		}
		var due <-chan time.Time
		if len(d.needs) > 0 || d.partials > 0 || d.reading.Active() {
			timer.Reset(settleEvery)
			due = timer.C
		}
		select {
		case <-ctx.Done():
		case <-due:
		case <-d.written:
		}
	}
	return nil
}

// step emits one window; more says that there may be another.
func (d *dispatcher) step(ctx context.Context) (more bool, err error) {
	d.window++
	d.now = time.Now()
	bytes, records, n := 0, 0, 0
	for bytes < windowBytes && records < maxRecords && n < windowFrames && len(d.needs) < maxNeeds {
		if n == len(d.bufs) {
			d.bufs = append(d.bufs, nil)
		}
		f, ok, err := d.spool.Next(d.bufs[n][:0])
		if err != nil {
			d.reading.Fail(err, "what was received cannot be read back and is tried again")
			break
		}
		if !ok {
			d.reading.Clear("what was received can be read back")
			break
		}
		d.bufs[n] = f.Payload
		bytes += len(f.Payload)
		records += f.Records
		d.read = f.Seq + 1
		n++
		d.frame(&f)
	}
	err = d.emit(ctx)
	kept := 0
	for i := range d.bufs {
		if kept += cap(d.bufs[i]); kept > keptWindow {
			kept -= cap(d.bufs[i])
			d.bufs[i] = nil
		}
	}
	d.say()
	return n > 0, err
}

// frame makes items of one frame's records.
func (d *dispatcher) frame(f *spool.Frame) {
	before := len(d.needs)
	received := d.now.UnixNano()
	if len(f.Ranges) > 0 && f.Ranges[0].Last > 0 {
		received = f.Ranges[0].Last // the same whenever it is read
	}
	tag, rest, err := msgp.ReadStringZC(f.Payload)
	for err == nil && len(rest) > 0 {
		var e forward.Entry
		if e, rest, err = forward.NextEntry(rest); err == nil {
			if e.Time == 0 {
				e.Time = received
			}
			d.record(f.Seq, tag, &e)
		}
	}
	if err != nil { // it was sound when it was received
		d.reading.Fail(err, "a part of what was received cannot be understood any more")
		d.counts.add("damaged")
	}
	if len(d.needs) == before {
		d.spool.Done(f.Seq)
	}
}

func (d *dispatcher) record(seq uint64, tag []byte, e *forward.Entry) {
	r := look(e.Record, d.textKeys)
	s := d.sourceOf(tag, &r)
	s.last, s.used = max(s.last, seq), d.window
	it := item{time: e.Time, end: offset(seq), record: e.Record, text: r.text, key: r.key, stream: r.stream}
	if s.late > 0 && it.end > s.floor {
		d.postponed(s, it.end)
	}
	if r.piece != nil && r.key != nil {
		d.piece(s, seq, &it, string(r.piece), string(r.last) == "true")
		return
	}
	if s.needed != seq {
		s.needed = seq
		d.needs = append(d.needs, need{seq: seq, s: s, to: it.end})
		s.pending++
	}
	s.add(d, &it)
}

// emit hands over the items of each source as one batch.
func (d *dispatcher) emit(ctx context.Context) error {
	for i, s := range d.touched {
		b, err := s.feed.Batch(ctx)
		if err != nil {
			return err
		}
		appendItems(b, s.items, d.extras)
		last := &s.items[len(s.items)-1]
		b.Pos = agent.Position{Epoch: s.epoch, Offset: last.end, Time: last.time}
		clear(s.items)
		if cap(s.items) <= maxRecords/4 && len(d.spare) < keptItems {
			d.spare = append(d.spare, s.items[:0])
		}
		s.items = nil
		d.touched[i] = nil
		if err := s.feed.Emit(ctx, b); err != nil {
			return err
		}
		s.feed.Behind(d.share())
	}
	d.touched = d.touched[:0]
	return nil
}

// share is what each source gets of the bytes that are not read: whose they are
// is only known when they are.
func (d *dispatcher) share() int64 {
	_, bytes := d.spool.Unread()
	if bytes == 0 {
		return 0
	}
	return bytes/int64(max(1, len(d.sources))) + 1
}

// sayAgainAfter is how often sources hear that the spool still has something: one
// that has nothing in it must not look as if it were stuck.
const sayAgainAfter = 5 * time.Second

// say tells all sources when the spool begins or ends to have something unread.
func (d *dispatcher) say() {
	share := d.share()
	if behind := share > 0; behind != d.behind || behind && time.Since(d.said) >= sayAgainAfter {
		d.behind, d.said = behind, time.Now()
		for _, s := range d.sources {
			s.feed.Behind(share)
		}
	}
}

// settle gives frames up that all consumers have, and lines whose end does not
// come.
func (d *dispatcher) settle(ctx context.Context) error {
	if d.partials > 0 {
		d.window++
		d.overdue()
		if err := d.emit(ctx); err != nil {
			return err
		}
	}
	for _, s := range d.sources {
		if s.pending > 0 {
			s.safe = s.feed.Safe()
		}
	}
	kept := d.needs[:0]
	for i := 0; i < len(d.needs); {
		seq, all, j := d.needs[i].seq, true, i
		for ; j < len(d.needs) && d.needs[j].seq == seq; j++ {
			all = all && d.needs[j].met()
		}
		if all {
			for k := range d.needs[i:j] {
				d.needs[i+k].s.pending--
			}
			d.spool.Done(seq)
		} else {
			kept = append(kept, d.needs[i:j]...)
		}
		i = j
	}
	clear(d.needs[len(kept):])
	d.needs = kept
	return nil
}

// close leaves the sources where they are.
func (d *dispatcher) close() {
	for _, s := range d.sources {
		s.feed.Close(false)
	}
}
