package jobs

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// sampler is one of a configuration in YAML.
func sampler(t testing.TB, dir, text string) *Sampler {
	t.Helper()
	var c struct {
		Jobs *Config `yaml:"jobs"`
	}
	d, err := conf.Decode("agent.yaml", []byte("jobs:\n  listen: 127.0.0.1:0\n"+text), &c, conf.Options{})
	if err == nil {
		err = c.Jobs.Check(d, "jobs")
	}
	if err != nil {
		t.Fatal(err)
	}
	return New(*c.Jobs, dir, slog.New(slog.DiscardHandler))
}

// run runs a collector until the function that is returned is called.
func start(t testing.TB, c agent.Collector, sink agent.Sink) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx, sink); err != nil {
			t.Errorf("%s ended with %v", c.Name(), err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// serving is a sampler that is listened on, and its URL.
func serving(t testing.TB, dir, text string) (*Sampler, string) {
	t.Helper()
	s := sampler(t, dir, text)
	start(t, &listener{s}, nil)
	for s.Addr() == "" {
		time.Sleep(time.Millisecond)
	}
	return s, "http://" + s.Addr()
}

// samples are by name and the values of the labels.
func samples(t testing.TB, s *Sampler) (values map[string]float64, notes map[string]string) {
	t.Helper()
	values, notes = map[string]float64{}, map[string]string{}
	if err := s.Sample(t.Context(), func(one agent.Sample) {
		key := one.Name
		for _, l := range one.Labels {
			key += " " + l.Value
		}
		if _, twice := values[key]; twice {
			t.Errorf("%s comes twice", key)
		}
		values[key], notes[key] = one.Value, one.Note
	}); err != nil {
		t.Error(err)
	}
	return values, notes
}

func want(t testing.TB, got map[string]float64, wanted map[string]float64) {
	t.Helper()
	for key, v := range wanted {
		if g, ok := got[key]; !ok || g != v {
			t.Errorf("%s is %v (%v), want %v", key, g, ok, v)
		}
	}
}

// ledger is what is on the disk.
func ledger(t testing.TB, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "jobs.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A sink keeps the lines that it is given, each with its source.
type sink struct {
	agent.Sink
	mu    sync.Mutex
	lines []string
	at    map[string]agent.Position
}

func newSink() *sink { return &sink{at: map[string]agent.Position{}} }

func (s *sink) Open(src *agent.Source) agent.Feed { return &feed{s: s, src: src} }

func (s *sink) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// await waits until it has so many lines.
func (s *sink) await(t testing.TB, n int) string {
	t.Helper()
	for range 6000 {
		s.mu.Lock()
		have := len(s.lines)
		s.mu.Unlock()
		if have >= n {
			return s.got()
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d lines did not come, but\n%s", n, s.got())
	return ""
}

type feed struct {
	agent.Feed
	s   *sink
	src *agent.Source
}

func (f *feed) Resume() []agent.Position {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if p, ok := f.s.at[f.src.ID]; ok {
		return []agent.Position{p}
	}
	return nil
}
func (f *feed) Behind(int64)         {}
func (f *feed) Close(bool)           {}
func (f *feed) Release(*agent.Batch) {}
func (f *feed) Batch(context.Context) (*agent.Batch, error) {
	return &agent.Batch{Source: f.src}, nil
}

func (f *feed) Emit(_ context.Context, b *agent.Batch) error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	for i := range b.Records {
		f.s.lines = append(f.s.lines, strings.TrimSpace(f.src.ID+" "+b.Records[i].Stream.String())+": "+string(b.Body(i)))
	}
	if !f.s.at[f.src.ID].Before(b.Pos) {
		f.s.lines = append(f.s.lines, "a position goes back")
	}
	f.s.at[f.src.ID] = b.Pos
	return nil
}

func status(t testing.TB, r *http.Response, err error) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}
