package collectors

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// lineSink takes one line and its source.
type lineSink struct {
	src  *agent.Source
	line chan string
}

func (s *lineSink) Open(src *agent.Source) agent.Feed {
	s.src = src
	return s
}
func (s *lineSink) Snapshot(string, []agent.Sample) {}
func (s *lineSink) Known(string) bool               { return false }
func (s *lineSink) Remember(string)                 {}
func (s *lineSink) Resume() []agent.Position        { return nil }
func (s *lineSink) Gap()                            {}
func (s *lineSink) Safe() agent.Position            { return agent.Position{} }
func (s *lineSink) Batch(context.Context) (*agent.Batch, error) {
	return &agent.Batch{Source: s.src}, nil
}
func (s *lineSink) Release(*agent.Batch) {}
func (s *lineSink) Behind(int64)         {}
func (s *lineSink) Close(bool)           {}

func (s *lineSink) Emit(_ context.Context, b *agent.Batch) error {
	s.line <- string(b.Body(0))
	return nil
}

func build(t *testing.T, units []agent.CollectorUnit) (all []agent.Collector) {
	t.Helper()
	for _, u := range units {
		built, err := u.Build()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, built...)
	}
	return all
}

// What the configuration says reaches the collector: paths relative to its
// folder, labels, and what is to be left out.
func TestBuild(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"logs/app.log", "logs/left-out.log"} {
		os.MkdirAll(filepath.Join(dir, "logs"), 0o700)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var c Config
	d, err := conf.Decode("agent.yaml", []byte(`
docker: {root: /nowhere, host: unix:///nowhere.sock}
files:
  - name: laravel
    paths: logs/*.log
    exclude: logs/left*
    labels: {service: app}
`), &c, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(d); err != nil {
		t.Fatal(err)
	}
	all := build(t, Units(c, dir, t.TempDir(), slog.New(slog.DiscardHandler)))
	names := map[string]bool{}
	for _, c := range all {
		if names[c.Name()] {
			t.Errorf("two collectors are called %s", c.Name())
		}
		names[c.Name()] = true
	}
	if len(all) != 4 || !names["laravel"] || !names["docker-api"] {
		t.Fatalf("built %v", names)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &lineSink{line: make(chan string, 2)}
	done := make(chan error)
	go func() { done <- all[3].Run(ctx, s) }()
	if got := <-s.line; got != "logs/app.log" {
		t.Errorf("read %q", got)
	}
	stop()
	<-done
	if len(s.line) > 0 {
		t.Errorf("read %q as well", <-s.line)
	}
	if s.src.Label("service") != "app" || s.src.Label("source") != "laravel" || s.src.Label("path") != filepath.Join(dir, "logs/app.log") {
		t.Errorf("labels %v", s.src.Labels)
	}
}

// Logs are read from files, from the engine's API, or from both.
func TestDockerLogs(t *testing.T) {
	for logs, want := range map[string]string{
		"":             "docker-engine docker docker-api",
		", logs: file": "docker-engine docker",
		", logs: api":  "docker-engine docker-api",
		", logs: tcp":  `agent.yaml:1: docker.logs: "tcp" is none of auto, file and api`,
	} {
		var c struct {
			Collectors Config `yaml:"collectors"`
		}
		d, err := conf.Decode("agent.yaml", []byte("collectors: {docker: {host: 'unix:///nowhere.sock'"+logs+"}}"), &c, conf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Collectors.Check(d); err != nil {
			if want = strings.ReplaceAll(want, "docker.logs", "collectors.docker.logs"); !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got %v, want %s", logs, err, want)
			}
			continue
		}
		all := build(t, Units(c.Collectors, t.TempDir(), t.TempDir(), slog.New(slog.DiscardHandler)))
		var names []string
		for _, c := range all {
			names = append(names, c.Name())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: built %s, want %s", logs, got, want)
		}
	}
}
