package docker

import (
	"time"

	"github.com/webgrip/logkeel/agent"
)

const (
	// partPause is how far the log's own time, or the clock, goes on until a long
	// line that was begun has ended: the engine reads what a container writes at
	// once. Without it one stream that stopped in the middle of a line would hold
	// up the other.
	partPause = time.Second
	maxKept   = 64 << 10 // bytes that a joiner keeps for what comes next
)

// A joiner makes records of messages. The parts of one long line may have
// messages of the other stream between them; until all is complete the place
// stays before it, and nothing from there on is ready.
type joiner struct {
	maxLine int
	text    []byte // where the records' bodies lie
	records []agent.Record
	parts   [3]part // by stream
	open    int     // parts in use
	held    int     // their bytes

	at        mark // after the last message
	safe      mark // after the last message after which nothing was open
	ready     int  // records until there
	readyText int
}

// A part is a line of which more has to come.
type part struct {
	used  bool
	text  []byte
	time  int64 // of the first message, ns
	heard int64 // of the last one
	flags agent.Flags
}

// reset forgets what was not taken.
func (j *joiner) reset() {
	*j = joiner{maxLine: j.maxLine, text: j.text[:0], records: j.records[:0]}
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
	for s := range j.parts {
		if p := &j.parts[s]; p.used && agent.Stream(s) != m.stream && m.time-p.heard > int64(partPause) {
			j.end(agent.Stream(s), 0)
		}
	}
	p := &j.parts[m.stream]
	if p.used && len(p.text)+len(m.text) > j.maxLine {
		j.end(m.stream, agent.Cut)
	}
	j.settle() // what ended ends before this message
	j.at = at
	var flags agent.Flags
	if m.odd {
		flags = agent.Malformed
	}
	switch {
	case m.partial:
		if !p.used {
			j.open++
			p.used, p.time, p.flags = true, m.time, flags
		}
		p.heard = m.time
		p.text = append(p.text, m.text...)
		j.held += len(m.text)
	case p.used:
		p.text = append(p.text, m.text...)
		j.held += len(m.text)
		j.end(m.stream, 0)
	default:
		j.record(agent.Record{Time: m.time, Stream: m.stream, Flags: flags}, m.text)
	}
	if len(j.text)-j.readyText+j.held > 4*j.maxLine {
		j.endAll(agent.Cut)
	}
	j.settle()
}

// end ends the line that is open on the stream, after the last message.
func (j *joiner) end(s agent.Stream, f agent.Flags) {
	p := &j.parts[s]
	j.record(agent.Record{Time: p.time, Stream: s, Flags: p.flags | f}, p.text)
	j.open--
	j.held -= len(p.text)
	p.used, p.text = false, p.text[:0]
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
