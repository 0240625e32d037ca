package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/webgrip/logkeel/agent"
)

// maxEngineSkew is how far the engine's clock may be from this one until it is said.
const maxEngineSkew = 5 * time.Second

// An Examination is what there is to know for a diagnosis of containers.
type Examination struct {
	Logs   string                 // auto, file or api
	Root   string                 // the engine's data folder, absolute
	Tailed func(path string) bool // whether a file of this machine is read by another section
	Now    func() time.Time       // nil: this machine's clock
}

// Diagnose looks at the engine and at each container: whether its log can be read,
// is kept, and whether it logs to where nobody looks.
func (c *Collector) Diagnose(ctx context.Context, how Examination, report func(agent.Diagnosis)) {
	if how.Now == nil {
		how.Now = time.Now
	}
	if d, ok := c.reachable(ctx); !ok {
		report(d)
		return
	}
	eng, err := c.open()
	if err != nil {
		report(agent.Explained(agent.Failed, "engine", "there is no client for the engine", err))
		return
	}
	defer eng.Close()
	api, ok := eng.(apiClient)
	if !ok {
		return
	}
	list, err := api.List(ctx)
	if err != nil {
		report(agent.Diagnosis{
			Health: agent.Failed, Cause: "engine_refuses", What: "the engine at " + c.host + " does not say which containers there are", Why: err.Error(),
			Do: "if this is a socket proxy allow the agent GET /containers and GET /events (CONTAINERS=1, EVENTS=1)",
		})
		return
	}
	if theirs, err := api.now(ctx); err == nil { // a proxy may not allow it
		if ours := how.Now(); theirs.Sub(ours).Abs() > maxEngineSkew {
			report(agent.Skewed("the engine's clock", theirs, ours))
		}
	}
	x := newExaminer(c, api, how)
	running := 0
	for _, l := range list {
		if l.running {
			running++
		}
		if ctx.Err() != nil {
			report(agent.Diagnosis{Health: agent.Known, Cause: "not_tried", What: fmt.Sprintf("only %d of %d containers were looked at in time", x.looked, len(list)), Do: "logkeel doctor --timeout 2m"})
			break
		}
		x.look(ctx, l)
	}
	report(agent.Diagnosis{What: fmt.Sprintf("the engine at %s answers: %s, %d of them running; logs of %d are read", c.host, agent.Count(len(list), "container"), running, x.looked)})
	x.say(report)
}

// reachable tries the engine's socket, of which the client would only say that it
// cannot connect.
func (c *Collector) reachable(ctx context.Context) (agent.Diagnosis, bool) {
	d := agent.Diagnosis{Health: agent.Failed, Cause: "engine_gone", What: "the engine at " + c.host + " cannot be reached"}
	network, address, _ := strings.Cut(c.host, "://")
	if network == "http" || network == "https" {
		network = "tcp"
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		conn.Close()
		return d, true
	}
	d.Why = err.Error()
	socket := network == "unix"
	switch {
	case socket && errors.Is(err, fs.ErrPermission):
		d.Cause = "engine_permission"
		d.Do = "run the agent as root or in the socket's group: usermod --append --groups docker USER, or group_add: [\"GID\"] in Compose"
		if info, err := os.Stat(address); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				d.Do = strings.ReplaceAll(d.Do, "GID", fmt.Sprint(st.Gid))
			}
		}
	case socket && errors.Is(err, fs.ErrNotExist):
		d.Cause = "engine_no_socket"
		d.Do = "is Docker installed, and host right? In a container mount the socket: " + address + ":" + address + ":ro"
	case socket && errors.Is(err, syscall.ECONNREFUSED):
		d.Do = "nobody listens at the socket that is there: systemctl start docker; in a container whose engine was restarted make the agent's anew, for it has the old socket: docker compose up --detach --force-recreate logkeel"
	default:
		d.Do = "systemctl status docker there, and compare host with where the engine or its proxy listens"
	}
	return d, false
}

// An examiner gathers what is true of several containers.
type examiner struct {
	c      *Collector
	api    apiClient
	how    Examination
	looked int // containers whose logs are to be read

	groups  map[string][]string // containers by cause
	single  []agent.Diagnosis   // of one container each
	sources map[string]bool     // folders that were looked through
	first   error               // why a container could not be described
}

func newExaminer(c *Collector, api apiClient, how Examination) *examiner {
	return &examiner{c: c, api: api, how: how, groups: map[string][]string{}, sources: map[string]bool{}}
}

// look examines one container.
func (x *examiner) look(ctx context.Context, l listed) {
	if l.id == x.c.self {
		return
	}
	e, err := x.api.examine(ctx, l.id)
	if errors.Is(err, errGone) {
		return
	}
	if err != nil {
		if x.first == nil {
			x.first = err
		}
		x.add("undescribed", l.name)
		return
	}
	if !x.c.Wanted(e.container) {
		return
	}
	x.looked++
	x.settings(&e)
	if empty, known := x.file(ctx, &e); e.state.running && known {
		x.elsewhere(ctx, &e, empty)
	}
}

func (x *examiner) add(cause, name string) { x.groups[cause] = append(x.groups[cause], name) }

// settings judges how the container's log is kept.
func (x *examiner) settings(e *examined) {
	name := e.container.Name
	log := e.audit.log
	switch n, rotated := log.files(); {
	case log.unbounded():
		x.add("log_not_rotated", name)
	case rotated && n == 1:
		x.add("log_one_file", name)
	}
	if log.driver == "none" {
		x.add("log_driver_none", name)
	}
	if log.driver == "fluentd" && e.options["fluentd-async"] != "true" && e.options["fluentd-async-connect"] != "true" {
		x.add("fluentd_driver_not_async", name)
	}
	if e.tty {
		x.add("tty", name)
	}
}

// file says whether the container's log is empty, and notes whether it can be read.
func (x *examiner) file(ctx context.Context, e *examined) (empty, known bool) {
	name := e.container.Name
	if x.how.Logs != "api" && e.driver == jsonFile {
		path := filepath.Join(x.how.Root, "containers", e.container.ID, e.container.ID+"-json.log")
		f, err := os.Open(path)
		if err == nil {
			defer f.Close()
			if info, err := f.Stat(); err == nil {
				return info.Size() == 0, true
			}
		}
		switch {
		case errors.Is(err, fs.ErrPermission):
			x.add("logs_permission", name)
		case errors.Is(err, fs.ErrNotExist) && e.state.status != "created":
			x.add("logs_not_mounted", name)
		}
	} else if x.how.Logs == "file" && e.driver != jsonFile {
		x.add("driver_without_file", name)
	}
	body, err := x.api.Logs(ctx, e.container.ID, logQuery{last: true})
	if err != nil {
		return false, false
	}
	defer body.Close()
	n, err := body.Read(make([]byte, 1))
	return n == 0, n > 0 || errors.Is(err, io.EOF)
}
