package rules

import (
	"cmp"
	"slices"
	"strings"

	"github.com/webgrip/logkeel/agent"
)

// busyPercent is from how much CPU on a container is worth telling of, where the
// alert is about another one.
const busyPercent = 10

// shownStatements is how many statements are told of a server.
const shownStatements = 3

// A survey collects what is told of one snapshot.
type survey struct {
	facts      []fact
	values     map[string]float64 // by metric, of those that are one series
	target     []agent.Label      // of these
	phases     []agent.Sample
	statements map[string]*statement // by digest and schema
	containers map[string]*container // by name
	evicted    float64
	gap        float64
}

type statement struct {
	labels            []agent.Label
	text              string
	recent, mean, max float64
}

type container struct {
	labels []agent.Label
	values map[string]float64
	health string
}

// takers are the metrics of which something is told, beside all that end in _up.
var takers = map[string]func(*survey, *agent.Sample){
	"logkeel_mysql_statement_seconds_avg":       (*survey).mean,
	"logkeel_mysql_statement_seconds_recent":    func(v *survey, s *agent.Sample) { v.statement(s).recent = s.Value },
	"logkeel_mysql_statement_seconds_max":       func(v *survey, s *agent.Sample) { v.statement(s).max = s.Value },
	"mysql_perf_schema_events_statements_total": func(v *survey, s *agent.Sample) { v.statement(s).text = sampleLabel(s, "digest_text") },
	"mysql_global_status_threads_connected":     (*survey).value,
	"mysql_global_variables_max_connections":    (*survey).value,

	"redis_memory_used_bytes": (*survey).value,
	"redis_memory_max_bytes":  (*survey).value,

	"probe_success":               (*survey).value,
	"probe_http_status_code":      (*survey).value,
	"probe_duration_seconds":      (*survey).value,
	"probe_http_duration_seconds": func(v *survey, s *agent.Sample) { v.phases = append(v.phases, *s) },

	"logkeel_container_running":          (*survey).container,
	"logkeel_container_exit_code":        (*survey).container,
	"logkeel_container_oom_killed":       (*survey).container,
	"logkeel_container_restarts_total":   (*survey).container,
	"logkeel_container_cpu_percent":      (*survey).container,
	"container_memory_working_set_bytes": (*survey).container,
	"container_spec_memory_limit_bytes":  (*survey).container,
	"logkeel_container_health": func(v *survey, s *agent.Sample) {
		if s.Value == 1 {
			v.containerOf(s).health = sampleLabel(s, "status")
		}
	},
}

func (v *survey) value(s *agent.Sample) { v.values[s.Name], v.target = s.Value, s.Labels }

func (v *survey) statement(s *agent.Sample) *statement {
	id := keyText([]agent.Label{{Value: sampleLabel(s, "schema")}, {Value: sampleLabel(s, "digest")}})
	t := v.statements[id]
	if t == nil {
		t = &statement{}
		v.statements[id] = t
	}
	return t
}

func (v *survey) mean(s *agent.Sample) {
	t := v.statement(s)
	t.mean, t.labels = s.Value, s.Labels
}

func (v *survey) containerOf(s *agent.Sample) *container {
	name := sampleLabel(s, "name")
	c := v.containers[name]
	if c == nil {
		c = &container{labels: slices.DeleteFunc(slices.Clone(s.Labels), func(l agent.Label) bool { return l.Name == "status" }), values: map[string]float64{}}
		v.containers[name] = c
	}
	return c
}

func (v *survey) container(s *agent.Sample) { v.containerOf(s).values[s.Name] = s.Value }

// down tells that a target does not answer, by a metric that ends in _up.
func (v *survey) down(s *agent.Sample) {
	says := "is down"
	name := sampleLabel(s, "target")
	switch what := strings.TrimSuffix(s.Name, "_up"); what {
	case "mysql", "redis", "pg":
		name = cmp.Or(name, what)
	case "logkeel_docker":
		name, says = cmp.Or(name, "Docker"), "the engine does not answer"
	default:
		what = strings.ReplaceAll(strings.TrimPrefix(what, "logkeel_"), "_", " ")
		if name == "" {
			name = cmp.Or(what, s.Name)
		} else {
			says = what + " is down"
		}
	}
	v.add(ofDown, name, 0, s.Labels, part{says, []string{s.Name}})
}

func (v *survey) add(t topic, name string, size float64, of []agent.Label, parts ...part) {
	v.facts = append(v.facts, fact{t, name, parts, size, of})
}

// nameOfTarget is "db", or "db: connections".
func nameOfTarget(labels []agent.Label, what string) string {
	name := sampleLabel(&agent.Sample{Labels: labels}, "target")
	switch {
	case name == "":
		return cmp.Or(what, "page")
	case what == "":
		return name
	}
	return name + ": " + what
}

