package fluentd

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/agent/testenv"
	"github.com/webgrip/logkeel/agent/tlsconf"
)

// running starts the output and returns what stops it.
func running(t *testing.T, o *Output) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := o.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// patient is config for receivers that are real: the machine may have other things
// to do, and what is not acknowledged in time is sent again.
func patient(change func(*Config)) Config {
	return config(func(c *Config) {
		c.AckTimeout, c.ConnectTimeout = conf.Duration(time.Minute), conf.Duration(time.Minute)
		change(c)
	})
}

// TestRealReceiver sends to a receiver that is not ours, stops it meanwhile, and
// wants everything in order once.
func TestRealReceiver(t *testing.T) {
	keyed := func(c *Config) {
		c.SharedKey, c.Username, c.Password = conf.NewSecret("a key"), "agent", conf.NewSecret("a password")
	}
	users := map[string]string{"agent": "a password"}
	tests := []struct {
		name   string
		server testenv.ForwardOptions
		client func(*Config, *testenv.Forward)
	}{
		{"plain", testenv.ForwardOptions{}, func(*Config, *testenv.Forward) {}},
		{"shared key and user", testenv.ForwardOptions{SharedKey: "a key", Users: users}, func(c *Config, _ *testenv.Forward) { keyed(c) }},
		{"tls", testenv.ForwardOptions{TLS: true, ClientCert: true, SharedKey: "a key", Users: users}, func(c *Config, f *testenv.Forward) {
			keyed(c)
			c.TLS = &tlsconf.Config{CAFile: f.CAFile, CertFile: f.CertFile, KeyFile: f.KeyFile}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := testenv.ForwardReceiver(t, tt.server)
			st := newState(t)
			o, _ := st.open(patient(func(c *Config) {
				c.Address = f.Addr
				tt.client(c, f)
			}))
			running(t, o)
			src := container("a")
			n := 0
			write := func(records int) {
				t.Helper()
				b := newBatch(src, n, n+records, 100, nil)
				if err := o.Write(t.Context(), b, 0); err != nil {
					t.Fatal(err)
				}
				poison(b)
				n += records
			}
			for range 20 {
				write(100)
			}
			f.Await(n, time.Minute)
			acked := o.lanes[0].records.Load
			for acked() < uint64(n) { // what is not acknowledged would be sent again
				time.Sleep(time.Millisecond)
			}
			f.Stop()
			for range 30 {
				write(100)
			}
			if err := o.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if o.lanes[0].spool.Frames() == 0 {
				t.Error("nothing is in the spool")
			}
			write(1)
			f.Start()
			for range 10 {
				write(100)
			}
			f.Await(n, time.Minute)
			got := 0
			for e := range f.Entries() {
				if num := (event{record: e.Record}).number(); num != got {
					t.Fatalf("%d arrives; want %d", num, got)
				}
				got++
			}
			if got != n {
				t.Errorf("%d arrived; want %d", got, n)
			}
		})
	}
}

// TestFieldsOnTheWire wants each field as Fluentd's users know it from Docker's
// driver.
func TestFieldsOnTheWire(t *testing.T) {
	f := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	st := newState(t)
	o, _ := st.open(patient(func(c *Config) {
		c.Address = f.Addr
		c.Labels = conf.Strings{"team", "log", "absent"}
		c.Tag = "logs.{{.Project}}.{{.Service}}.{{.ID}}"
	}))
	running(t, o)
	src := container("a")
	file := &agent.Source{
		ID: "file//var/log/app.log", Collector: "files", Name: "/var/log/app.log",
		Labels: []agent.Label{{Name: "path", Value: "/var/log/app.log"}, {Name: "stream", Value: "mine"}},
	}
	text := "ünïcode \x00 \"quoted\" \\ \u2028"
	long := strings.Repeat("0123456789", 10_000)
	b := &agent.Batch{Source: src, Pos: agent.Position{Epoch: 1, Offset: 1}}
	add := func(body string, r agent.Record) {
		r.Body = agent.Span{Start: int32(len(b.Buf)), End: int32(len(b.Buf) + len(body))}
		b.Buf = append(b.Buf, body...)
		b.Records = append(b.Records, r)
	}
	add(text, agent.Record{Time: 1_700_000_000_123_456_789, Stream: agent.Stdout})
	add("", agent.Record{Time: 1_700_000_000_000_000_001, Stream: agent.Stderr, Flags: agent.Malformed | agent.Cut})
	add(long, agent.Record{Time: 1_700_000_000_999_999_999, Stream: agent.Stdout})
	slow := &agent.Rule{Name: "Slow", Class: "slow", Severity: "warning", File: "pack:x", Line: 3}
	b.Findings = []agent.Finding{{Rule: testRule, Record: 0, Match: agent.Span{End: int32(len(text))}}, {Rule: slow, Record: 0}, {Rule: slow, Record: 1}}
	if err := o.Write(t.Context(), b, 0); err != nil {
		t.Fatal(err)
	}
	poison(b)
	b = &agent.Batch{Source: file, Pos: agent.Position{Epoch: 1, Offset: 1}}
	add("plain", agent.Record{Time: 1_700_000_000_000_000_005})
	if err := o.Write(t.Context(), b, 0); err != nil {
		t.Fatal(err)
	}
	f.Await(4, time.Minute)

	common := map[string]any{
		"container_id": strings.Repeat("a", 64), "container_name": "/app-a-1", "container_image": "app:1",
		"compose_project": "app", "compose_service": "a", "team": "blue", "label_log": "x",
	}
	with := func(more map[string]any) map[string]any {
		m := maps.Clone(common)
		maps.Copy(m, more)
		return m
	}
	boom := map[string]any{"rule": "Boom", "class": "error", "severity": "critical", "file": "rules/boom.yaml:12", "match": text}
	slowly := map[string]any{"rule": "Slow", "class": "slow", "severity": "warning", "file": "pack:x:3", "match": ""}
	const tag = "logs.app.a.aaaaaaaaaaaa"
	want := []testenv.Entry{
		{Tag: tag, Time: 1_700_000_000_123_456_789, Record: with(map[string]any{"log": text, "stream": "stdout", "findings": []any{boom, slowly}})},
		{Tag: tag, Time: 1_700_000_000_000_000_001, Record: with(map[string]any{"log": "", "stream": "stderr", "malformed": true, "cut": true, "findings": []any{slowly}})},
		{Tag: tag, Time: 1_700_000_000_999_999_999, Record: with(map[string]any{"log": long, "stream": "stdout"})},
		{Tag: "logs...", Time: 1_700_000_000_000_000_005, Record: map[string]any{"log": "plain", "path": "/var/log/app.log", "label_stream": "mine"}},
	}
	i := 0
	for e := range f.Entries() {
		if !reflect.DeepEqual(e, want[i]) {
			t.Errorf("entry %d is\n%.500s\nwant\n%.500s", i, fmt.Sprint(e), fmt.Sprint(want[i]))
		}
		i++
	}
}
