package docker

import (
	"cmp"
	"context"
	"io"
	"sync"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// fake is an engine in memory.
type fake struct {
	mu         sync.Mutex
	containers map[string]described
	broken     map[string]error // what Inspect says of a container
	inspected  []string
	events     chan event
	breaks     chan error // ends the stream of events
	down       error      // what every call says

	logs   func(ctx context.Context, id string, q logQuery) (io.ReadCloser, error)
	usage  func(ctx context.Context, id string) (usage, error) // what Usage does
	closed int
	images map[string]image // by id and by name
	looked []string         // images that were asked for
	barred error            // what Image says
	size   func(ctx context.Context, id string) (uint64, error)
}

func newFake(cs ...*agent.Container) *fake {
	f := &fake{containers: map[string]described{}, broken: map[string]error{}, events: make(chan event), breaks: make(chan error)}
	for _, c := range cs {
		f.put(c)
	}
	return f
}

func (f *fake) put(c *agent.Container) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.containers[c.ID] = described{container: c}
}

func (f *fake) drop(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.containers, id)
}

func (f *fake) List(context.Context) ([]listed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []listed
	for id, d := range f.containers {
		all = append(all, listed{id: id, name: d.container.Name, network: d.network, running: d.state.running})
	}
	return all, f.down
}

func (f *fake) Inspect(_ context.Context, id string) (described, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inspected = append(f.inspected, id)
	if err := f.broken[id]; err != nil {
		return described{}, err
	}
	d, ok := f.containers[id]
	if !ok {
		return described{}, errGone
	}
	c := *d.container // the client makes a new one each time
	d.container = &c
	return d, f.down
}

func (f *fake) Events(ctx context.Context, _ time.Time, out chan<- event) error {
	if f.down != nil {
		return f.down
	}
	e := event{kind: subscribed}
	for {
		select {
		case out <- e:
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.breaks:
			return err
		}
		select {
		case e = <-f.events:
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.breaks:
			return err
		}
	}
}

func (f *fake) Usage(ctx context.Context, id string) (usage, error) { return f.usage(ctx, id) }

func (f *fake) Size(ctx context.Context, id string) (uint64, error) { return f.size(ctx, id) }

func (f *fake) Image(_ context.Context, name string) (image, error) {
	f.looked = append(f.looked, name)
	i, ok := f.images[name]
	if !ok {
		return image{}, cmp.Or(f.barred, errGone)
	}
	return i, f.barred
}

func (f *fake) Logs(ctx context.Context, id string, q logQuery) (io.ReadCloser, error) {
	return f.logs(ctx, id, q)
}

func (f *fake) Close() error {
	f.closed++
	return nil
}
