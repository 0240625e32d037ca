package docker

// Only the files client*.go know the engine's client: its module path is
// frozen, and the successor is github.com/moby/moby/client.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
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
	// Usage reads what a running container uses; errGone when there is none. It
	// is one reading: what has to be compared with an earlier one is the
	// caller's.
	Usage(ctx context.Context, id string) (usage, error)
	// Size is how many bytes a container's own files have, those that it made or
	// changed; errGone when there is none. It may take minutes.
	Size(ctx context.Context, id string) (uint64, error)
	// Image describes an image by its id or name; errGone when there is none.
	Image(ctx context.Context, name string) (image, error)
	// Events sends what happens to containers to out until ctx is done or the
	// engine ends the stream. The first event, subscribed, says that from now
	// on nothing is missed. With since not zero what happened from then on comes
	// next, as far as the engine remembers it.
	Events(ctx context.Context, since time.Time, out chan<- event) error
	// Logs streams what a container wrote, each message with its time. errGone
	// when there is no such container, errUnreadable when its driver keeps
	// nothing that the engine could read.
	Logs(ctx context.Context, id string, q logQuery) (io.ReadCloser, error)
	Close() error
}

var (
	errGone       = errors.New("no such container")
	errUnreadable = errors.New("the log driver does not support reading")
)

// A logQuery says which part of a log is asked for.
type logQuery struct {
	since  int64 // nanoseconds since 1970, inclusive; 0: from the beginning
	follow bool  // and what comes, until the container stops
	last   bool  // the last message only
}

// listed is what a list says of a container.
type listed struct {
	id, name string
	network  string // id of the container whose network it shares, or ""
	running  bool
}

// described is what the engine says of one container.
type described struct {
	container *agent.Container
	network   string // as in listed
	state     state
	audit     audit
	driver    string // of its log: json-file, local, ...
	tty       bool
}

// A state is what a container does, and how it last ended.
type state struct {
	status    string // created, running, paused, restarting, removing, exited or dead
	running   bool   // and not between two tries of its restart policy
	started   time.Time
	finished  time.Time
	exitCode  int
	oomKilled bool
	restarts  int    // by its restart policy
	health    string // healthy, unhealthy, starting, or none
}

// An event is something that happened to a container.
type event struct {
	kind eventKind
	id   string
	line string    // as lineOf has it
	code int       // the exit code of died, the signal of signalled
	at   time.Time // by the engine's clock
}

type eventKind uint8

const (
	changed         eventKind = iota // made, started or renamed
	removed                          // for good
	signalled                        // through the engine, by whomever
	died                             // for whatever reason
	stopped                          // through the engine, after it ended
	killedForMemory                  // one of its processes
	subscribed                       // nothing happened: the stream has begun
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
		l := listed{id: list[i].ID, network: lender(container.NetworkMode(list[i].HostConfig.NetworkMode)), running: list[i].State == container.StateRunning}
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
		d.driver = r.HostConfig.LogConfig.Type
	}
	d.tty = r.Config.Tty
	d.audit = audited(&r)
	d.state.restarts = r.RestartCount
	if r.State != nil {
		d.state.fill(r.State)
	}
	return d, nil
}

func (s *state) fill(r *container.State) {
	s.status = string(r.Status)
	s.running = r.Running && !r.Restarting // the engine says both while it waits
	s.exitCode, s.oomKilled = r.ExitCode, r.OOMKilled
	s.started, s.finished = engineTime(r.StartedAt), engineTime(r.FinishedAt)
	s.health = container.NoHealthcheck
	if r.Health != nil && r.Health.Status != "" {
		s.health = r.Health.Status
	}
}

// engineTime is zero for what has not happened yet.
func engineTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Unix() <= 0 {
		return time.Time{}
	}
	return t
}

func lender(m container.NetworkMode) string {
	if m.IsContainer() {
		return m.ConnectedContainer()
	}
	return ""
}

func (a apiClient) Events(ctx context.Context, since time.Time, out chan<- event) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := a.ping(ctx); err != nil {
		return err // said here, an engine that does not answer is always said in the same way
	}
	// Filtered there: health checks alone make three events each.
	kinds := map[events.Action]eventKind{
		events.ActionCreate: changed, events.ActionStart: changed, events.ActionRename: changed, events.ActionDestroy: removed,
		events.ActionKill: signalled, events.ActionDie: died, events.ActionStop: stopped, events.ActionOOM: killedForMemory,
	}
	o := events.ListOptions{Filters: filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))}
	for action := range kinds {
		o.Filters.Add("event", string(action))
	}
	if !since.IsZero() {
		o.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
	}
	late := time.AfterFunc(callTimeout, cancel)
	messages, errs := a.c.Events(ctx, o)
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
			kind, known := kinds[m.Action]
			if !known {
				continue
			}
			e = happened(kind, &m)
		}
		if err := send(e); err != nil {
			return fmt.Errorf("events: %w", err)
		}
	}
}

func happened(kind eventKind, m *events.Message) event {
	e := event{kind: kind, id: m.Actor.ID, line: lineOf(m.Actor.Attributes["name"], m.Actor.Attributes), at: time.Unix(0, m.TimeNano)}
	// What is no number is 0, which nothing is told of.
	switch kind {
	case died:
		e.code, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
	case signalled:
		e.code, _ = strconv.Atoi(m.Actor.Attributes["signal"])
	}
	return e
}

func (a apiClient) Logs(ctx context.Context, id string, q logQuery) (io.ReadCloser, error) {
	o := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: q.follow}
	if q.since > 0 {
		o.Since = fmt.Sprintf("%d.%09d", q.since/1e9, q.since%1e9)
	}
	if q.last {
		o.Tail = "1"
	}
	body, err := a.c.ContainerLogs(ctx, id, o)
	switch {
	case cerrdefs.IsNotFound(err):
		return nil, errGone
	case cerrdefs.IsNotImplemented(err):
		return nil, errUnreadable
	case cerrdefs.IsPermissionDenied(err):
		return nil, fmt.Errorf("logs of a container: %w; allow the agent GET /containers/{id}/logs", err)
	case err != nil:
		return nil, fmt.Errorf("logs of a container: %w", err)
	}
	return body, nil
}

func (a apiClient) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := a.c.Ping(ctx)
	return err
}

func (a apiClient) Close() error { return a.c.Close() }
