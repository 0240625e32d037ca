package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// A Deployed is a container that runs, as whoever writes a configuration for it
// wants to know it.
type Deployed struct {
	Name, Image string
	Labels      map[string]string
	Env         []string // NAME=value, as the engine has it: there are secrets in it
	Health      []string // the command of its health check
	Command     []string
	Ports       []Port
	Mounts      []Mount
	Networks    []string // by name, ascending; none where it has the host's, or none
	NetworkMode string
	LogDriver   string
	LogOptions  map[string]string
	TTY         bool
}

// A Port is one of a container, over TCP. Where it is not published Host is 0.
type Port struct {
	Container, Host int
	Address         string // on which it is published; "" for all
}

// A Mount is a folder or a file of the host in a container.
type Mount struct {
	Volume      string // its name, "" of what is none
	Source      string // on the host: of a volume its whole folder
	Destination string
	Subpath     string // the part of a volume that is mounted; "" for all of it
}

// maxDeployed bounds how many containers are asked about.
const maxDeployed = 500

// Running asks an engine, at host or where host is "" at $DOCKER_HOST or the usual
// socket, for the containers that run, by name. root is the engine's data folder.
// left is how many containers there are beyond the 500 that are told of.
func Running(ctx context.Context, host string) (root string, all []Deployed, left int, err error) {
	host, fromEnv := hostOr(host)
	if err := checkHost(host); err != nil {
		return "", nil, 0, err
	}
	e, err := dial(host, fromEnv)
	if err != nil {
		return "", nil, 0, err
	}
	defer e.Close()
	a, ok := e.(apiClient)
	if !ok {
		return "", nil, 0, errors.New("no client of the engine")
	}
	list, err := a.List(ctx)
	if err != nil {
		return "", nil, 0, err
	}
	list = slices.DeleteFunc(list, func(l listed) bool { return !l.running })
	slices.SortFunc(list, func(a, b listed) int { return strings.Compare(a.name, b.name) })
	if left = max(0, len(list)-maxDeployed); left > 0 {
		list = list[:maxDeployed]
	}
	for _, l := range list {
		d, err := a.deployed(ctx, l.id)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return "", nil, 0, err
		}
		all = append(all, d)
	}
	return a.root(ctx), all, left, nil
}

// root is the engine's data folder; the usual one where it may not be asked.
func (a apiClient) root(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := a.c.Info(ctx)
	if err != nil || info.DockerRootDir == "" {
		return defaultRoot
	}
	return info.DockerRootDir
}

// subpath is the part of a volume that is mounted at target.
func subpath(h *container.HostConfig, target string) string {
	if h == nil {
		return ""
	}
	for _, m := range h.Mounts {
		if m.VolumeOptions != nil && path.Clean(m.Target) == path.Clean(target) {
			return m.VolumeOptions.Subpath
		}
	}
	return ""
}

func (a apiClient) deployed(ctx context.Context, id string) (Deployed, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := a.c.ContainerInspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return Deployed{}, errGone
	}
	if err != nil {
		return Deployed{}, fmt.Errorf("inspect container: %w", err)
	}
	if r.ContainerJSONBase == nil || r.Config == nil {
		return Deployed{}, errors.New("inspect container: the answer is not complete")
	}
	d := Deployed{
		Name: strings.TrimPrefix(r.Name, "/"), Image: r.Config.Image, Labels: r.Config.Labels, Env: r.Config.Env,
		Command: append(slices.Clone(r.Config.Entrypoint), r.Config.Cmd...), TTY: r.Config.Tty,
	}
	if h := r.Config.Healthcheck; h != nil {
		d.Health = h.Test
	}
	for _, m := range r.Mounts {
		d.Mounts = append(d.Mounts, Mount{m.Name, m.Source, m.Destination, subpath(r.HostConfig, m.Destination)})
	}
	slices.SortFunc(d.Mounts, func(a, b Mount) int { return strings.Compare(a.Destination, b.Destination) })
	if h := r.HostConfig; h != nil {
		d.LogDriver, d.LogOptions = h.LogConfig.Type, h.LogConfig.Config
		d.NetworkMode = networkMode(h.NetworkMode)
	}
	d.ports(&r)
	if r.NetworkSettings != nil && d.NetworkMode != "host" && d.NetworkMode != "none" {
		d.Networks = slices.Sorted(maps.Keys(r.NetworkSettings.Networks))
	}
	return d, nil
}

// ports are those that the image exposes, and those that are published.
func (d *Deployed) ports(r *container.InspectResponse) {
	at := map[int]Port{}
	for p := range r.Config.ExposedPorts {
		if p.Proto() == "tcp" {
			at[p.Int()] = Port{Container: p.Int()}
		}
	}
	if r.NetworkSettings != nil {
		for p, bindings := range r.NetworkSettings.Ports {
			for _, b := range bindings {
				n, err := strconv.Atoi(b.HostPort)
				if p.Proto() != "tcp" || err != nil {
					continue
				}
				address := b.HostIP
				if address == "0.0.0.0" || address == "::" {
					address = ""
				}
				if have := at[p.Int()]; have.Host == 0 || n < have.Host {
					at[p.Int()] = Port{p.Int(), n, address}
				}
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(at)) {
		d.Ports = append(d.Ports, at[n])
	}
}
