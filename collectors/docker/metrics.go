package docker

import (
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// restarting is the state between two tries of a restart policy.
const restarting = "restarting"

// An emitter yields samples that share their first labels.
type emitter struct {
	yield  func(agent.Sample)
	labels []agent.Label
}

func (e emitter) gauge(name, help string, value float64, more ...agent.Label) {
	e.yield(agent.Sample{Name: name, Help: help, Labels: slices.Concat(e.labels, more), Value: value})
}

func (e emitter) counter(name, help string, value float64, more ...agent.Label) {
	e.yield(agent.Sample{Name: name, Help: help, Type: agent.Counter, Labels: slices.Concat(e.labels, more), Value: value})
}

// optional is add, for what is there.
func (e emitter) optional(add func(name, help string, value float64, more ...agent.Label), name, help string, o optional, more ...agent.Label) {
	if o.ok {
		add(name, help, float64(o.n), more...)
	}
}

// A past is what is known of a container beside the snapshot.
type past struct {
	before  reading // zero where there is none
	images  *images // may be nil
	sizes   *sizes  // likewise
	life    life
	counts  counts
	looping bool
}

// samples yields all that is known of the container.
func (m *measured) samples(p *past, yield func(agent.Sample)) {
	name := agent.Label{Name: "name", Value: m.container.Name}
	project := agent.Label{Name: "project", Value: m.container.Project}
	service := agent.Label{Name: "service", Value: m.container.Service}
	e := emitter{yield, []agent.Label{name, {Name: "image", Value: m.container.Image}, project, service}}
	// What is to be compared through an upgrade does not have the image.
	same := emitter{yield, []agent.Label{name, project, service}}
	m.audit.samples(same)
	p.samples(&m.state, same)
	e.counter("container_oom_events_total", "Count of out of memory events observed for the container", float64(p.counts.ooms))
	if p.images != nil {
		p.images.samples(&m.audit, e)
	}
	if p.sizes != nil {
		e.optional(e.gauge, "container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.", p.sizes.of(m.container.ID))
	}
	m.state.samples(e)
	if m.state.running {
		m.audit.limits.samples(e)
	}
	if m.used {
		m.usage.samples(e)
		if m.audit.limits.cpuQuota > 0 {
			m.usage.throttling.samples(e)
		}
		if percent, ok := m.usage.cpuPercent(m.state.started, p.before); ok {
			e.gauge("logkeel_container_cpu_percent", "CPU time used since the previous reading, in percent of one CPU, as docker stats prints it.", percent)
		}
	}
}

// samples yields how containers of this name ended and came back.
func (p *past) samples(s *state, e emitter) {
	e.counter("logkeel_container_crashes_total", "Ends with an exit code that is not 0, which nobody asked the engine for, of the containers that had this name.", float64(p.counts.crashes))
	e.counter("logkeel_container_recreated_total", "How often another container took this name, as by docker compose up.", float64(p.counts.recreated))
	e.gauge("logkeel_container_start_loop", "Whether the container's restart policy started it 3 times within 10 minutes.", number(p.looping))
	// Of one that ended while nobody looked, it is not known who wanted that.
	if s.running || p.life.ended {
		e.gauge("logkeel_container_crashed", "Whether the container does not run for it ended by itself, with an exit code that is not 0.", number(p.life.crashed && !s.running))
	}
	switch {
	case p.life.ended:
		e.gauge("logkeel_container_last_exit_code", "Exit code of the container's latest run that has ended.", float64(p.life.exit))
	case !s.running && !s.finished.IsZero():
		e.gauge("logkeel_container_last_exit_code", "Exit code of the container's latest run that has ended.", float64(s.exitCode))
	}
}

func (s *state) samples(e emitter) {
	if s.status != "" {
		for _, status := range [...]string{"created", "running", "paused", restarting, "removing", "exited", "dead"} {
			e.gauge("logkeel_container_state", "1 for the state of the container, as docker ps has it.", number(status == s.status), agent.Label{Name: "state", Value: status})
		}
	}
	e.gauge("logkeel_container_running", "Whether the container runs; 0 between two tries of its restart policy, too.", number(s.running))
	e.counter("logkeel_container_restarts_total", "Restarts by the container's restart policy since it was last started by hand.", float64(s.restarts))
	e.gauge("logkeel_container_oom_killed", "Whether the kernel ended a process of the container's latest run for want of memory.", number(s.oomKilled))
	if !s.running {
		if !s.finished.IsZero() {
			e.gauge("logkeel_container_exit_code", "Exit code of a container that has ended.", float64(s.exitCode))
		}
		return
	}
	// Of one that has ended, the engine says unhealthy for ever.
	for _, status := range [...]string{"healthy", "unhealthy", "starting", "none"} {
		e.gauge("logkeel_container_health", "1 for the status of the running container's health check, none where it has no check.", number(status == s.health), agent.Label{Name: "status", Value: status})
	}
	if !s.started.IsZero() {
		e.gauge("container_start_time_seconds", "Start time of the container since unix epoch in seconds.", float64(s.started.UnixNano())/1e9)
	}
	e.gauge("container_last_seen", "Last time a container was seen by the exporter", float64(time.Now().Unix()))
}

// samples are those of cAdvisor; what is not limited is 0, or is not there.
func (l limits) samples(e emitter) {
	e.gauge("container_spec_memory_limit_bytes", "Memory limit for the container.", float64(l.memory))
	e.gauge("container_spec_memory_swap_limit_bytes", "Memory swap limit for the container.", float64(max(0, l.swap)))
	e.gauge("container_spec_memory_reservation_limit_bytes", "Memory reservation limit for the container.", float64(l.reservation))
	e.gauge("container_spec_cpu_shares", "CPU share of the container.", float64(l.cpuShares))
	e.gauge("container_spec_cpu_period", "CPU period of the container.", float64(l.cpuPeriod))
	if l.cpuQuota > 0 {
		e.gauge("container_spec_cpu_quota", "CPU quota of the container.", float64(l.cpuQuota))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
