package docker

// This is the only file that knows the engine's client: its module path is
// frozen, and the successor is github.com/moby/moby/client.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/webgrip/logkeel/agent"
)

// callTimeout bounds each call, and the start of the stream of events.
const callTimeout = 10 * time.Second

// An engine is what this package asks of a Docker engine.
type engine interface {
	// List returns all containers, running or not.
	List(ctx context.Context) ([]listed, error)
	// Inspect describes one container; errGone when there is none.
	Inspect(ctx context.Context, id string) (described, error)
	// Events sends what happens to containers to out until ctx is done or the
	// engine ends the stream. The first event, subscribed, says that from now
	// on nothing is missed.
	Events(ctx context.Context, out chan<- event) error
	Close() error
}

var errGone = errors.New("no such container")

// listed is what a list says of a container.
type listed struct {
	id, name string
	network  string // id of the container whose network it shares, or ""
}

// described is what the engine says of one container.
type described struct {
	container *agent.Container
	network   string // as in listed
}

// An event is something that happened to a container.
type event struct {
	kind eventKind
	id   string
}

type eventKind uint8

const (
	changed eventKind = iota // made, started or renamed
	removed
	subscribed
)

// checkHost says what is wrong with the address of an API.
func checkHost(host string) error {
	const remedy = "write unix:///path/of/docker.sock or tcp://host:port"
	u, err := client.ParseHostURL(host)
	if err != nil {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	switch u.Scheme {
	case "unix", "tcp", "http", "https":
		return nil
	}
	return fmt.Errorf("%q: %s is not supported; %s", host, u.Scheme, remedy)
}

type apiClient struct{ c *client.Client }

// dial makes a client; it does not connect yet. With tlsFromEnv it uses the
// certificates of $DOCKER_CERT_PATH.
func dial(host string, tlsFromEnv bool) (engine, error) {
	opts := []client.Opt{client.WithAPIVersionNegotiation()}
	if tlsFromEnv {
		opts = append(opts, client.WithTLSClientConfigFromEnv())
	}
	c, err := client.NewClientWithOpts(append(opts, client.WithHost(host))...)
	if err != nil {
		return nil, err
	}
	return apiClient{c}, nil
}

func (a apiClient) List(ctx context.Context) ([]listed, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	list, err := a.c.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	all := make([]listed, 0, len(list))
	for i := range list {
		l := listed{id: list[i].ID, network: lender(container.NetworkMode(list[i].HostConfig.NetworkMode))}
		for _, name := range list[i].Names {
			if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") { // not a link's alias
				l.name = name
			}
		}
		all = append(all, l)
	}
	return all, nil
}

func (a apiClient) Inspect(ctx context.Context, id string) (described, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := a.c.ContainerInspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return described{}, errGone
	}
	if err != nil {
		return described{}, fmt.Errorf("inspect container: %w", err)
	}
	if r.ContainerJSONBase == nil || r.Config == nil {
		return described{}, errors.New("inspect container: the answer is not complete")
	}
	d := described{container: describe(r.ID, r.Name, r.Config.Image, r.LogPath, r.Config.Labels)}
	if r.HostConfig != nil {
		d.network = lender(r.HostConfig.NetworkMode)
	}
	return d, nil
}

func lender(m container.NetworkMode) string {
	if m.IsContainer() {
		return m.ConnectedContainer()
	}
	return ""
}

func (a apiClient) Events(ctx context.Context, out chan<- event) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := a.ping(ctx); err != nil {
		return err // said here, an engine that does not answer is always said in the same way
	}
	// Filtered there: health checks alone make three events each.
	filter := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range []events.Action{events.ActionCreate, events.ActionStart, events.ActionRename, events.ActionDestroy} {
		filter.Add("event", string(action))
	}
	late := time.AfterFunc(callTimeout, cancel)
	messages, errs := a.c.Events(ctx, events.ListOptions{Filters: filter})
	if !late.Stop() {
		return fmt.Errorf("events: no answer within %v", callTimeout)
	}
	send := func(e event) error {
		select {
		case out <- e:
			return nil
		case err := <-errs:
			return err
		}
	}
	if err := send(event{kind: subscribed}); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	for {
		var e event
		select {
		case err := <-errs:
			return fmt.Errorf("events: %w", err)
		case m := <-messages:
			e.id = m.Actor.ID
			if m.Action == events.ActionDestroy {
				e.kind = removed
			}
		}
		if err := send(e); err != nil {
			return fmt.Errorf("events: %w", err)
		}
	}
}

func (a apiClient) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := a.c.Ping(ctx)
	return err
}

func (a apiClient) Close() error { return a.c.Close() }
