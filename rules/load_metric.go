package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/rules/fields"
	"go.yaml.in/yaml/v4"
)

const (
	defaultMetricSeries = 200
	maxMetricSeries     = 10_000
	maxBuckets          = 100
)

type metricSpec struct {
	Name      string       `yaml:"name"`       // name of the metric for Prometheus; that of a counter ends in _total; needed
	Help      string       `yaml:"help"`       // help text of the metric; empty: the rule's summary
	Counter   counted      `yaml:"counter"`    // true counts findings; the name of a named group adds up what it found
	Gauge     string       `yaml:"gauge"`      // named group whose last value the metric has
	Histogram string       `yaml:"histogram"`  // named group whose values are counted in buckets
	Buckets   []level      `yaml:"buckets"`    // upper bounds of the histogram, ascending, 100 at most; none: Prometheus's own, 0.005 to 10
	Labels    conf.Strings `yaml:"labels"`     // named groups, fields or labels of the log that become labels of the metric
	MaxSeries int          `yaml:"max_series"` // most series of the metric, 1 to 10000; the rest is added up in one
}

// SetDefaults makes conf fill in what a metric need not say.
func (m *metricSpec) SetDefaults() { m.MaxSeries = defaultMetricSeries }

// counted is true, or the name of the group that is added.
type counted string

// UnmarshalYAML reads true or a name.
func (c *counted) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.Value == "false" {
		return &conf.Error{Line: n.Line, Msg: "expected true or a named group", Hint: "write true to count findings, or the name of the group to add up"}
	}
	*c = counted(n.Value)
	return nil
}

// JSONSchema is the form that UnmarshalYAML reads.
func (counted) JSONSchema() string {
	return `{"title": "true or a named group", "anyOf": [{"enum": [true]}, {"type": ["string", "number"], "minLength": 1, "not": {"enum": ["false"]}}]}`
}

// metric reads what the rule's findings are for Prometheus, after its expressions.
func (p *problems) metric(spec *ruleSpec, l *loaded) {
	l.policy.quiet = !spec.Alert
	if !spec.Alert {
		const hint = "remove it, or alert: false"
		p.refuse(
			misfit{"threshold", "the rule makes no alerts", hint}, misfit{"window", "the rule makes no alerts", hint},
			misfit{"spike", "the rule makes no alerts", hint}, misfit{"by", "the rule makes no alerts", hint},
			misfit{"cooldown", "the rule makes no alerts", hint}, misfit{"absent", "the rule makes no alerts", hint},
		)
		l.policy.byLog, l.policy.by = true, nil
	}
	if spec.Metric == nil {
		return
	}
	s := spec.Metric
	u := &metricUse{metric: &metric{name: s.Name, help: cmp.Or(strings.TrimSpace(s.Help), l.rule.Summary, "Findings of rules."), max: s.MaxSeries}}
	p.metricName(s)
	p.metricKind(s, u)
	if u.value != "" {
		p.metricValue(u.value, l)
	}
	p.metricLabels(s, u, l)
	if s.MaxSeries < 1 || s.MaxSeries > maxMetricSeries {
		p.say("metric.max_series", "use 1 to 10000", "%d is out of range", s.MaxSeries)
	}
	u.metric = p.shared(s, u.metric)
	l.metric = u
}

// Reserved reports whether metrics whose names begin as this one are the agent's, or
// those of its samplers and the exporters that they stand in for: two of one name
// would spoil the page.
func Reserved(name string) bool {
	prefix, _, _ := strings.Cut(name, "_")
	switch prefix {
	case "logkeel", "go", "process", "promhttp", "scrape", "mysql", "redis", "probe", "container", "machine", "node", "pg":
		return true
	}
	return false
}

