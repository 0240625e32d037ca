package collectors

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

const (
	// maxPending bounds the bytes of records that wait for the outputs.
	maxPending = 4 << 20
	// maxRecords bounds how many one snapshot makes.
	maxRecords = 2000
)

// records makes records of a sampler's snapshots. They have no text: no rule on
// lines finds anything in them, and their members are what was measured.
type records struct {
	kind, target string
	of           agent.Recorder // nil: they are made of the samples

	mu      sync.Mutex
	pending []pending
	bytes   int
	dropped uint64
	more    chan struct{} // has a value where pending has grown
}

// pending is the records of one snapshot, each a map of MessagePack.
type pending struct {
	at      int64 // nanoseconds since 1970
	records [][]byte
	bytes   int
}

var (
	_ agent.Collector = (*records)(nil)
	_ agent.Meter     = (*records)(nil)
)

func newRecords(kind, target string, of agent.Sampler) *records {
	r := &records{kind: kind, target: target, more: make(chan struct{}, 1)}
	r.of, _ = of.(agent.Recorder)
	return r
}

// Name is that of the sampler, and what it is for.
func (r *records) Name() string { return r.kind + "/" + r.target + "/records" }

// take encodes a snapshot. Where the outputs are held up for long the oldest one is
// dropped, and counted.
func (r *records) take(s agent.Snapshot) {
	p := pending{at: s.At.UnixNano()}
	add := func(fields []agent.Field) {
		if len(p.records) < maxRecords {
			b := r.encode(fields, s.Err)
			p.records = append(p.records, b)
			p.bytes += len(b)
		}
	}
	if r.of != nil {
		r.of.Records(add)
	} else {
		grouped(s.Samples, add)
	}
	if len(p.records) == 0 {
		if r.of != nil && s.Err == nil {
			return // there is nothing to say
		}
		add(nil) // which says why there is nothing
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, p)
	r.bytes += p.bytes
	for r.bytes > maxPending && len(r.pending) > 1 {
		r.dropped += uint64(len(r.pending[0].records))
		r.next()
	}
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// next takes the oldest snapshot away. It is called with mu held.
func (r *records) next() pending {
	p := r.pending[0]
	r.pending[0] = pending{}
	r.pending = r.pending[1:]
	r.bytes -= p.bytes
	return p
}

// grouped makes one record of the samples that have the same labels, in the order
// in which they came.
func grouped(samples []agent.Sample, add func([]agent.Field)) {
	at := map[string]int{}
	var groups [][]agent.Field
	for i := range samples {
		s := &samples[i]
		var key strings.Builder
		for _, l := range s.Labels {
			key.WriteString(l.Name)
			key.WriteByte(0)
			key.WriteString(l.Value)
			key.WriteByte(0)
		}
		n, ok := at[key.String()]
		if !ok {
			n = len(groups)
			at[key.String()] = n
			var fields []agent.Field
			for _, l := range s.Labels {
				if l.Name != "target" {
					fields = append(fields, agent.Field{Name: l.Name, Value: l.Value})
				}
			}
			groups = append(groups, fields)
		}
		groups[n] = append(groups[n], agent.Field{Name: s.Name, Value: s.Value})
	}
	for _, g := range groups {
		add(g)
	}
}

// encode is the record as a map of MessagePack. Of members with one name the first
// counts.
func (r *records) encode(fields []agent.Field, err error) []byte {
	all := append(make([]agent.Field, 0, len(fields)+3), agent.Field{Name: "kind", Value: r.kind}, agent.Field{Name: "target", Value: r.target})
	for _, f := range fields {
		if !slices.ContainsFunc(all, func(have agent.Field) bool { return have.Name == f.Name }) {
			all = append(all, f)
		}
	}
	if err != nil {
		all = append(all, agent.Field{Name: "error", Value: agent.Note(err)})
	}
	b := msgp.AppendMapHeader(nil, uint32(len(all)))
	for _, f := range all {
		b = appendValue(msgp.AppendString(b, text(f.Name)), f.Value)
	}
	return b
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return msgp.AppendString(b, text(v))
	case bool:
		return msgp.AppendBool(b, v)
	case int64:
		return msgp.AppendInt64(b, v)
	case uint64:
		return msgp.AppendUint64(b, v)
	case float64:
		return msgp.AppendFloat64(b, v)
	}
	return msgp.AppendNil(b)
}

func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Run emits what was taken. A snapshot that was not emitted when the agent ends is
// lost: it cannot be read again.
func (r *records) Run(ctx context.Context, sink agent.Sink) error {
	feed := sink.Open(&agent.Source{
		ID: "sampler/" + r.kind + "/" + r.target, Collector: r.kind, Name: r.target,
		Labels: []agent.Label{{Name: "kind", Value: r.kind}, {Name: "target", Value: r.target}},
	})
	defer feed.Close(false)
	// Each run begins beyond all that a consumer has had of earlier ones.
	pos := agent.Position{Epoch: 1}
	if had := feed.Resume(); len(had) > 0 {
		pos.Epoch = had[len(had)-1].Epoch + 1
	}
	feed.Behind(0)
	for {
		p, ok := r.oldest()
		if !ok {
			select {
			case <-ctx.Done():
				return nil
			case <-r.more:
			}
			continue
		}
		if err := r.emit(ctx, feed, &pos, p); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			r.again(p)
			return err
		}
	}
}

func (r *records) oldest() (p pending, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) == 0 {
		return p, false
	}
	return r.next(), true
}

// again puts back what was not taken.
func (r *records) again(p pending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = slices.Insert(r.pending, 0, p)
	r.bytes += p.bytes
}

func (r *records) emit(ctx context.Context, feed agent.Feed, pos *agent.Position, p pending) error {
	b, err := feed.Batch(ctx)
	if err != nil {
		return err
	}
	for _, record := range p.records {
		pos.Offset++
		start := int32(len(b.Buf))
		b.Buf = append(b.Buf, record...)
		b.Records = append(b.Records, agent.Record{Time: p.at, End: pos.Offset, Body: agent.Span{Start: start, End: start}})
		b.Fields = append(b.Fields, agent.Fields{Map: agent.Span{Start: start, End: int32(len(b.Buf))}})
	}
	pos.Time = p.at
	b.Pos = *pos
	return feed.Emit(ctx, b)
}

// Meter reports what was dropped.
func (r *records) Meter(yield func(agent.Sample)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	yield(agent.Sample{
		Name: "logkeel_sampler_records_dropped_total", Help: "Records of snapshots that were dropped, for the outputs took none for long.", Type: agent.Counter,
		Labels: []agent.Label{{Name: "kind", Value: r.kind}, {Name: "target", Value: r.target}}, Value: float64(r.dropped),
	})
}