func (v *survey) measured() *measured {
	v.addPage()
	v.addStatements()
	if n, ok := v.values["mysql_global_status_threads_connected"]; ok {
		most := v.values["mysql_global_variables_max_connections"]
		v.add(ofConnections, nameOfTarget(v.target, "connections"), n/max(1, most), v.target,
			part{inParts(n, most, inNumber), []string{"mysql_global_status_threads_connected"}})
	}
	v.addRedis()
	m := &measured{facts: v.facts, containers: map[string]fact{}}
	for name, c := range v.containers {
		if f := c.fact(name); len(f.parts) > 0 {
			m.containers[name] = f
			if f.size >= busyPercent && (m.busiest == nil || f.size > m.busiest.size || f.size == m.busiest.size && name < m.busiest.name) {
				m.busiest = &f
			}
		}
	}
	return m
}

// addPage tells how long a page took, and where.
func (v *survey) addPage() {
	up, ok := v.values["probe_success"]
	if !ok {
		return
	}
	took := v.values["probe_duration_seconds"]
	if up == 0 {
		says := "no answer"
		if code := v.values["probe_http_status_code"]; code > 0 {
			says = "status " + inNumber(code)
		}
		v.add(ofDown, nameOfTarget(v.target, ""), took, v.target, part{"is down", []string{"probe_success"}}, part{says, nil}, part{"after " + inTime(took), nil})
		return
	}
	parts := []part{{inTime(took) + " in all", []string{"probe_duration_seconds", "logkeel_http_time_seconds"}}}
	for i := range v.phases {
		if p := &v.phases[i]; p.Value > 0 {
			parts = append(parts, part{sampleLabel(p, "phase") + " " + inTime(p.Value), nil})
		}
	}
	v.add(ofPages, nameOfTarget(v.target, "page"), took, v.target, parts...)
}

func (v *survey) addStatements() {
	var all []*statement
	for _, t := range v.statements {
		if t.mean > 0 {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b *statement) int {
		return cmp.Or(cmp.Compare(b.recent, a.recent), cmp.Compare(b.mean, a.mean), strings.Compare(keyText(a.labels), keyText(b.labels)))
	})
	for i, t := range all[:min(len(all), shownStatements)] {
		of := agent.Sample{Labels: t.labels}
		text, name := bounded(t.text, 120), "slow statement"
		if text == "" {
			text = "digest " + bounded(sampleLabel(&of, "digest"), 64)
		}
		if schema := sampleLabel(&of, "schema"); schema != "" {
			text += " (" + bounded(schema, 64) + ")"
		}
		if i == 0 {
			name = "slowest statement"
		}
		parts := []part{{inTime(t.mean) + " in the mean", []string{"logkeel_mysql_statement_seconds_avg"}}}
		if t.recent > 0 {
			parts = append([]part{{inTime(t.recent) + " of late", []string{"logkeel_mysql_statement_seconds_recent"}}}, parts...)
		}
		if t.max > t.mean {
			parts = append(parts, part{inTime(t.max) + " at most", []string{"logkeel_mysql_statement_seconds_max"}})
		}
		v.add(ofStatements, nameOfTarget(t.labels, name), t.mean, t.labels, append(parts, part{text, nil})...)
	}
}

func (v *survey) addRedis() {
	used, ok := v.values["redis_memory_used_bytes"]
	if !ok {
		return
	}
	most := v.values["redis_memory_max_bytes"]
	parts := []part{{inParts(used, most, inSize), []string{"redis_memory_used_bytes"}}}
	if v.evicted > 0 {
		says := inNumber(v.evicted) + " keys evicted"
		if v.gap > 0 {
			says += " within " + inTime(v.gap)
		}
		parts = append(parts, part{says, []string{"redis_evicted_keys_total"}})
	}
	v.add(ofRedis, nameOfTarget(v.target, "memory"), used/max(1, most), v.target, parts...)
}

func (c *container) fact(name string) fact {
	f := fact{topic: ofBusiest, name: name, labels: c.labels, size: c.values["logkeel_container_cpu_percent"]}
	say := func(text string, metrics ...string) { f.parts = append(f.parts, part{text, metrics}) }
	if running, ok := c.values["logkeel_container_running"]; ok && running == 0 {
		say("does not run", "logkeel_container_running")
		if code, ok := c.values["logkeel_container_exit_code"]; ok {
			say("exit code "+inNumber(code), "logkeel_container_exit_code")
		}
	}
	if c.values["logkeel_container_oom_killed"] > 0 {
		say("killed for want of memory", "logkeel_container_oom_killed")
	}
	if cpu, ok := c.values["logkeel_container_cpu_percent"]; ok {
		say("CPU "+inNumber(cpu)+" %", "logkeel_container_cpu_percent")
	}
	if used, ok := c.values["container_memory_working_set_bytes"]; ok {
		say("memory "+inParts(used, c.values["container_spec_memory_limit_bytes"], inSize), "container_memory_working_set_bytes", "logkeel_container_memory_percent", "container_memory_usage_bytes")
	}
	if c.health == "unhealthy" {
		say("unhealthy", "logkeel_container_health")
	}
	if n := c.values["logkeel_container_restarts_total"]; n > 0 {
		say("restarted "+timesOf(n), "logkeel_container_restarts_total")
	}
	return f
}
