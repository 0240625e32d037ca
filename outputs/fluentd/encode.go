package fluentd

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
)

// A chunk is one PackedForward message: records of one source that are sent,
// acknowledged and spooled together.
type chunk struct {
	id      chunkID
	frame   []byte // the message; without its end until sealed
	entries int    // offset in frame of the first entry
	records int
	source  string         // its ID
	to      agent.Position // where the source stands after it; zero: inside of a batch
	first   int64          // the least time of a record, in ns since 1970
	last    int64          // the greatest
	src     *agent.Source  // until sealed
	born    time.Time      // when the first record came
	sent    time.Time      // when it was written, while in flight
	seq     uint64         // in the spool; 0: in memory only
	whole   chunkID        // what it is a part of
	part    part           // its records there; zero: it is no part
	sealed  bool
	acked   bool // by the receiver
	safe    bool // acknowledged or in the spool
	// One that was sent after it is acknowledged already, while in flight.
	overtaken bool
	proven    bool // the receiver acknowledged others just before it was sent
	// The source's chunks before and after this one that are not settled yet.
	prev, next *chunk
}

// reset makes c an empty chunk with a new id, and keeps its memory.
func (c *chunk) reset(src *agent.Source, tag string, now time.Time) {
	*c = chunk{id: forward.NewChunkID(), frame: forward.AppendPacked(c.frame[:0], tag), first: math.MaxInt64, last: math.MinInt64, source: src.ID, src: src, born: now}
	c.entries = len(c.frame)
}

// seal ends the message. Nothing is added to it afterwards.
func (c *chunk) seal() {
	c.sealed, c.src = true, nil
	c.frame = forward.FinishPacked(c.frame, c.entries, c.records, c.id[:])
}

// A described source is what all of its records have in common, encoded.
type described struct {
	lane    *lane
	tag     string
	id      string // of its records, the first part; "" where they carry none
	fields  []byte // keys and values
	members int
}

// describe encodes a source's fields. A container's have the names that
// Docker's fluentd driver gives them.
func (o *Output) describe(s *agent.Source) any {
	o.losses.name(s)
	d := &described{lane: o.laneFor(s.ID), tag: o.tagFor(s)}
	if o.c.Identity {
		d.id = sourceID(o.agentID, s.ID)
	}
	have := map[string]bool{}
	add := func(key, value string) {
		if reserved(key) { // a receiver would take it for the record's own
			key = "label_" + key
		}
		if value != "" && !have[key] {
			have[key] = true
			d.fields = msgp.AppendString(msgp.AppendString(d.fields, key), value)
			d.members++
		}
	}
	if c := s.Container; c != nil {
		add("container_id", c.ID)
		if c.Name != "" {
			add("container_name", "/"+c.Name)
		}
		add("container_image", c.Image)
		add("compose_project", c.Project)
		add("compose_service", c.Service)
		for _, k := range o.c.Labels {
			add(k, c.Labels[k])
		}
		return d
	}
	for _, l := range s.Labels {
		add(l.Name, l.Value)
	}
	return d
}

// room is about how many bytes the records of b from index from on become: growing
// bit by bit takes more memory, and time, than the records themselves.
func (d *described) room(b *agent.Batch, from int) (n int) {
	const envelope, id = 48, 48 // at most, but for findings
	each := envelope + len(d.fields)
	if d.id != "" {
		each += id + len(d.id)
	}
	for i := from; i < len(b.Records); i++ {
		n += each + b.Records[i].Body.Len()
	}
	return n
}

// reserved reports whether a record has a field of that name for itself.
func reserved(key string) bool {
	switch key {
	case "log", "stream", "malformed", "cut", "findings", "logkeel_id":
		return true
	}
	return false
}

// appendRecord appends one entry: [time, {"log": …, "stream": …, …}]. nth counts
// the records before it that end where it ends.
func appendRecord(b []byte, batch *agent.Batch, i, nth int, d *described, findings []agent.Finding, rules map[*agent.Rule][]byte) []byte {
	if len(batch.Fields) > 0 {
		return appendMapped(b, batch, i, nth, d, findings, rules)
	}
	r := &batch.Records[i]
	members := uint32(1 + d.members)
	if r.Stream != agent.None {
		members++
	}
	if r.Flags&agent.Malformed != 0 {
		members++
	}
	if r.Flags&agent.Cut != 0 {
		members++
	}
	if len(findings) > 0 {
		members++
	}
	if d.id != "" {
		members++
	}
	b = append(b, 0x92)
	b = forward.AppendEventTime(b, r.Time)
	b = msgp.AppendMapHeader(b, members)
	b = msgp.AppendStringFromBytes(append(b, keyLog...), batch.Body(i))
	switch r.Stream {
	case agent.Stdout:
		b = append(b, streamStdout...)
	case agent.Stderr:
		b = append(b, streamStderr...)
	}
	b = append(b, d.fields...)
	if d.id != "" {
		b = appendRecordID(b, d.id, batch, i, nth)
	}
	if r.Flags&agent.Malformed != 0 {
		b = append(b, malformed...)
	}
	if r.Flags&agent.Cut != 0 {
		b = append(b, cut...)
	}
	if len(findings) > 0 {
		b = msgp.AppendArrayHeader(append(b, keyFindings...), uint32(len(findings)))
		b = appendFindings(b, batch, findings, rules)
	}
	return b
}

// maxMatch bounds what is sent of the text for which a rule held, in bytes.
const maxMatch = 200

// appendFindings appends the findings of one record.
func appendFindings(b []byte, batch *agent.Batch, findings []agent.Finding, rules map[*agent.Rule][]byte) []byte {
	for i := range findings {
		m := findings[i].Match
		text := batch.Buf[m.Start:m.End]
		if len(text) > maxMatch {
			text = text[:maxMatch]
			for n := 1; n < utf8.UTFMax; n++ { // not within a character
				if utf8.RuneStart(batch.Buf[int(m.Start)+len(text)]) {
					break
				}
				text = text[:len(text)-1]
			}
		}
		b = append(b, encodedRule(rules, findings[i].Rule)...)
		b = msgp.AppendStringFromBytes(b, text)
	}
	return b
}

// What never changes, as msgpack.
const (
	keyLog       = "\xa3log"
	streamStdout = "\xa6stream\xa6stdout"
	streamStderr = "\xa6stream\xa6stderr"
	malformed    = "\xa9malformed\xc3"
	cut          = "\xa3cut\xc3"
	keyFindings  = "\xa8findings"
	keyID        = "\xaalogkeel_id"
)

// maxRules bounds the memory of encoded rules; reloads bring new ones.
const maxRules = 10_000

// encodedRule is {"rule": …, "class": …, "severity": …, "file": …, "match": …}
// but for the last value, which is that of the finding.
func encodedRule(rules map[*agent.Rule][]byte, r *agent.Rule) []byte {
	if b := rules[r]; b != nil {
		return b
	}
	b := msgp.AppendMapHeader(nil, 5)
	b = msgp.AppendString(msgp.AppendString(b, "rule"), r.Name)
	b = msgp.AppendString(msgp.AppendString(b, "class"), r.Class)
	b = msgp.AppendString(msgp.AppendString(b, "severity"), r.Severity)
	b = msgp.AppendString(msgp.AppendString(b, "file"), fmt.Sprintf("%s:%d", r.File, r.Line))
	b = msgp.AppendString(b, "match")
	if len(rules) >= maxRules {
		clear(rules)
	}
	rules[r] = b
	return b
}
