package collectors

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/collectors/docker"
	"github.com/webgrip/logkeel/collectors/forward"
	"github.com/webgrip/logkeel/collectors/jobs"
	"github.com/webgrip/logkeel/collectors/tail"
)

// Checkups are the parts of the section, each with what it says of itself. The
// folders are those of Units. None of them runs, or writes to stateDir. running says
// that an agent with this configuration does.
func Checkups(c Config, baseDir, stateDir string, running bool) []agent.Checkup {
	log := slog.New(slog.DiscardHandler)
	var all []agent.Checkup
	add := func(kind, name string, timeout time.Duration, look func(ctx context.Context, report func(agent.Diagnosis))) {
		all = append(all, agent.Checkup{Part: "collector", Kind: kind, Name: name, Look: look, Timeout: timeout})
	}
	if c.Docker != nil {
		add("docker", "", 0, func(ctx context.Context, report func(agent.Diagnosis)) { c.diagnoseDocker(ctx, baseDir, log, report) })
	}
	for _, f := range c.Files {
		add("files", f.Name, 0, func(ctx context.Context, report func(agent.Diagnosis)) { f.tail(baseDir, log).Diagnose(ctx, report) })
	}
	for i := range c.Forward {
		fc := c.Forward[i].Config
		add("forward", fc.Name, 0, func(ctx context.Context, report func(agent.Diagnosis)) { forward.Diagnose(ctx, fc, running, report) })
	}
	if c.Jobs != nil {
		jc := c.Jobs.Config
		add("jobs", jc.Name, 0, func(ctx context.Context, report func(agent.Diagnosis)) { jobs.Diagnose(ctx, jc, running, report) })
	}
	for _, t := range c.targets() {
		if t.kind == "jobs" { // whose sampler is the agent's own book
			continue
		}
		add(t.kind, t.name, time.Duration(t.how.Timeout), func(ctx context.Context, report func(agent.Diagnosis)) {
			t.diagnose(ctx, &places{baseDir, stateDir, log}, report)
		})
	}
	return all
}

// diagnose lets the section say how it does, or its sampler, or else takes a snapshot.
func (t *target) diagnose(ctx context.Context, at *places, report func(agent.Diagnosis)) {
	if t.look != nil {
		t.look(ctx, report)
		return
	}
	s, err := t.build(at)
	if err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	defer s.Close()
	if d, ok := s.(agent.Diagnoser); ok {
		d.Diagnose(ctx, report)
		return
	}
	agent.DiagnoseSampler(ctx, s, nil, report)
}

func (c *Config) diagnoseDocker(ctx context.Context, baseDir string, log *slog.Logger, report func(agent.Diagnosis)) {
	dc := c.Docker.Config
	dc.Root = absolute(baseDir, []string{dc.Root})[0]
	engine, err := docker.New(dc, log)
	if err != nil {
		report(agent.Explained(agent.Failed, "configuration", "it cannot be made", err))
		return
	}
	var files []*tail.Tail
	for i := range c.Files {
		files = append(files, c.Files[i].tail(baseDir, log))
	}
	engine.Diagnose(ctx, docker.Examination{Logs: c.Docker.Logs, Root: dc.Root, Tailed: func(path string) bool {
		for _, t := range files {
			if t.Reads(path) {
				return true
			}
		}
		return false
	}}, report)
	for _, r := range c.Docker.logs(engine, dc.Root, log) {
		if t, ok := r.(*tail.Tail); ok {
			t.Diagnose(ctx, func(d agent.Diagnosis) {
				if d.Health >= agent.Warned && d.Cause != "files_none" { // the engine's own answers say the rest
					report(d)
				}
			})
		}
	}
	if s := c.Docker.Stats; s != nil {
		report(agent.Diagnosis{What: fmt.Sprintf("containers are measured each %s", s.Interval)})
	}
}
