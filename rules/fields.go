package rules

import (
	"bytes"
	"encoding/binary"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/forward"
)

const (
	maxFieldName = 128 // bytes of a name, from its end
	// What no name has ever been given in earnest, and every finder takes for a
	// secret where the name is one's.
	sampleSecret = `":"k=Xq7mR2vK9zT4wL8n"`
)

// A fieldCut redacts what records came with beside their text.
type fieldCut struct {
	*redactor
	name []byte // scratch
	b    []byte // a map of MessagePack
	r, w int    // what is read of it, and what is written
}

// fields redacts all maps of the batch, in place. They become shorter or stay as
// they are; what is left behind one is overwritten.
func (c *fieldCut) fields(b *agent.Batch) {
	for i := range b.Fields {
		span := &b.Fields[i].Map
		c.b, c.r, c.w = b.Buf[span.Start:span.End], 0, 0
		if rest, err := forward.Skip(c.b); err != nil || len(rest) > 0 {
			continue // never, for the collector has made it
		}
		c.value(nil)
		clear(c.b[c.w:])
		span.End = span.Start + int32(c.w)
	}
	c.b = nil
}

// value redacts the value at r, which is whole; secret is the kind that its name
// makes it, if any.
func (c *fieldCut) value(secret *kind) {
	switch msgp.NextType(c.b[c.r:]) {
	case msgp.MapType, msgp.ArrayType:
		c.compound(secret)
		return
	}
	own := c.next()
	switch msgp.NextType(own) {
	case msgp.StrType, msgp.BinType:
		c.text(own, secret)
		return
	case msgp.IntType, msgp.UintType, msgp.Float32Type, msgp.Float64Type:
		if secret != nil && len(own) > 1 && (len(own) > 3 || secret.name == "password") {
			for i := range own {
				own[i] = '*'
			}
			own[0] = 0xa0 | byte(len(own)-1)
			secret.count.Add(1)
		}
	}
	c.keep(own)
}

// next is the value at r.
func (c *fieldCut) next() []byte {
	rest, _ := forward.Skip(c.b[c.r:])
	return c.b[c.r : len(c.b)-len(rest)]
}

// keep writes what was read.
func (c *fieldCut) keep(own []byte) {
	c.w += copy(c.b[c.w:], own)
	c.r += len(own)
}

func (c *fieldCut) compound(secret *kind) {
	var n uint32
	var rest []byte
	b := c.b[c.r:]
	isMap := msgp.NextType(b) == msgp.MapType
	if isMap {
		n, rest, _ = msgp.ReadMapHeaderBytes(b)
	} else {
		n, rest, _ = msgp.ReadArrayHeaderBytes(b)
	}
	c.keep(b[:len(b)-len(rest)])
	for range n {
		of := secret
		if isMap {
			key := c.next()
			if name, ok := forward.Text(key); ok && of == nil {
				of = c.secretName(name)
			}
			if name, ok := forward.Text(key); ok && (len(c.own) > 0 || bytes.ContainsAny(name, "=:@ ")) {
				c.text(key, nil) // names may be data: addresses, for instance
			} else {
				c.keep(key)
			}
		}
		c.value(of)
	}
}

// text redacts a string. Its header keeps its width.
func (c *fieldCut) text(own []byte, secret *kind) {
	text, _ := forward.Text(own)
	head := len(own) - len(text)
	left := text
	switch {
	case secret == nil:
		left = c.find(text)
	case len(text) > 0 && !isState(text) && !c.known.masked(text):
		e := edit{body: text}
		e.cut(secret, 0, len(text))
		left, _ = e.done()
	}
	if len(left) != len(text) {
		switch head {
		case 1:
			own[0] = 0xa0 | byte(len(left))
		case 2:
			own[1] = byte(len(left))
		case 3:
			binary.BigEndian.PutUint16(own[1:], uint16(len(left)))
		default:
			binary.BigEndian.PutUint32(own[1:], uint32(len(left)))
		}
	}
	c.w += copy(c.b[c.w:], own[:head])
	c.w += copy(c.b[c.w:], left)
	c.r += len(own)
}

// find cuts what all finders find in a text.
func (c *fieldCut) find(left []byte) []byte {
	for i := range c.own {
		left, _ = c.own[i].cut(left)
	}
	if c.known != nil {
		e := edit{body: left}
		c.known.cut(&e)
		left, _ = e.done()
	}
	if c.card != nil {
		e := edit{body: left}
		cutCards(&e, c.card)
		left, _ = e.done()
	}
	return left
}

// secretName is the kind of secret that is assigned to the name in texts; nil
// for other names.
func (c *fieldCut) secretName(name []byte) *kind {
	f := c.known
	if f == nil || len(name) == 0 {
		return nil
	}
	name = name[max(0, len(name)-maxFieldName):]
	b := append(append(append(c.name[:0], '"'), name...), sampleSecret...)
	c.name = b
	for i := 1; i <= len(name); i++ {
		if pair := pairAt(b, uint(i)); f.pairs[pair>>6]&(1<<(pair&63)) == 0 {
			continue
		}
		for n := range f.starts[b[i]] {
			w := &f.starts[b[i]][n]
			j := i + len(w.Text)
			if j > len(name)+1 || !w.Is(b[i:j]) {
				continue
			}
			if start, end, ok := w.find(text{body: b}, i, j); ok && start > len(name) && start < end {
				return w.kind
			}
		}
	}
	return nil
}
