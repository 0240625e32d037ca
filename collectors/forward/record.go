package forward

import (
	"bytes"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
)

// maxLabel bounds the value of a label that a record brings, in bytes.
const maxLabel = 256

// An item is a record on its way from the spool into a batch.
type item struct {
	time   int64
	end    int64  // the offset of its source behind it
	record []byte // as it came
	text   []byte
	key    []byte // the name of text's member; nil: there is none
	stream agent.Stream
	flags  agent.Flags
	joined bool // the members that make it a piece are left out
}

// A seen is what one look at a record's members finds.
type seen struct {
	text, key                       []byte
	rank                            int // of key among those that may be the text
	container, id, project, service []byte
	stream                          agent.Stream
	piece, last                     []byte // of Docker: the id of a line that came in pieces, and whether this is its last
}

// look finds what a record says of itself.
func look(record []byte, textKeys []string) seen {
	s := seen{rank: len(textKeys)}
	forward.Members(record, func(key, _, value []byte) bool {
		text, ok := forward.Text(value)
		if !ok || key == nil {
			return true
		}
		for i := 0; i < s.rank; i++ {
			if string(key) == textKeys[i] {
				s.text, s.key, s.rank = text, key, i
			}
		}
		switch string(key) {
		case "container_name", "container":
			s.container = label(bytes.TrimPrefix(text, []byte("/")))
		case "container_id":
			s.id = label(text)
		case "com.docker.compose.project", "compose_project", "project":
			s.project = label(text)
		case "com.docker.compose.service", "compose_service", "service":
			s.service = label(text)
		case "source", "stream":
			switch string(text) {
			case "stdout":
				s.stream = agent.Stdout
			case "stderr":
				s.stream = agent.Stderr
			}
		case "partial_id":
			s.piece = text
		case "partial_last":
			s.last = text
		}
		return true
	})
	s.text = bytes.TrimSuffix(s.text, []byte("\n"))
	return s
}

func label(text []byte) []byte { return text[:min(len(text), maxLabel)] }

// ofPiece reports whether a member is one that only a piece has.
func ofPiece(key []byte) bool {
	switch string(key) {
	case "partial_message", "partial_id", "partial_ordinal", "partial_last":
		return true
	}
	return false
}

// An extra is a member that the configuration adds, encoded.
type extra struct {
	key    string
	member []byte
}

// appendFields appends the record without the member that is its text, and with
// those extras that it does not have itself. Another member of the text's name
// stays: receivers take the last one.
func appendFields(b []byte, it *item, extras []extra) []byte {
	members, has := uint32(0), uint64(0)
	each := func(keep func(member []byte)) {
		text := it.key != nil // is still to come
		forward.Members(it.record, func(key, member, value []byte) bool {
			if key != nil && it.joined && ofPiece(key) {
				return true
			}
			if text && key != nil && bytes.Equal(key, it.key) {
				if _, ok := forward.Text(value); ok {
					text = false
					return true
				}
			}
			for i := range extras {
				if key != nil && string(key) == extras[i].key {
					has |= 1 << i
				}
			}
			keep(member)
			return true
		})
	}
	each(func([]byte) { members++ })
	for i := range extras {
		if has&(1<<i) == 0 {
			members++
		}
	}
	b = msgp.AppendMapHeader(b, members)
	each(func(member []byte) { b = append(b, member...) })
	for i := range extras {
		if has&(1<<i) == 0 {
			b = append(b, extras[i].member...)
		}
	}
	return b
}

// appendItems makes a batch of the items: their texts first, one behind the
// other, and then the rest of them.
func appendItems(b *agent.Batch, items []item, extras []extra) {
	for i := range items {
		it := &items[i]
		start := int32(len(b.Buf))
		if it.key == nil {
			b.Buf = appendJSON(b.Buf, it.record)
		} else {
			b.Buf = append(b.Buf, it.text...)
		}
		b.Records = append(b.Records, agent.Record{
			Time: it.time, End: it.end, Stream: it.stream, Flags: it.flags,
			Body: agent.Span{Start: start, End: int32(len(b.Buf))},
		})
	}
	var key agent.Span
	for i := range items {
		it := &items[i]
		if !bytes.Equal(b.Buf[key.Start:key.End], it.key) {
			key.Start = int32(len(b.Buf))
			b.Buf = append(b.Buf, it.key...)
			key.End = int32(len(b.Buf))
		}
		start := int32(len(b.Buf))
		b.Buf = appendFields(b.Buf, it, extras)
		b.Fields = append(b.Fields, agent.Fields{Map: agent.Span{Start: start, End: int32(len(b.Buf))}, Key: key})
	}
}
