package integrity

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/printable"
)

// A record is the fields of a finding, or of how many there are beside those that
// have one of their own.
type record []agent.Field

// record keeps a batch until its records are taken.
func (st *status) record(b *batch, now time.Time) {
	more := b.counts
	for _, f := range b.findings {
		more[f.kind]--
		st.keep(f.record())
	}
	if b.total() == len(b.findings) {
		return
	}
	r := record{{Name: "time", Value: now.UTC().Format(time.RFC3339Nano)}, {Name: "finding", Value: "more"}}
	for k, n := range more {
		if n > 0 {
			r = append(r, agent.Field{Name: kind(k).String(), Value: int64(n)})
		}
	}
	st.keep(r)
}

func (st *status) keep(r record) {
	if len(st.pending) >= maxPending {
		st.lost++
		return
	}
	st.pending = append(st.pending, r)
}

// Records yields how the files are, and what was found since it was last called.
func (s *Sampler) Records(yield func([]agent.Field)) {
	s.mu.Lock()
	all, lost := s.status.pending, s.status.lost
	s.status.pending, s.status.lost = nil, 0
	how := s.status.fields(s.now())
	s.mu.Unlock()
	yield(how)
	for _, r := range all {
		yield(r)
	}
	if lost > 0 {
		yield(record{{Name: "finding", Value: "more"}, {Name: "records", Value: int64(lost)}})
	}
}

// fields are the metrics, without those that are of one path.
func (st *status) fields(now time.Time) (r record) {
	samples, _ := st.samples(now)
	for _, s := range samples {
		switch len(s.Labels) {
		case 0:
			r = append(r, agent.Field{Name: s.Name, Value: s.Value})
		case 1: // the type of what everybody may write
			r = append(r, agent.Field{Name: s.Name + "_" + s.Labels[0].Value, Value: s.Value})
		}
	}
	return r
}

func (f *finding) record() record {
	r := record{
		{Name: "time", Value: f.at.UTC().Format(time.RFC3339Nano)},
		{Name: "finding", Value: f.kind.String()},
		{Name: "path", Value: printable.Line(f.path)},
	}
	return slices.Concat(r, f.old.fields("old_"), f.new.fields("new_"))
}

func (s *state) fields(prefix string) record {
	if s == nil {
		return nil
	}
	r := record{
		{Name: prefix + "mode", Value: fmt.Sprintf("%04o", s.perm())},
		{Name: prefix + "uid", Value: int64(s.uid)},
		{Name: prefix + "gid", Value: int64(s.gid)},
	}
	if s.isFolder() {
		return r
	}
	r = append(r,
		agent.Field{Name: prefix + "size", Value: s.size},
		agent.Field{Name: prefix + "mtime", Value: time.Unix(0, s.mtime).UTC().Format(time.RFC3339Nano)},
	)
	if s.hash != nil {
		r = append(r, agent.Field{Name: prefix + "sha256", Value: hex.EncodeToString(s.hash[:])})
	}
	return r
}
