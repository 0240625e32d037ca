package docker

import (
	"strings"

	"github.com/webgrip/logkeel/agent"
)

var _ agent.Recorder = (*Stats)(nil)

// A reported is a container of the latest snapshot.
type reported struct {
	m *measured
	p past
}

// Records yields one record a container: its labels and facts, and its metrics by
// name. Of what has a series each for several states there is the present one, as
// text; risks are listed; interfaces are summed up.
func (s *Stats) Records(yield func([]agent.Field)) {
	for i := range s.latest {
		r := &s.latest[i]
		f := folded{fields: []agent.Field{
			{Name: "name", Value: r.m.container.Name},
			{Name: "image", Value: r.m.container.Image},
			{Name: "project", Value: r.m.container.Project},
			{Name: "service", Value: r.m.container.Service},
			{Name: "id", Value: r.m.container.ID},
		}, at: map[string]int{}}
		r.m.samples(&r.p, f.add)
		f.fields = append(f.fields, agent.Field{Name: "logkeel_container_risks", Value: strings.Join(f.risks, ",")})
		yield(f.fields)
	}
}

// A folded is a record that is being made of samples.
type folded struct {
	fields []agent.Field
	risks  []string
	at     map[string]int // where the sum for a name is
}

func (f *folded) add(s agent.Sample) {
	var more []agent.Label // beside those that all have
	for _, l := range s.Labels {
		switch l.Name {
		case "name", "image", "project", "service":
		default:
			more = append(more, l)
		}
	}
	put := func(name string, value any) { f.fields = append(f.fields, agent.Field{Name: name, Value: value}) }
	switch name := s.Name; name {
	case "logkeel_container_info":
		for _, l := range more {
			put(l.Name, l.Value)
		}
	case "logkeel_container_risk":
		if s.Value == 1 {
			f.risks = append(f.risks, more[0].Value)
		}
	case "logkeel_container_state", "logkeel_container_health":
		if s.Value == 1 {
			put(name, more[0].Value)
		}
	case "logkeel_container_image_created_seconds":
		put(more[0].Name, more[0].Value)
		put(name, s.Value)
	case "container_memory_failures_total":
		put(name+"_"+more[0].Value, s.Value)
	default: // one value, or one an interface
		if i, ok := f.at[name]; ok {
			f.fields[i].Value = f.fields[i].Value.(float64) + s.Value
			return
		}
		f.at[name] = len(f.fields)
		put(name, s.Value)
	}
}
