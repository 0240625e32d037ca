package docker

// Beside client.go: what the engine's client says of what a container uses.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// A usage is what a container uses, as its control groups count it.
type usage struct {
	cpu, system  uint64 // nanoseconds: its own, and those of all CPUs together
	user, kernel uint64 // nanoseconds; parts of cpu
	preCPU       uint64 // a second earlier, from engines that cannot read once
	preSystem    uint64 // likewise; 0 where there is nothing earlier
	cpus         int    // online
	throttling   throttling
	memory       uint64 // bytes, the page cache included
	inactiveFile uint64 // bytes of page cache that are given back first
	memoryLimit  uint64 // bytes; the host's memory where there is no limit
	parts        memoryParts
	threads      uint64
	read         uint64 // bytes from block devices
	written      uint64
	reads        optional // operations; not with control groups v2
	writes       optional
	networks     []traffic // ascending by name; none with the host's network
}

// throttling is how often a container was held up by its CPU quota.
type throttling struct {
	periods, throttled uint64
	time               uint64 // nanoseconds
}

// An optional is a number that not every engine or kernel has.
type optional struct {
	n  uint64
	ok bool
}

// memoryParts are what memory is used for, in bytes, and how often a page had to
// be brought in.
type memoryParts struct {
	cache, rss, mapped, swap, most optional
	faults, majorFaults            optional
}

// traffic is what passed one interface.
type traffic struct {
	name               string
	received, transmit direction
}

// A direction is what passed one way.
type direction struct{ bytes, packets, errors, dropped uint64 }

func (d *direction) add(o direction) {
	d.bytes += o.bytes
	d.packets += o.packets
	d.errors += o.errors
	d.dropped += o.dropped
}

// maxUsage bounds what is read of one answer, in bytes: one has 3 KiB.
const maxUsage = 1 << 20

func (a apiClient) Usage(ctx context.Context, id string) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// Once: for a second reading the engine would take two seconds.
	r, err := a.c.ContainerStatsOneShot(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return usage{}, errGone
	}
	if cerrdefs.IsPermissionDenied(err) {
		return usage{}, fmt.Errorf("stats of a container: %w; allow the agent GET /containers/{id}/stats", err)
	}
	if err != nil {
		return usage{}, fmt.Errorf("stats of a container: %w", err)
	}
	defer r.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(io.LimitReader(r.Body, maxUsage)).Decode(&s); err != nil {
		return usage{}, fmt.Errorf("stats of a container: the answer cannot be read: %w", err)
	}
	return used(&s), nil
}

func used(s *container.StatsResponse) usage {
	u := usage{
		cpu:         s.CPUStats.CPUUsage.TotalUsage,
		system:      s.CPUStats.SystemUsage,
		user:        s.CPUStats.CPUUsage.UsageInUsermode,
		kernel:      s.CPUStats.CPUUsage.UsageInKernelmode,
		preCPU:      s.PreCPUStats.CPUUsage.TotalUsage,
		preSystem:   s.PreCPUStats.SystemUsage,
		cpus:        int(s.CPUStats.OnlineCPUs),
		memory:      s.MemoryStats.Usage,
		memoryLimit: s.MemoryStats.Limit,
		threads:     s.PidsStats.Current,
		throttling: throttling{
			periods:   s.CPUStats.ThrottlingData.Periods,
			throttled: s.CPUStats.ThrottlingData.ThrottledPeriods,
			time:      s.CPUStats.ThrottlingData.ThrottledTime,
		},
		parts: partsOf(&s.MemoryStats),
	}
	if u.cpus == 0 {
		u.cpus = len(s.CPUStats.CPUUsage.PercpuUsage)
	}
	var v1 bool
	if u.inactiveFile, v1 = s.MemoryStats.Stats["total_inactive_file"]; !v1 {
		u.inactiveFile = s.MemoryStats.Stats["inactive_file"]
	}
	u.read, _ = ops(s.BlkioStats.IoServiceBytesRecursive, "read")
	u.written, _ = ops(s.BlkioStats.IoServiceBytesRecursive, "write")
	u.reads.n, u.reads.ok = ops(s.BlkioStats.IoServicedRecursive, "read")
	u.writes.n, u.writes.ok = ops(s.BlkioStats.IoServicedRecursive, "write")
	for _, name := range slices.Sorted(maps.Keys(s.Networks)) {
		n := s.Networks[name]
		u.networks = append(u.networks, traffic{
			name,
			direction{n.RxBytes, n.RxPackets, n.RxErrors, n.RxDropped},
			direction{n.TxBytes, n.TxPackets, n.TxErrors, n.TxDropped},
		})
	}
	return u
}

// ops sums up what all devices say of one operation; ok is whether one says
// anything.
func ops(all []container.BlkioStatEntry, op string) (sum uint64, ok bool) {
	for _, e := range all {
		if strings.EqualFold(e.Op, op) {
			sum, ok = sum+e.Value, true
		}
	}
	return sum, ok
}

// partsOf reads the kernel's memory.stat. With control groups v1 names with total_
// have what is below as well; v2 has other names, and always counts that.
func partsOf(m *container.MemoryStats) memoryParts {
	first := func(names ...string) optional {
		for _, name := range names {
			if n, ok := m.Stats[name]; ok {
				return optional{n, true}
			}
		}
		return optional{}
	}
	return memoryParts{
		cache:       first("total_cache", "file"),
		rss:         first("total_rss", "anon"),
		mapped:      first("total_mapped_file", "file_mapped"),
		swap:        first("total_swap"),
		most:        optional{m.MaxUsage, m.MaxUsage > 0},
		faults:      first("total_pgfault", "pgfault"),
		majorFaults: first("total_pgmajfault", "pgmajfault"),
	}
}