func (p *problems) metricName(s *metricSpec) {
	const field = "metric.name"
	switch {
	case !isMetric(s.Name):
		p.say(field, "use letters, digits and _, as shop_request_seconds", "%s is not the name of a metric", quote(s.Name))
	case Reserved(s.Name):
		p.say(field, "begin it with your application's name, as shop_", "%s begins as metrics of the agent or its samplers do", quote(s.Name))
	case s.Counter != "" && !strings.HasSuffix(s.Name, "_total"):
		p.say(field, "write "+s.Name+"_total", "a counter's name ends in _total")
	}
}

func (p *problems) metricKind(s *metricSpec, u *metricUse) {
	kinds := 0
	if s.Counter != "" {
		kinds++
		u.metric.kind = agent.Counter
		if s.Counter != "true" {
			u.value = string(s.Counter)
		}
	}
	if s.Gauge != "" {
		kinds++
		u.metric.kind, u.value = agent.Gauge, s.Gauge
	}
	if s.Histogram != "" {
		kinds++
		u.metric.kind, u.value = agent.Histogram, s.Histogram
		u.metric.buckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	}
	if kinds != 1 {
		p.say("metric", "write counter: true, gauge: GROUP or histogram: GROUP", "a metric is one of counter, gauge and histogram")
	}
	if s.Buckets == nil {
		return
	}
	u.metric.buckets = nil
	for i, b := range s.Buckets {
		if i > 0 && b <= s.Buckets[i-1] {
			p.say("metric.buckets", "write them from the least to the greatest", "%s is not above the one before", formatNumber(float64(b)))
		}
		u.metric.buckets = append(u.metric.buckets, float64(b))
	}
	if s.Histogram == "" || len(s.Buckets) == 0 || len(s.Buckets) > maxBuckets {
		p.say("metric.buckets", "use 1 to 100 of them in a histogram, or remove them", "buckets are a histogram's upper limits")
	}
}

// metricValue judges the name of the group, or the field, that has the value.
func (p *problems) metricValue(name string, l *loaded) {
	if l.format != fields.None {
		if err := p.unknown(name, l); err != nil {
			p.say("metric", err.hint, "%s", err.msg)
		}
		return
	}
	if slices.ContainsFunc(l.match, func(e *expr) bool { return e.Regexp().SubexpIndex(name) < 0 }) {
		p.say("metric", "give each expression under match that group", "%s is no named group of each expression", quote(name))
	}
}

func (p *problems) metricLabels(s *metricSpec, u *metricUse, l *loaded) {
	names := slices.Sorted(slices.Values(s.Labels))
	for _, name := range names {
		exported := strings.Map(func(r rune) rune {
			if r == '.' || r == '-' || r == '/' {
				return '_'
			}
			return r
		}, name)
		switch {
		case !isMetric(exported) || strings.Contains(exported, ":") || strings.HasPrefix(exported, "__") || exported == "le" || exported == "quantile":
			p.say("metric.labels", "use letters, digits and _, and not le", "%s cannot be a label", quote(name))
		case slices.Contains(u.metric.labels, exported):
			p.say("metric.labels", "remove one of them", "%s is given twice", quote(name))
		default:
			u.metric.labels = append(u.metric.labels, exported)
			u.labels = append(u.labels, keyPart{name: name, group: hasGroup(l.match, name) || countsByField(name, l.format)})
		}
	}
}

// shared returns the metric of that name that another rule adds to, if it is the same.
func (p *problems) shared(s *metricSpec, m *metric) *metric {
	if p.metrics == nil {
		p.metrics = map[string]*metric{}
	}
	for name, o := range p.metrics {
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			if m.kind == agent.Histogram && name == m.name+part || o.kind == agent.Histogram && m.name == name+part {
				p.say("metric.name", "give one of them another name", "%s is a part of a histogram", quote(max(name, m.name)))
			}
		}
	}
	o := p.metrics[m.name]
	switch {
	case o == nil:
		m.index = len(p.metrics)
		p.metrics[m.name] = m
		return m
	case !o.same(m), s.Help != "" && m.help != o.help:
		p.say("metric.name", "make them the same, or give one of them another name", "another rule has a metric %s with another type, help, labels, buckets or max_series", quote(m.name))
	}
	return o
}
