package statuspage

import (
	"maps"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// maxSamples bounds the samples of one metric that are looked at.
const maxSamples = 5000

// samples are by metric.
type samples map[string][]agent.Sample

// collect takes what the page shows.
func collect(meter func(yield func(agent.Sample))) samples {
	all := samples{}
	meter(func(s agent.Sample) {
		if shown(s.Name) && len(all[s.Name]) < maxSamples {
			all[s.Name] = append(all[s.Name], s)
		}
	})
	return all
}

// shown leaves out what there may be much of and the page has not: findings are
// taken from the history, and of servers only what is named below.
func shown(metric string) bool {
	if rest, ok := strings.CutPrefix(metric, "logkeel_"); ok {
		return !strings.HasPrefix(rest, "findings_") && !strings.HasPrefix(rest, "container_") && !strings.HasPrefix(rest, "mysql_table") &&
			!strings.HasPrefix(rest, "mysql_index") || metric == running
	}
	return foreign[metric]
}

// foreign are the metrics that other exporters have as well.
var foreign = func() map[string]bool {
	all := maps.Clone(statementMetrics)
	for _, kind := range values {
		for _, v := range kind {
			all[v.metric] = true
		}
	}
	for _, up := range ups {
		all[up] = true
	}
	return all
}()

// running is whether a container does.
const running = "logkeel_container_running"

// label is "" where there is none.
func label(s agent.Sample, name string) string {
	for _, l := range s.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// is reports whether the sample has these labels, as name and value.
func is(s agent.Sample, labels ...string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		if label(s, labels[i]) != labels[i+1] {
			return false
		}
	}
	return true
}

// sum adds up those with the labels; there is false where there is none.
func (a samples) sum(metric string, labels ...string) (sum float64, there bool) {
	for _, s := range a[metric] {
		if is(s, labels...) {
			sum, there = sum+s.Value, true
		}
	}
	return sum, there
}

// most is the greatest of them, and its note.
func (a samples) most(metric string, labels ...string) (most float64, note string, there bool) {
	for _, s := range a[metric] {
		if is(s, labels...) && (!there || s.Value > most) {
			most, note, there = s.Value, s.Note, true
		}
	}
	return most, note, there
}
