package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/history"
	"github.com/webgrip/logkeel/agent/silence"
	"github.com/webgrip/logkeel/agent/tap"
	"github.com/webgrip/logkeel/collectors"
	"github.com/webgrip/logkeel/outputs"
	"github.com/webgrip/logkeel/rules"
)

// changePoll is how often files are looked at. A change counts once it has
// stayed the same for as long: an editor may write a file in steps.
const changePoll = 2 * time.Second

// A runner is an agent that runs, and the configuration that it has.
type runner struct {
	loaded *loaded
	tried  *loaded // what was read last, right or wrong: its files are watched
	log    *slog.Logger
	level  *slog.LevelVar
	ledger *agent.Ledger
	dir    string // state_dir
	quiet  *silence.Watch
	tap    *tap.Hub
	began  time.Time
	agent  *agent.Agent
	rules  atomic.Pointer[rules.Set]
	alerts atomic.Pointer[rules.Alerts]

	manager *serviceManager
	history *history.History // what the status page draws
	ended   history.Alerts   // and the alerts that were over last

	mu    sync.Mutex
	inUse *loaded   // loaded, for who else looks at it
	last  time.Time // when a configuration was last taken
	bad   error     // why the newest one was not
}

// parts is what the agent is to consist of.
func (r *runner) parts(l *loaded) agent.Parts {
	return agent.Parts{
		Log: r.log, Ledger: r.ledger,
		Rules: agent.RulesUnit{Section: l.rules.Section(), Build: func(to []agent.AlertOutput, before agent.Alerter) (agent.Matcher, agent.Alerter, error) {
			return r.judge(l.rules, to, before)
		}},
		Collectors: collectors.Units(l.Collectors, l.baseDir, r.dir, r.log),
		Outputs: outputs.Units(l.Outputs, outputs.Env{
			Ledger: r.ledger, StateDir: r.dir, Silences: r.quiet, Log: r.log, Meter: r.meter, Page: r.page(), Started: r.began,
			Health: func(yield func(agent.Sample)) { r.agent.MeterSelf(yield) },
		}),
		ShutdownTimeout: time.Duration(l.ShutdownTimeout),
		Self:            r.meterConfig,
	}
}

func (r *runner) judge(set *rules.Set, to []agent.AlertOutput, before agent.Alerter) (agent.Matcher, agent.Alerter, error) {
	old, _ := before.(*rules.Alerts)
	alerts, err := rules.NewAlerts(set, rules.AlertOptions{
		Ledger: r.ledger, Dir: r.dir, Outputs: to, Log: r.log, Before: old,
		Told: func(due []agent.Alert) {
			r.tap.Alerts(due)
			r.ended.Take(due)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	r.rules.Store(set)
	r.alerts.Store(alerts)
	return set, alerts, nil
}

// meter reports the agent and what it was configured with.
func (r *runner) meter(yield func(agent.Sample)) {
	yield(buildInfo())
	r.meterConfig(yield)
	r.rules.Load().Meter(yield)
	r.quiet.Meter(yield)
	r.tap.Meter(yield)
	r.agent.Meter(yield)
}

// meterConfig reports whether the configuration is the newest one.
func (r *runner) meterConfig(yield func(agent.Sample)) {
	r.mu.Lock()
	last, good, why := r.last, 1.0, ""
	if r.bad != nil {
		good, why = 0, agent.Note(r.bad)
	}
	r.mu.Unlock()
	yield(agent.Sample{Name: "logkeel_config_last_reload_successful", Help: "Whether the newest configuration is the one that the agent has.", Value: good, Note: why})
	yield(agent.Sample{Name: "logkeel_config_last_reload_success_timestamp_seconds", Help: "When the agent took the configuration that it has.", Value: float64(last.Unix())})
}

func (r *runner) reloaded(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad = err; err == nil {
		r.last, r.inUse = time.Now(), r.loaded
	}
}

// status is the agent in a line.
func (r *runner) status() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad != nil {
		return "runs; the newest configuration is wrong and not taken, see the log"
	}
	return fmt.Sprintf("runs with %d rules", len(r.rules.Load().Rules()))
}

// watch reloads at each signal and, where that is wanted, when a file changes.
func (r *runner) watch(ctx context.Context, hup <-chan os.Signal) {
	tick := time.NewTicker(changePoll)
	defer tick.Stop()
	var before []fileStand
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		case <-tick.C:
			now := r.tried.stand()
			steady := slices.Equal(now, before)
			before = now
			if !steady || slices.Equal(now, r.tried.files) || !r.loaded.ReloadOnChange {
				continue
			}
		}
		r.manager.reloading()
		err := r.reload(ctx)
		if ctx.Err() != nil {
			return
		}
		r.reloaded(err)
		r.manager.ready(r.status())
		if err != nil {
			r.log.Error("the new configuration is not taken, the old one stays", "config", r.loaded.doc.File, "error", err)
		}
	}
}

// A fileStand tells whether a file has changed.
type fileStand struct {
	path     string
	inode    uint64
	size     int64
	modified time.Time
}

// stand is how agent.yaml and the rule files are now.
func (l *loaded) stand() []fileStand {
	return stand(append([]string{l.files[0].path}, rules.Files(l.Rules, l.baseDir)...)...)
}

func stand(paths ...string) []fileStand {
	all := make([]fileStand, 0, len(paths))
	for _, p := range paths {
		s := fileStand{path: p}
		if info, err := os.Stat(p); err == nil {
			s.size, s.modified = info.Size(), info.ModTime()
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				s.inode = st.Ino
			}
		}
		all = append(all, s)
	}
	return all
}

// reload reads everything again and gives it to the agent.
func (r *runner) reload(ctx context.Context) error {
	old := r.loaded
	l, err := read(old.doc.File)
	if l != nil {
		r.tried = l
	}
	if err != nil {
		return err
	}
	if err := l.fits(old); err != nil {
		return err
	}
	if err := r.agent.Reload(ctx, r.parts(l)); err != nil {
		return err
	}
	r.loaded = l
	r.level.Set(l.level)
	r.sayLeftovers(l)
	r.log.Info("the configuration was reloaded", "config", l.doc.File, "rules", len(l.rules.Rules()))
	return nil
}

// fits says what a running agent cannot change.
func (l *loaded) fits(old *loaded) error {
	var errs []error
	if l.StateDir != old.StateDir {
		errs = append(errs, l.doc.Errorf("state_dir", "restart the agent", "it is %s while the agent runs", old.StateDir))
	}
	if l.Log.Format != old.Log.Format {
		errs = append(errs, l.doc.Errorf("log.format", "restart the agent", "it is %s while the agent runs", old.Log.Format))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("it needs a restart: %w", err)
	}
	return nil
}
