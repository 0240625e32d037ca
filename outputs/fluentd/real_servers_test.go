package fluentd

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// TestRealServers sends to two receivers that are not ours, with TLS and a key
// each, breaks one off under load, and wants every record from the two together.
func TestRealServers(t *testing.T) {
	keys := []string{"the first key", "the second key"}
	var servers [2]*testenv.Forward
	var authorities []byte
	for i := range servers {
		servers[i] = testenv.ForwardReceiver(t, testenv.ForwardOptions{TLS: true, SharedKey: keys[i]})
		pem, err := os.ReadFile(servers[i].CAFile)
		if err != nil {
			t.Fatal(err)
		}
		authorities = append(authorities, pem...)
	}
	ca := filepath.Join(t.TempDir(), "both.pem")
	if err := os.WriteFile(ca, authorities, 0o600); err != nil {
		t.Fatal(err)
	}
	st := newState(t)
	o, _ := st.open(patient(func(c *Config) {
		c.Address = ""
		c.Servers = []Server{
			{Address: servers[0].Addr, Weight: standardWeight},
			{Address: servers[1].Addr, Weight: standardWeight, SharedKey: conf.NewSecret(keys[1])},
		}
		c.SharedKey = conf.NewSecret(keys[0])
		c.TLS = &tlsconf.Config{CAFile: ca}
	}))
	running(t, o)
	sources := oneForEach(t, o)
	n := 0
	write := func(batches int) {
		t.Helper()
		for range batches {
			for _, src := range sources {
				b := newBatch(src, n, n+50, 100, nil)
				if err := o.Write(t.Context(), b, 0); err != nil {
					t.Fatal(err)
				}
				poison(b)
			}
			n += 50
		}
	}
	write(40)
	for _, f := range servers {
		f.Await(n, 60*time.Second)
	}
	write(40)
	servers[1].Stop()
	write(40)
	acked := func(i int) uint64 { return o.servers[i].records.Load() }
	for start := time.Now(); acked(0)+acked(1) < uint64(2*n); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("%d and %d of %d are acknowledged\n%s", acked(0), acked(1), 2*n, st.log)
		}
	}
	got := [2]map[int]bool{{}, {}}
	for _, f := range servers {
		for e := range f.Entries() {
			i := slices.IndexFunc(sources[:], func(s *agent.Source) bool { return s.Container.Service == e.Record["compose_service"] })
			got[i][event{record: e.Record}.number()] = true
		}
	}
	if len(got[0]) != n || len(got[1]) != n {
		t.Errorf("%d and %d of %d arrived", len(got[0]), len(got[1]), n)
	}
	if acked(1) == 0 || acked(0) <= uint64(n) {
		t.Errorf("%d and %d are acknowledged: nobody stood in for anybody", acked(0), acked(1))
	}
}

// oneForEach is a source for each of the two lanes.
func oneForEach(t *testing.T, o *Output) (sources [2]*agent.Source) {
	t.Helper()
	for i := range 1000 {
		src := container("s" + strconv.Itoa(i))
		sources[slices.Index(o.lanes, o.laneFor(src.ID))] = src
		if sources[0] != nil && sources[1] != nil {
			return sources
		}
	}
	t.Fatal("one of the lanes gets nothing")
	return sources
}
