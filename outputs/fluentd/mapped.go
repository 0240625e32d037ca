package fluentd

import (
	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
)

// A own is what a record that came as a map has itself of what is added to
// others.
type own struct {
	findings    []byte // an array; nil: it has none
	any, id     bool   // findings of whatever kind; logkeel_id
	malformed   bool
	cut         bool
	findingsLen uint32
}

func ownOf(record []byte) (o own) {
	forward.Members(record, func(key, _, value []byte) bool {
		switch string(key) {
		case "findings":
			o.any = true
			if msgp.NextType(value) == msgp.ArrayType {
				o.findingsLen, o.findings, _ = msgp.ReadArrayHeaderBytes(value)
			}
		case "logkeel_id":
			o.id = true
		case "malformed":
			o.malformed = true
		case "cut":
			o.cut = true
		}
		return true
	})
	return o
}

// appendMapped is appendRecord for a record that came as a map. It goes as it
// came: of what the agent adds, the record's own goes before; findings are
// joined to those that it has from an agent before this one.
func appendMapped(b []byte, batch *agent.Batch, i, nth int, d *described, findings []agent.Finding, rules map[*agent.Rule][]byte) []byte {
	r, f := &batch.Records[i], &batch.Fields[i]
	record := batch.Buf[f.Map.Start:f.Map.End]
	members, rest, err := msgp.ReadMapHeaderBytes(record)
	if err != nil { // never, for the collector has made it
		members, rest, record = 0, nil, []byte{0x80}
	}
	var o own
	if len(findings) > 0 || d.id != "" || r.Flags != 0 {
		o = ownOf(record)
	}
	text := f.Key.Len() > 0
	id := d.id != "" && !o.id
	bad := r.Flags&agent.Malformed != 0 && !o.malformed
	short := r.Flags&agent.Cut != 0 && !o.cut
	join := len(findings) > 0 && o.findings != nil
	add := len(findings) > 0 && !o.any
	for _, more := range []bool{text, id, bad, short, add} {
		if more {
			members++
		}
	}
	b = append(b, 0x92)
	b = forward.AppendEventTime(b, r.Time)
	b = msgp.AppendMapHeader(b, members)
	if text {
		b = msgp.AppendStringFromBytes(b, batch.Buf[f.Key.Start:f.Key.End])
		b = msgp.AppendStringFromBytes(b, batch.Body(i))
	}
	if join {
		forward.Members(record, func(key, member, _ []byte) bool {
			if string(key) != "findings" {
				b = append(b, member...)
			}
			return true
		})
	} else {
		b = append(b, rest...)
	}
	if id {
		b = appendRecordID(b, d.id, batch, i, nth)
	}
	if bad {
		b = append(b, malformed...)
	}
	if short {
		b = append(b, cut...)
	}
	if join || add {
		b = msgp.AppendArrayHeader(append(b, keyFindings...), o.findingsLen+uint32(len(findings)))
		b = append(b, o.findings...)
		b = appendFindings(b, batch, findings, rules)
	}
	return b
}
