package fluentd

import (
	"strings"
	"sync"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/spool"
)

const (
	maxNamed = 2000 // sources whose labels are known
	maxLost  = 1000 // series
	other    = "(other)"
)

// A sourceKey is how metrics know a source.
type sourceKey struct{ source, project, service, container string }

// losses counts the records that the spool dropped, by source and reason.
type losses struct {
	mu      sync.Mutex
	named   map[string]sourceKey // by ID
	records map[lossKey]uint64
}

type lossKey struct {
	sourceKey
	reason spool.Reason
}

// name keeps the labels of a source for when something of it is dropped.
func (l *losses) name(s *agent.Source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.named == nil || len(l.named) >= maxNamed {
		l.named = map[string]sourceKey{}
	}
	l.named[s.ID] = sourceKey{s.Collector, s.Label("project"), s.Label("service"), s.Label("container")}
}

func (l *losses) add(d spool.Drop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.named[d.Source]
	if !ok { // of a run before this one, and of a log that is no more
		k.source, _, _ = strings.Cut(d.Source, "/")
	}
	key := lossKey{k, d.Reason}
	if _, ok := l.records[key]; !ok && len(l.records) >= maxLost {
		key.sourceKey = sourceKey{other, other, other, other}
	}
	if l.records == nil {
		l.records = map[lossKey]uint64{}
	}
	l.records[key] += uint64(d.Records)
}

func (l *losses) meter(output string, yield func(agent.Sample)) {
	l.mu.Lock()
	all := make([]agent.Sample, 0, len(l.records))
	for k, n := range l.records {
		all = append(all, agent.Sample{
			Name: "logkeel_output_dropped_records_total", Help: "Records lost by the output's spool, as far as their number is known.", Type: agent.Counter, Value: float64(n),
			Labels: []agent.Label{
				{Name: "output", Value: output},
				{Name: "reason", Value: string(k.reason)},
				{Name: "source", Value: k.source},
				{Name: "project", Value: k.project},
				{Name: "service", Value: k.service},
				{Name: "container", Value: k.container},
			},
		})
	}
	l.mu.Unlock()
	for _, s := range all {
		yield(s)
	}
}
