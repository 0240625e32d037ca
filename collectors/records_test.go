package collectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/webgrip/logkeel/agent"
)

func asJSON(t *testing.T, p pending) string {
	t.Helper()
	var lines []string
	for _, r := range p.records {
		var b bytes.Buffer
		if _, err := msgp.UnmarshalAsJSON(&b, r); err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, b.Bytes()); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, compact.String())
	}
	return strings.Join(lines, "\n")
}

func snapshot(n int) agent.Snapshot {
	return agent.Snapshot{At: time.Unix(int64(n), 0), Samples: []agent.Sample{{Name: "a", Value: float64(n), Labels: []agent.Label{{Name: "target", Value: "t"}}}}}
}

// Samples with the same labels are one record, and what failed is said in each.
func TestRecordsOfSamples(t *testing.T) {
	r := newRecords("redis", "cache", nil)
	target := agent.Label{Name: "target", Value: "cache"}
	db := agent.Label{Name: "db", Value: "db\xff0"}
	r.take(agent.Snapshot{At: time.Unix(1, 0), Err: errors.New("no rights"), Samples: []agent.Sample{
		{Name: "redis_up", Value: 1, Labels: []agent.Label{target}},
		{Name: "redis_db_keys", Value: 7, Labels: []agent.Label{target, db}},
		{Name: "redis_clients", Value: 2.5, Labels: []agent.Label{target}},
		{Name: "redis_db_keys_expiring", Value: 3, Labels: []agent.Label{target, db}},
	}})
	p, _ := r.oldest()
	want := `{"kind":"redis","target":"cache","redis_up":1,"redis_clients":2.5,"error":"no rights"}
{"kind":"redis","target":"cache","db":"db` + "\uFFFD" + `0","redis_db_keys":7,"redis_db_keys_expiring":3,"error":"no rights"}`
	if got := asJSON(t, p); got != want {
		t.Errorf("records are\n%s\nwant\n%s", got, want)
	}
	r.take(agent.Snapshot{Err: errors.New("gone")})
	p, _ = r.oldest()
	if got, want := asJSON(t, p), `{"kind":"redis","target":"cache","error":"gone"}`; got != want {
		t.Errorf("of nothing the record is %s, want %s", got, want)
	}
}

type recorder struct{ agent.Sampler }

func (recorder) Records(yield func([]agent.Field)) {
	yield([]agent.Field{{Name: "kind", Value: "mine"}, {Name: "s", Value: "x"}, {Name: "b", Value: true}, {Name: "i", Value: int64(-1)}, {Name: "u", Value: uint64(1)}, {Name: "f", Value: 0.5}, {Name: "o", Value: []int{}}, {Name: "s", Value: "y"}})
}

// A sampler may say itself what its records are.
func TestRecordsOfItsOwn(t *testing.T) {
	r := newRecords("http", "page", recorder{})
	r.take(snapshot(1))
	p, _ := r.oldest()
	if got, want := asJSON(t, p), `{"kind":"http","target":"page","s":"x","b":true,"i":-1,"u":1,"f":0.5,"o":null}`; got != want {
		t.Errorf("the record is %s, want %s", got, want)
	}
}

type silent struct{ agent.Sampler }

func (silent) Records(func([]agent.Field)) {}

// One that has nothing to say makes no record, but where it failed.
func TestRecordsOfNothing(t *testing.T) {
	r := newRecords("jobs", "jobs", silent{})
	r.take(snapshot(1))
	if p, ok := r.oldest(); ok {
		t.Errorf("the record is %s", asJSON(t, p))
	}
	r.take(agent.Snapshot{Err: errors.New("gone")})
	p, _ := r.oldest()
	if got, want := asJSON(t, p), `{"kind":"jobs","target":"jobs","error":"gone"}`; got != want {
		t.Errorf("the record is %s, want %s", got, want)
	}
}

// What nobody takes does not grow without bound; the newest is kept.
func TestRecordsThatNobodyTakes(t *testing.T) {
	r := newRecords("mysql", "db", nil)
	large := snapshot(0)
	large.Samples[0].Labels[0] = agent.Label{Name: "digest", Value: strings.Repeat("x", 1<<20)}
	for n := range 20 {
		large.At = time.Unix(int64(n), 0)
		r.take(large)
	}
	if r.bytes > maxPending || len(r.pending) != 3 || r.dropped != 17 {
		t.Errorf("%d bytes of %d snapshots are kept, %d records are dropped", r.bytes, len(r.pending), r.dropped)
	}
	many := agent.Snapshot{}
	for n := range 3 * maxRecords {
		many.Samples = append(many.Samples, agent.Sample{Name: "a", Labels: []agent.Label{{Name: "n", Value: fmt.Sprint(n)}}})
	}
	r = newRecords("mysql", "db", nil)
	r.take(many)
	if p, _ := r.oldest(); len(p.records) != maxRecords {
		t.Errorf("one snapshot makes %d records, want %d at most", len(p.records), maxRecords)
	}
}
