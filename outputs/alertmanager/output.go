package alertmanager

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// saveEvery is how often that is written which a kill may lose, for it costs one
// more sending: texts, and who was told what.
const saveEvery = 5 * time.Second

// An Output sends alerts to instances of Alertmanager.
type Output struct {
	c         Config
	log       *slog.Logger
	render    renderer
	instances []*instance
	unwritten *agent.Trouble
	full      *agent.Trouble

	mu      sync.Mutex
	store   *store
	dropped uint64 // updates of alerts that were too many
	expired uint64 // alerts whose end some instance never took
}

var (
	_ agent.AlertOutput = (*Output)(nil)
	_ agent.Keeper      = (*Output)(nil)
	_ agent.Meter       = (*Output)(nil)
)

// New opens what is kept below stateDir. Config must have passed Check.
func New(c Config, stateDir string, log *slog.Logger) (*Output, error) {
	log = log.With("output", c.Name)
	o, err := newOutput(c, log)
	if err == nil {
		o.store, err = openStore(filepath.Join(stateDir, "alertmanager-"+c.Name), log)
	}
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", c.Name, err)
	}
	known := map[string]bool{}
	for _, in := range o.instances {
		known[in.key] = true
	}
	for _, e := range o.store.byID { // of instances that are configured no more
		maps.DeleteFunc(e.Told, func(key string, _ told) bool { return !known[key] })
	}
	return o, nil
}

// newOutput makes one that keeps nothing.
func newOutput(c Config, log *slog.Logger) (*Output, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	o := &Output{c: c, log: log, render: renderer{host: host}, unwritten: agent.NewTrouble(log), full: agent.NewTrouble(log)}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		o.render.labels = append(o.render.labels, agent.Label{Name: name, Value: c.Labels[name]})
	}
	hosts := map[string]int{}
	for _, text := range c.URLs {
		in, err := newInstance(&c, text, log)
		if err != nil {
			return nil, err
		}
		if hosts[in.host]++; hosts[in.host] > 1 { // behind one proxy, by path
			in.host = fmt.Sprintf("%s (%d)", in.host, hosts[in.host])
		}
		o.instances = append(o.instances, in)
	}
	return o, nil
}

// Name is the output's name.
func (o *Output) Name() string { return o.c.Name }

// Run sends alerts until ctx is done.
func (o *Output) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, in := range o.instances {
		all.Go(func() { o.serve(ctx, in) })
	}
	defer all.Wait()
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			o.sweep()
		}
	}
}

// Close writes what was not yet, after Run has ended.
func (o *Output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, in := range o.instances {
		in.client.CloseIdleConnections()
	}
	if !o.store.dirty {
		return nil
	}
	return o.save()
}

// sweep removes what every instance knows, or what was waited for long enough,
// and writes the rest.
func (o *Output) sweep() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for _, e := range o.store.all() {
		if e.Ended.IsZero() {
			continue
		}
		over := true
		for _, in := range o.instances {
			over = over && e.Told[in.key].settled()
		}
		if late := now.Sub(e.EndSeen) > giveUp; over || late {
			if !over {
				o.expired++
			}
			o.store.remove(e)
		}
	}
	if len(o.store.byID) < maxAlerts {
		o.full.Clear("there is room for alerts again")
	}
	if o.store.dirty {
		_ = o.save() // it says so, and the next round tries again
	}
}

// wake has each instance look what is due.
func (o *Output) wake() {
	for _, in := range o.instances {
		select {
		case in.woken <- struct{}{}:
		default:
		}
	}
}

// Kept says what some instance has to hear of still.
func (o *Output) Kept() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	ended := 0
	for _, e := range o.store.byID {
		if !e.Ended.IsZero() {
			ended++
		}
	}
	if ended == 0 {
		return ""
	}
	return fmt.Sprintf("%d alerts that are over", ended)
}
