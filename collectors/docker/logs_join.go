package docker

import (
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

const (
	// partPause is how far the log's own time, or the clock, goes on until a long
	// line that was begun has ended: the engine reads what a container writes at
	// once. Without it one stream that stopped in the middle of a line would hold
	// up the other.
	partPause = time.Second
	// joinPause is the same for a record of several lines of which all are whole.
	joinPause = 250 * time.Millisecond
	maxJoined = 1000     // lines of a record
	maxKept   = 64 << 10 // bytes that a joiner keeps for what comes next
)

// A joiner makes records of messages. The parts of one long line, and the lines of
// one trace, may have messages of the other stream between them; until all is
// complete the place stays before it, and nothing from there on is ready.
type joiner struct {
	maxLine int
	format  *multiline.Format // nil: each line is a record
	text    []byte            // where the records' bodies lie
	records []agent.Record
	parts   [3]part // by stream
	open    int     // parts in use
	held    int     // their bytes
	began   int64   // time of the message since which something is open

	at        mark // after the last message
	safe      mark // after the last message after which nothing was open
	ready     int  // records until there
	readyText int
}

// A part is a record of which more may come.
type part struct {
	used    bool
	partial bool            // its last line is not complete
	state   multiline.State // after its last line; zero: no further one can follow
	lines   int
	text    []byte
	time    int64     // of the first message, ns
	heard   int64     // of the last one
	since   time.Time // when that was taken
	flags   agent.Flags
}

// reset forgets what was not taken.
func (j *joiner) reset() {
	*j = joiner{maxLine: j.maxLine, format: j.format, text: j.text[:0], records: j.records[:0]}
	j.shrink()
}

// shrink drops what long lines and large batches took.
func (j *joiner) shrink() {
	if cap(j.text) > maxKept {
		j.text = append([]byte(nil), j.text...)
	}
	if cap(j.records) > 1024 {
		j.records = append([]agent.Record(nil), j.records...)
	}
}

// add takes the message, after which the log is at at.
func (j *joiner) add(m message, at mark) {
	j.expire(m)
	state := j.judge(m)
	j.settle() // what ended ends before this message
	j.at = at
	flags := agent.Flags(0)
	if m.odd {
		flags = agent.Malformed
	}
	p := &j.parts[m.stream]
	switch {
	case !p.used && !m.partial && state == 0:
		j.record(agent.Record{Time: m.time, Stream: m.stream, Flags: flags}, m.text)
		j.bound()
		return
	case !p.used:
		if j.open == 0 {
			j.began = m.time
		}
		j.open++
		p.used, p.time, p.lines, p.flags = true, m.time, 1, flags
	case !p.partial:
		p.text = append(p.text, '\n')
		p.lines++
		j.held++
	}
	p.text = append(p.text, m.text...)
	j.held += len(m.text)
	p.state, p.partial, p.heard = state, m.partial, m.time
	if p.state != 0 {
		p.since = time.Now()
	}
	if !p.partial && state == 0 {
		j.end(m.stream, 0)
	}
	j.bound()
}

// judge says what state a record is in after the message, and ends the one that is
// open on its stream where it does not belong to that.
func (j *joiner) judge(m message) multiline.State {
	p := &j.parts[m.stream]
	if p.used && p.partial { // a line is judged by its first part
		state := p.state
		if len(p.text)+len(m.text) > j.maxLine {
			j.end(m.stream, agent.Cut)
		}
		return state
	}
	if j.format == nil {
		return 0
	}
	if p.used {
		next, joins := j.format.Next(p.state, m.text)
		switch {
		case !joins || m.time-p.heard > int64(joinPause):
			j.end(m.stream, 0)
		case p.lines >= maxJoined, len(p.text)+1+len(m.text) > j.maxLine: // what follows is a record of its own
			j.end(m.stream, agent.Cut)
			return next
		default:
			return next
		}
	}
	state, _ := j.format.Next(0, m.text)
	return state
}

// expire ends the records of other streams that did not go on for a while before
// the message. Two streams of which each always has a record open would never be
// without: the longer that lasts, the less is waited.
func (j *joiner) expire(m message) {
	if j.open == 0 {
		return
	}
	joined := int64(joinPause)
	switch age := m.time - j.began; {
	case age > 4*int64(joinPause):
		joined = -1
	case age > int64(joinPause):
		joined = int64(joinPause) / 25
	}
	for s := range j.parts {
		p, pause := &j.parts[s], joined
		if p.partial {
			pause = int64(partPause)
		}
		if p.used && agent.Stream(s) != m.stream && m.time-p.heard > pause {
			j.end(agent.Stream(s), 0)
		}
	}
}

// bound ends what is open where it is too much, and settles.
func (j *joiner) bound() {
	if len(j.text)-j.readyText+j.held > 4*j.maxLine {
		j.endAll(agent.Cut)
	}
	j.settle()
}

// waits is how long the record that has waited the longest for another line waits
// on; ok is false where none does.
func (j *joiner) waits() (wait time.Duration, ok bool) {
	wait = joinPause
	for s := range j.parts {
		if p := &j.parts[s]; p.used && !p.partial {
			wait, ok = min(wait, joinPause-time.Since(p.since)), true
		}
	}
	return wait, ok
}

// endWaiting ends the records that have waited long enough for another line.
func (j *joiner) endWaiting() {
	for s := range j.parts {
		if p := &j.parts[s]; p.used && !p.partial && time.Since(p.since) >= joinPause {
			j.end(agent.Stream(s), 0)
		}
	}
	j.settle()
}

// end ends the record that is open on the stream, after the last message.
func (j *joiner) end(s agent.Stream, f agent.Flags) {
	p := &j.parts[s]
	j.record(agent.Record{Time: p.time, Stream: s, Flags: p.flags | f}, p.text)
	j.open--
	j.held -= len(p.text)
	p.used, p.partial, p.text = false, false, p.text[:0]
	if cap(p.text) > maxKept {
		p.text = nil
	}
}

// endAll ends what is open: nothing more will come of it.
func (j *joiner) endAll(f agent.Flags) {
	for s := range j.parts {
		if j.parts[s].used {
			j.end(agent.Stream(s), f)
		}
	}
	j.settle()
}

// settle moves the place on where nothing is open.
func (j *joiner) settle() {
	if j.open == 0 {
		j.safe, j.ready, j.readyText = j.at, len(j.records), len(j.text)
	}
}

// record adds a record that ends with the last message, in pieces where it is
// longer than a record may be.
func (j *joiner) record(r agent.Record, body []byte) {
	r.End = j.at.key
	if r.Time == 0 {
		r.Time = time.Now().UnixNano()
	}
	start := len(j.text)
	j.text = append(j.text, body...)
	for len(j.text)-start > j.maxLine {
		piece := r
		piece.Flags |= agent.Cut
		piece.Body = agent.Span{Start: int32(start), End: int32(start + j.maxLine)}
		j.records = append(j.records, piece)
		start += j.maxLine
	}
	r.Body = agent.Span{Start: int32(start), End: int32(len(j.text))}
	j.records = append(j.records, r)
}

// take moves what is ready into the batch.
func (j *joiner) take(b *agent.Batch) {
	b.Buf = append(b.Buf[:0], j.text[:j.readyText]...)
	b.Records = append(b.Records[:0], j.records[:j.ready]...)
	b.Pos = j.safe.position()
	for i := range j.records[j.ready:] {
		s := &j.records[j.ready+i].Body
		s.Start -= int32(j.readyText)
		s.End -= int32(j.readyText)
	}
	j.text = j.text[:copy(j.text, j.text[j.readyText:])]
	j.records = j.records[:copy(j.records, j.records[j.ready:])]
	j.ready, j.readyText = 0, 0
	j.shrink()
}
