package docker

// Beside client.go: what only `logkeel doctor` asks an engine for.

import (
	"context"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// An examined container is one as `logkeel doctor` looks at it.
type examined struct {
	described
	options map[string]string // of its log driver
	mounts  []mounted         // that it may write to
	layer   string            // the folder of what it wrote to its own file system, "" where that is not known
}

// A mounted is a volume, or a folder of the host, in a container.
type mounted struct{ source, destination string }

func (a apiClient) examine(ctx context.Context, id string) (examined, error) {
	d, err := a.Inspect(ctx, id)
	if err != nil {
		return examined{}, err
	}
	e := examined{described: d}
	r, err := a.c.ContainerInspect(ctx, id)
	if err != nil || r.ContainerJSONBase == nil {
		return e, err
	}
	if r.HostConfig != nil {
		e.options = r.HostConfig.LogConfig.Config
	}
	for _, m := range r.Mounts {
		if m.RW { // into others it writes no log
			e.mounts = append(e.mounts, mounted{m.Source, m.Destination})
		}
	}
	e.layer = r.GraphDriver.Data["UpperDir"]
	return e, nil
}

// now is the engine's clock.
func (a apiClient) now(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	info, err := a.c.Info(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, info.SystemTime)
}

// written are the files named *.log that a container made or changed in its own
// file system, at most n.
func (a apiClient) written(ctx context.Context, id string, n int) (paths []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	all, err := a.c.ContainerDiff(ctx, id)
	for _, c := range all {
		if len(paths) < n && c.Kind != container.ChangeDelete && strings.HasSuffix(c.Path, ".log") {
			paths = append(paths, c.Path)
		}
	}
	return paths, err
}
