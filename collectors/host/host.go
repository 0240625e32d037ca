package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"

	"github.com/webgrip/logkeel/agent"
)

// A Sampler measures one machine. It needs no right but to read /proc.
type Sampler struct {
	c    Config
	proc string // the machine's /proc
	sys  string

	mu   sync.Mutex
	busy map[string]bool // mount points that do not answer

	statfs func(path string) (capacity, error)
}

var _ agent.Sampler = (*Sampler)(nil)

// New returns a Sampler of a Config that was checked.
func New(c Config) *Sampler {
	return &Sampler{c: c, proc: filepath.Join(c.Root, "proc"), sys: filepath.Join(c.Root, "sys"), busy: map[string]bool{}, statfs: statfs}
}

// Close does nothing: nothing is kept open.
func (s *Sampler) Close() error { return nil }

// An emitter yields samples.
type emitter func(agent.Sample)

func (e emitter) gauge(name, help string, value float64, labels ...agent.Label) {
	e(agent.Sample{Name: name, Help: help, Value: value, Labels: labels})
}

func (e emitter) counter(name, help string, value float64, labels ...agent.Label) {
	e(agent.Sample{Name: name, Help: help, Type: agent.Counter, Value: value, Labels: labels})
}

// Sample takes a snapshot. What a kernel does not have, as pressure, is left out.
func (s *Sampler) Sample(ctx context.Context, yield func(agent.Sample)) error {
	e := emitter(yield)
	proc, err := procfs.NewFS(s.proc)
	if err != nil {
		return fmt.Errorf("%w; in a container mount the machine's / as /host, read-only, and set root: /host", err)
	}
	parts := []struct {
		what string
		of   func() error
	}{
		{"memory", func() error { return s.memory(e) }},
		{"load and processors", func() error { return load(proc, e) }},
		{"clock", func() error { return clock(e) }},
		{"machine", func() error { return s.machine(e) }},
		{"conntrack", func() error { return s.conntrack(e) }},
		{"vmstat", func() error { return s.vmstat(e) }},
		{"open files", func() error { return s.openFiles(e) }},
		{"pressure", func() error { return pressure(proc, e) }},
		{"disks", func() error { return s.disks(e) }},
		{"interfaces", func() error { return s.interfaces(e) }},
		{"file systems", func() error { return s.fileSystems(ctx, e) }},
	}
	var errs []error
	for _, p := range parts {
		if err := p.of(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.what, err))
		}
	}
	return errors.Join(errs...)
}

func load(proc procfs.FS, e emitter) error {
	l, err := proc.LoadAvg()
	if err != nil {
		return err
	}
	e.gauge("node_load1", "1m load average.", l.Load1)
	e.gauge("node_load5", "5m load average.", l.Load5)
	e.gauge("node_load15", "15m load average.", l.Load15)
	st, err := proc.Stat()
	if err != nil {
		return err
	}
	processors(&st, e)
	if n := len(st.CPU); n > 0 {
		e.gauge("logkeel_load_per_cpu", "The 5m load average by the number of CPUs.", l.Load5/float64(n))
	}
	return nil
}

func processors(st *procfs.Stat, e emitter) {
	const help = "Seconds the CPUs spent in each mode."
	for n, c := range st.CPU {
		cpu := agent.Label{Name: "cpu", Value: fmt.Sprint(n)}
		for _, m := range [...]struct {
			mode    string
			seconds float64
		}{
			{"idle", c.Idle},
			{"iowait", c.Iowait},
			{"irq", c.IRQ},
			{"nice", c.Nice},
			{"softirq", c.SoftIRQ},
			{"steal", c.Steal},
			{"system", c.System},
			{"user", c.User},
		} {
			e.counter("node_cpu_seconds_total", help, m.seconds, cpu, agent.Label{Name: "mode", Value: m.mode})
		}
	}
	e.gauge("node_boot_time_seconds", "Node boot time, in unixtime.", float64(st.BootTime))
	e.counter("node_context_switches_total", "Total number of context switches.", float64(st.ContextSwitches))
	e.counter("node_forks_total", "Total number of forks.", float64(st.ProcessCreated))
	e.counter("node_intr_total", "Total number of interrupts serviced.", float64(st.IRQTotal))
	e.gauge("node_procs_running", "Number of processes in runnable state.", float64(st.ProcessesRunning))
	e.gauge("node_procs_blocked", "Number of processes blocked waiting for I/O to complete.", float64(st.ProcessesBlocked))
}

