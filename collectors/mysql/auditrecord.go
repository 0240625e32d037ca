package mysql

import (
	"github.com/webgrip/logkeel/agent"
)

// records yields what an audit or a round of checks has found, once: a record of
// each table, index, column and problem, and one of how many were left out.
func (a *auditor) records(yield func([]agent.Field)) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var r, last auditRecords // the many indexes are last, for a snapshot's records are bounded
	if a.tables.ended.After(a.tables.recorded) {
		a.tables.recorded = a.tables.ended
		for _, s := range a.found {
			if s.Name == "logkeel_mysql_index_cardinality" {
				last.add(s)
			} else {
				r.add(s)
			}
		}
	}
	if a.checks.ended.After(a.checks.recorded) {
		a.checks.recorded = a.checks.ended
		a.state.write(newPage(r.add))
	}
	for _, fields := range append(r.all, last.all...) {
		yield(fields)
	}
}

// auditRecords puts samples of the same thing together.
type auditRecords struct {
	all    [][]agent.Field
	places map[string]int
}

func (r *auditRecords) add(s agent.Sample) {
	name, key := s.Name, ""
	var labels []agent.Field
	for _, l := range s.Labels {
		switch l.Name {
		case "component": // of a table's size
			name += "_" + l.Value
			continue
		case "type", "engine", "row_format", "create_options": // of a table
		default:
			key += l.Name + "\x00" + l.Value + "\x00"
		}
		if l.Value != "" {
			labels = append(labels, agent.Field{Name: l.Name, Value: l.Value})
		}
	}
	n, ok := r.places[key]
	if !ok {
		if r.places == nil {
			r.places = map[string]int{}
		}
		n = len(r.all)
		r.places[key] = n
		r.all = append(r.all, nil)
	}
	for _, f := range labels {
		if !hasField(r.all[n], f.Name) {
			r.all[n] = append(r.all[n], f)
		}
	}
	r.all[n] = append(r.all[n], agent.Field{Name: name, Value: s.Value})
	if s.Note != "" && s.Value == 0 {
		r.all[n] = append(r.all[n], agent.Field{Name: "message", Value: s.Note})
	}
}

func hasField(fields []agent.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}
