package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A job is one task, done once by one contender.
type job struct {
	task  *task
	who   *contender
	log   *corpus // what there is to read
	o     *options
	dir   string
	file  string // the log, or the last of them
	setup setup
	sink  *sink // nil where nothing is shipped
	proc  *process
	value map[string]float64
	known string // how it is known that the work was done
}

// A result is what a job came to.
type result struct {
	Task    string             `json:"task"`
	Agent   string             `json:"agent"`
	Round   int                `json:"round"`
	Values  map[string]float64 `json:"values"`
	Checked string             `json:"checked,omitempty"`
	Problem string             `json:"problem,omitempty"`
}

// do does a job, in a folder that is removed afterwards.
func (j *job) do(ctx context.Context, parent string) (r result) {
	r = result{Task: j.task.name, Agent: j.who.name}
	fail := func(err error) result {
		r.Values, r.Problem = j.value, err.Error()
		return r
	}
	ctx, cancel := context.WithTimeoutCause(ctx, j.o.limit, fmt.Errorf("not done after %s", j.o.limit))
	defer cancel()
	var err error
	if j.dir, err = os.MkdirTemp(parent, "job-"); err != nil {
		return fail(err)
	}
	defer os.RemoveAll(j.dir)
	j.value = map[string]float64{}
	if err = j.prepare(); err == nil {
		err = j.task.measure(ctx, j)
	}
	if j.proc != nil {
		if err != nil && j.proc.over() {
			err = fmt.Errorf("%w; it ended: %s", err, j.proc.lastWords())
		}
		j.proc.stop()
	}
	if j.sink != nil {
		j.sink.close()
	}
	if err != nil {
		return fail(err)
	}
	r.Values, r.Checked = j.value, j.known
	return r
}

func (j *job) prepare() error {
	s := j.task.setup
	s.Docker, s.Work = filepath.Join(j.dir, "docker"), filepath.Join(j.dir, "work")
	if err := os.Mkdir(s.Work, 0o700); err != nil {
		return err
	}
	var err error
	if s.Metrics, err = freePort(); err != nil {
		return err
	}
	if s.Ship != "" {
		if j.sink, err = newSink(j.who.protocol, j.task.marks); err != nil {
			return err
		}
		s.Port = j.sink.port
	}
	j.setup = s
	return nil
}

// begin starts the contender.
func (j *job) begin() error {
	args, err := j.who.prepare(j.setup)
	if err != nil {
		return err
	}
	j.proc, err = start(j.setup.Work, args)
	return err
}

// container makes the n-th container of the engine's folders and returns the
// path at which its log is to be.
func (j *job) container(n int) (string, error) {
	id := fmt.Sprintf("%064x", n)
	dir := filepath.Join(j.setup.Docker, "containers", id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	log := filepath.Join(dir, id+"-json.log")
	service := fmt.Sprintf("service-%d", n)
	config := map[string]any{"ID": id, "Name": "/app", "LogPath": log, "Config": map[string]any{"Image": "app"}}
	if j.setup.Labels {
		config["Name"] = "/shop-" + service + "-1"
		config["Config"] = map[string]any{"Image": "shop/app:1.4", "Labels": map[string]string{
			"com.docker.compose.project": "shop", "com.docker.compose.service": service,
			"com.docker.compose.container-number": "1", "org.opencontainers.image.version": "1.4",
		}}
	}
	b, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	j.file, j.setup.Log = log, log
	return log, os.WriteFile(filepath.Join(dir, "config.v2.json"), b, 0o600)
}

// give makes the corpus the log of a container, and has it in memory: some
// contenders drop what they have read from there, and their successor would pay.
func (j *job) give() error {
	log, err := j.container(1)
	if err != nil {
		return err
	}
	if err := os.Link(j.log.path, log); err != nil {
		return err
	}
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f})
	return err
}

// wanted is what has to arrive.
func (j *job) wanted() tally {
	switch {
	case j.setup.Ship == "flagged":
		return j.log.flagged
	case j.who.joins:
		return j.log.records
	}
	return j.log.pieces
}

// await waits until all that is wanted has come, looks whether more does, and
// returns when the last of it came.
func (j *job) await(ctx context.Context, want tally, patience time.Duration) (time.Time, error) {
	begun := time.Now()
	for {
		got, last, wrong := j.sink.state()
		if wrong != nil {
			return last, wrong
		}
		if got.n >= want.n {
			break
		}
		short := fmt.Errorf("%d of %d records came", got.n, want.n)
		switch {
		case ctx.Err() != nil:
			return last, fmt.Errorf("%w: %w", context.Cause(ctx), short)
		case j.proc.over() || time.Since(begun) > patience && time.Since(last) > patience:
			return last, short
		}
		j.proc.memory()
		pause(ctx, 2*time.Millisecond)
	}
	pause(ctx, settleTime)
	got, last, _ := j.sink.state()
	switch {
	case got.n != want.n:
		return last, fmt.Errorf("%d of %d records came: some came twice", got.n, want.n)
	case !j.who.texts:
		j.known = "number"
	case got.sum != want.sum:
		return last, fmt.Errorf("%d of %d records came, but not with the text that they had", got.n, want.n)
	default:
		j.known = "each text"
	}
	return last, nil
}

// settleTime is how long is waited for what should not come, and for what is
// done after the last record has come.
const settleTime = 300 * time.Millisecond

// pause sleeps, at most until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// freePort is one on which nobody listens now.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}