func pressure(proc procfs.FS, e emitter) error {
	for _, resource := range [...]string{"cpu", "io", "memory"} {
		p, err := proc.PSIStatsForResource(resource)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrInvalid) || isNotSupported(err) {
			return nil // older kernels, and those that have it switched off
		}
		if err != nil {
			return err
		}
		if p.Some != nil {
			e.counter("node_pressure_"+resource+"_waiting_seconds_total", "Total time in seconds that processes have waited for "+resource+".", float64(p.Some.Total)/1e6)
		}
		if p.Full != nil && resource != "cpu" {
			e.counter("node_pressure_"+resource+"_stalled_seconds_total", "Total time in seconds no process could make progress due to "+resource+".", float64(p.Full.Total)/1e6)
		}
	}
	return nil
}

// maxDevices bounds the disks, the interfaces and the file systems.
const maxDevices = 200

func (s *Sampler) disks(e emitter) error {
	block, err := blockdevice.NewFS(s.proc, s.sys)
	if err != nil {
		return err
	}
	all, err := block.ProcDiskstats()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	const sector = 512 // whatever the disk's is
	n := 0
	for _, d := range all {
		if leftOutDisk.MatchString(d.DeviceName) {
			continue
		}
		if n++; n > maxDevices {
			return fmt.Errorf("there are more than %d; the rest is left out", maxDevices)
		}
		device := agent.Label{Name: "device", Value: d.DeviceName}
		for _, c := range [...]struct {
			name, help string
			value      float64
		}{
			{"node_disk_reads_completed_total", "The total number of reads completed successfully.", float64(d.ReadIOs)},
			{"node_disk_reads_merged_total", "The total number of reads merged.", float64(d.ReadMerges)},
			{"node_disk_read_bytes_total", "The total number of bytes read successfully.", float64(d.ReadSectors) * sector},
			{"node_disk_read_time_seconds_total", "The total number of seconds spent by all reads.", float64(d.ReadTicks) / 1000},
			{"node_disk_writes_completed_total", "The total number of writes completed successfully.", float64(d.WriteIOs)},
			{"node_disk_writes_merged_total", "The number of writes merged.", float64(d.WriteMerges)},
			{"node_disk_written_bytes_total", "The total number of bytes written successfully.", float64(d.WriteSectors) * sector},
			{"node_disk_write_time_seconds_total", "This is the total number of seconds spent by all writes.", float64(d.WriteTicks) / 1000},
			{"node_disk_io_time_seconds_total", "Total seconds spent doing I/Os.", float64(d.IOsTotalTicks) / 1000},
			{"node_disk_io_time_weighted_seconds_total", "The weighted # of seconds spent doing I/Os.", float64(d.WeightedIOTicks) / 1000},
		} {
			e.counter(c.name, c.help, c.value, device)
		}
		e.gauge("node_disk_io_now", "The number of I/Os currently in progress.", float64(d.IOsInProgress), device)
	}
	return err
}

// interfaces are those of the machine's first process: the agent's may be those of a
// container.
func (s *Sampler) interfaces(e emitter) error {
	all, err := procfs.NewFS(filepath.Join(s.proc, "1"))
	if err != nil {
		return err
	}
	lines, err := all.NetDev()
	if err != nil {
		return err
	}
	n := 0
	for name, l := range lines {
		if leftOutInterface.MatchString(name) {
			continue
		}
		if n++; n > maxDevices {
			return fmt.Errorf("there are more than %d; the rest is left out", maxDevices)
		}
		device := agent.Label{Name: "device", Value: name}
		for _, c := range [...]struct {
			name  string
			value uint64
		}{
			{"receive_bytes", l.RxBytes},
			{"receive_packets", l.RxPackets},
			{"receive_errs", l.RxErrors},
			{"receive_drop", l.RxDropped},
			{"transmit_bytes", l.TxBytes},
			{"transmit_packets", l.TxPackets},
			{"transmit_errs", l.TxErrors},
			{"transmit_drop", l.TxDropped},
		} {
			e.counter("node_network_"+c.name+"_total", "Network device statistic "+c.name+".", float64(c.value), device)
		}
	}
	return nil
}
