package docker

import (
	"time"

	"github.com/webgrip/logkeel/agent"
)

func (u *usage) samples(e emitter) {
	e.counter("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", float64(u.cpu)/1e9, agent.Label{Name: "cpu", Value: "total"})
	e.counter("container_cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds.", float64(u.user)/1e9)
	e.counter("container_cpu_system_seconds_total", "Cumulative system cpu time consumed in seconds.", float64(u.kernel)/1e9)
	e.gauge("container_memory_usage_bytes", "Current memory usage in bytes, including all memory regardless of when it was accessed", float64(u.memory))
	e.gauge("container_memory_working_set_bytes", "Current working set in bytes.", float64(u.workingSet()))
	if u.memoryLimit > 0 {
		e.gauge("logkeel_container_memory_percent", "Working set in percent of the limit, or of the host's memory where there is no limit, as docker stats prints it.", float64(u.workingSet())/float64(u.memoryLimit)*100)
	}
	u.parts.samples(e)
	// The engine counts tasks. cAdvisor has them as threads, and counts whole
	// processes for the other name.
	e.gauge("container_threads", "Number of threads running inside the container", float64(u.threads))
	e.gauge("container_processes", "Number of processes running inside the container, each of their threads counted, as docker stats prints it (PIDS).", float64(u.threads))
	e.counter("container_fs_reads_bytes_total", "Cumulative count of bytes read", float64(u.read))
	e.counter("container_fs_writes_bytes_total", "Cumulative count of bytes written", float64(u.written))
	e.optional(e.counter, "container_fs_reads_total", "Cumulative count of reads completed", u.reads)
	e.optional(e.counter, "container_fs_writes_total", "Cumulative count of writes completed", u.writes)
	var rest traffic
	for i, n := range u.networks {
		if i < maxInterfaces {
			n.samples(e)
			continue
		}
		rest.name = "(other)"
		rest.received.add(n.received)
		rest.transmit.add(n.transmit)
	}
	if rest.name != "" {
		rest.samples(e)
	}
}

func (p *memoryParts) samples(e emitter) {
	e.optional(e.gauge, "container_memory_cache", "Number of bytes of page cache memory.", p.cache)
	e.optional(e.gauge, "container_memory_rss", "Size of RSS in bytes.", p.rss)
	e.optional(e.gauge, "container_memory_mapped_file", "Size of memory mapped files in bytes.", p.mapped)
	e.optional(e.gauge, "container_memory_swap", "Container swap usage in bytes.", p.swap)
	e.optional(e.gauge, "container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes", p.most)
	const name, help = "container_memory_failures_total", "Cumulative count of memory allocation failures."
	scope := agent.Label{Name: "scope", Value: "hierarchy"}
	e.optional(e.counter, name, help, p.faults, agent.Label{Name: "failure_type", Value: "pgfault"}, scope)
	e.optional(e.counter, name, help, p.majorFaults, agent.Label{Name: "failure_type", Value: "pgmajfault"}, scope)
}

// samples are those of a container that has a quota.
func (t throttling) samples(e emitter) {
	e.counter("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.", float64(t.periods))
	e.counter("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.", float64(t.throttled))
	e.counter("container_cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled.", float64(t.time)/1e9)
}

func (t traffic) samples(e emitter) {
	l := agent.Label{Name: "interface", Value: t.name}
	e.counter("container_network_receive_bytes_total", "Cumulative count of bytes received", float64(t.received.bytes), l)
	e.counter("container_network_receive_packets_total", "Cumulative count of packets received", float64(t.received.packets), l)
	e.counter("container_network_receive_errors_total", "Cumulative count of errors encountered while receiving", float64(t.received.errors), l)
	e.counter("container_network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving", float64(t.received.dropped), l)
	e.counter("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", float64(t.transmit.bytes), l)
	e.counter("container_network_transmit_packets_total", "Cumulative count of packets transmitted", float64(t.transmit.packets), l)
	e.counter("container_network_transmit_errors_total", "Cumulative count of errors encountered while transmitting", float64(t.transmit.errors), l)
	e.counter("container_network_transmit_packets_dropped_total", "Cumulative count of packets dropped while transmitting", float64(t.transmit.dropped), l)
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
