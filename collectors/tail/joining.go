package tail

import (
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/multiline"
)

const (
	// joinPause is how far the log's own time goes on, in nanoseconds, until a
	// record of several lines has ended; timing.join is the same of the clock.
	joinPause = int64(250 * time.Millisecond)
	// maxJoined is how many lines a record may have.
	maxJoined = 1000
)

// joining is what a reader and its splitter tell each other of records of several
// lines. As with everything that is incomplete, an open record is not covered and
// is read again when more has come.
type joining struct {
	format *multiline.Format // nil: each line is a record

	// What the reader says of a block.
	over int64 // the offset at which what is open has ended; 0: nowhere
	rest int64 // what has no line after this offset has waited long enough; 0: nothing has
	seam int   // where in the block the next file begins; 0: nowhere
	keep bool  // what is open at the end of the file stays so: it may go on in the next one

	// What split has found.
	open bool  // a record of several lines is open
	end  int64 // the offset after the last line that it has
}

// begins is the state after a line that joins nothing.
func (j *joining) begins(l []byte) multiline.State {
	if j.format == nil {
		return 0
	}
	s, _ := j.format.Next(0, l)
	return s
}

// ends says that what is open at the offset, and has its last line before end, has
// ended: nothing follows in the file, or has for a while. all says that the block
// ends there as well.
func (j *joining) ends(offset, end int64, all bool, m mode) bool {
	return offset == j.over && offset != 0 || end <= j.rest || all && m != growing && !j.keep
}

// maxGroup is how many bytes of a file the parts of an incomplete record may be
// spread over.
func maxGroup(maxLine int) int { return 4 * maxLine }

// enough is how many they are when the next cut ends the record for good.
func enough(maxLine int) int { return 3 * maxLine }

// An unfinished record is one of a text file that is open.
type unfinished struct {
	agent.Record
	state   multiline.State // zero: none is open
	lines   int
	start   int // where in the block it begins, with what was cut from it before
	records int // how many the batch had then
}

// splitJoined is split where there is a format. The lines of a record lie next to
// each other, so that they are joined in place.
func (p *plain) splitJoined(b *agent.Batch, base int64, m mode) int {
	j, now, at := &p.join, time.Now().UnixNano(), 0
	var o unfinished
	for at < len(b.Buf) {
		l, ok := p.line(b.Buf, at, m)
		if !ok {
			break
		}
		r := p.record(b.Buf, at, l, base, now)
		text := b.Buf[r.Body.Start:r.Body.End]
		state, joins := j.format.Next(o.state, text)
		if l.cut { // it fills a record
			state, joins, r.Flags = 0, false, agent.Cut
		}
		full := o.state != 0 && at-o.start > maxGroup(p.maxLine)
		switch {
		case joins && !full && o.lines < maxJoined && o.Body.Len()+1+r.Body.Len() <= p.maxLine:
			o.add(b.Buf, r)
		case joins && !full && at-o.start < enough(p.maxLine): // what follows is a record of its own, with the same state
			o.Flags |= agent.Cut
			b.Records = append(b.Records, o.Record)
			o.Record, o.lines = r, 1
		default:
			if joins {
				o.Flags |= agent.Cut
				state = j.begins(text)
			}
			if o.state != 0 {
				b.Records = append(b.Records, o.Record)
			}
			o = unfinished{Record: r, lines: 1, start: at, records: len(b.Records)}
		}
		if o.state = state; state == 0 {
			b.Records = append(b.Records, o.Record)
		}
		at = l.next
	}
	if o.state == 0 {
		return at
	}
	if j.ends(base+int64(at), o.End, at == len(b.Buf), m) {
		b.Records = append(b.Records, o.Record)
		return at
	}
	j.open, j.end = true, o.End
	b.Records = b.Records[:o.records]
	return o.start
}

// add joins the line that r is.
func (o *unfinished) add(block []byte, r agent.Record) {
	end := o.Body.End
	block[end] = '\n' // in place of the line end that was there
	o.Body.End += int32(1 + copy(block[end+1:], block[r.Body.Start:r.Body.End]))
	o.End = r.End
	o.lines++
}
