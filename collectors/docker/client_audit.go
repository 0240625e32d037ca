package docker

// Beside client.go: what the engine's client says of how a container was made.

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// audited picks from an answer what audits are about.
func audited(r *container.InspectResponse) audit {
	a := audit{
		created: engineTime(r.Created),
		image:   r.Image,
		ref:     r.Config.Image,
		stop:    r.Config.StopSignal,
		user:    cmp.Or(r.Config.User, "root"),
	}
	for _, m := range r.Mounts {
		if m.Type == mount.TypeBind {
			a.mounts = append(a.mounts, hostMount{path.Clean(m.Source), m.RW})
		}
	}
	if r.NetworkSettings != nil {
		a.networks = slices.Sorted(maps.Keys(r.NetworkSettings.Networks))
	}
	h := r.HostConfig
	if h == nil {
		return a
	}
	a.networkMode = networkMode(h.NetworkMode)
	a.restart = cmp.Or(string(h.RestartPolicy.Name), "no")
	a.privileged, a.readOnly = h.Privileged, h.ReadonlyRootfs
	a.hostPID, a.hostIPC, a.hostNetwork = h.PidMode.IsHost(), h.IpcMode.IsHost(), h.NetworkMode.IsHost()
	a.unconfined = slices.ContainsFunc(h.SecurityOpt, func(o string) bool {
		switch strings.Replace(o, ":", "=", 1) {
		case "seccomp=unconfined", "apparmor=unconfined", "label=disable", "systempaths=unconfined":
			return true
		}
		return false
	})
	for _, c := range h.CapAdd {
		a.capAdd = append(a.capAdd, strings.TrimPrefix(strings.ToUpper(c), "CAP_"))
	}
	slices.Sort(a.capAdd)
	a.log = logSettings{h.LogConfig.Type, h.LogConfig.Config["max-size"], h.LogConfig.Config["max-file"]}
	a.limits = limitsOf(h)
	if !h.NetworkMode.IsHost() && !h.NetworkMode.IsNone() { // of those the engine publishes nothing
		a.publish(r)
	}
	return a
}

// publish notes the ports that the host has for the container. One that the
// engine chooses anew at each start has no number here.
func (a *audit) publish(r *container.InspectResponse) {
	add := func(address, port, to string) {
		switch address {
		case "", "0.0.0.0", "::":
			a.everywhere = true
			address = ""
		default:
			address += ":"
		}
		a.ports = append(a.ports, address+port+"->"+to)
	}
	for to, bindings := range r.HostConfig.PortBindings {
		for _, b := range bindings {
			add(b.HostIP, b.HostPort, string(to))
		}
	}
	if r.HostConfig.PublishAllPorts {
		for to := range r.Config.ExposedPorts {
			if len(r.HostConfig.PortBindings[to]) == 0 {
				add("", "", string(to))
			}
		}
	}
	slices.Sort(a.ports)
	a.ports = slices.Compact(a.ports)
}

// networkMode is the mode without the id of whose network is shared, which
// changes with each container.
func networkMode(m container.NetworkMode) string {
	switch {
	case m.IsContainer():
		return "container"
	case m.IsDefault():
		return "bridge"
	}
	return string(m)
}

func limitsOf(h *container.HostConfig) limits {
	l := limits{
		memory: h.Memory, swap: h.MemorySwap, reservation: h.MemoryReservation,
		cpuPeriod: h.CPUPeriod, cpuQuota: h.CPUQuota, cpuShares: h.CPUShares,
	}
	if l.cpuPeriod <= 0 {
		l.cpuPeriod = 100_000
	}
	if h.NanoCPUs > 0 {
		l.cpuQuota = int64(float64(h.NanoCPUs) * float64(l.cpuPeriod) / 1e9)
	}
	l.cpuQuota = max(l.cpuQuota, 0) // -1: none
	l.cpuShares = cmp.Or(l.cpuShares, 1024)
	return l
}
