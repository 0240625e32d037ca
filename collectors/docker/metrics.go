package docker

import (
	"slices"
	"time"

	"github.com/webgrip/logkeel/agent"
)

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

// samples yields all that is known of the container. before is its previous
// reading, zero where there is none.
func (m *measured) samples(before reading, yield func(agent.Sample)) {
	e := emitter{yield, []agent.Label{
		{Name: "name", Value: m.container.Name},
		{Name: "image", Value: m.container.Image},
		{Name: "project", Value: m.container.Project},
		{Name: "service", Value: m.container.Service},
	}}
	m.state.samples(e)
	if m.used {
		m.usage.samples(e)
		if percent, ok := m.usage.cpuPercent(m.state.started, before); ok {
			e.gauge("logkeel_container_cpu_percent", "CPU time used since the previous reading, in percent of one CPU, as docker stats prints it.", percent)
		}
	}
}

func (s *state) samples(e emitter) {
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
	e.gauge("container_spec_memory_limit_bytes", "Memory limit for the container.", float64(s.limit))
}

func (u *usage) samples(e emitter) {
	e.counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", float64(u.cpu)/1e9, agent.Label{Name: "cpu", Value: "total"})
	e.gauge("container_memory_usage_bytes", "Current memory usage in bytes, including all memory regardless of when it was accessed", float64(u.memory))
	e.gauge("container_memory_working_set_bytes", "Current working set in bytes.", float64(u.workingSet()))
	if u.memoryLimit > 0 {
		e.gauge("logkeel_container_memory_percent", "Working set in percent of the limit, or of the host's memory where there is no limit, as docker stats prints it.", float64(u.workingSet())/float64(u.memoryLimit)*100)
	}
	// The engine counts tasks. cAdvisor has them as threads, and counts whole
	// processes for the other name.
	e.gauge("container_threads", "Number of threads running inside the container", float64(u.threads))
	e.gauge("container_processes", "Number of processes running inside the container, each of their threads counted, as docker stats prints it (PIDS).", float64(u.threads))
	e.counter("container_fs_reads_bytes_total", "Cumulative count of bytes read", float64(u.read))
	e.counter("container_fs_writes_bytes_total", "Cumulative count of bytes written", float64(u.written))
	var rest traffic
	for i, n := range u.networks {
		if i < maxInterfaces {
			n.samples(e)
			continue
		}
		rest.name = "(other)"
		rest.received += n.received
		rest.transmit += n.transmit
	}
	if rest.name != "" {
		rest.samples(e)
	}
}

func (t traffic) samples(e emitter) {
	l := agent.Label{Name: "interface", Value: t.name}
	e.counter("container_network_receive_bytes_total", "Cumulative count of bytes received", float64(t.received), l)
	e.counter("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", float64(t.transmit), l)
}

// workingSet is the memory without what the kernel gives back first.
func (u *usage) workingSet() uint64 { return u.memory - min(u.memory, u.inactiveFile) }

// cpuPercent is the share of all CPUs' time since the earlier reading, times
// their number: 100 is one CPU. ok is false while there is no earlier reading.
func (u *usage) cpuPercent(started time.Time, before reading) (percent float64, ok bool) {
	if before.system == 0 || !before.started.Equal(started) {
		if u.preSystem == 0 {
			return 0, false
		}
		before = reading{cpu: u.preCPU, system: u.preSystem}
	}
	if u.system <= before.system || u.cpu < before.cpu {
		return 0, false
	}
	return float64(u.cpu-before.cpu) / float64(u.system-before.system) * float64(u.cpus) * 100, true
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
