package docker

import (
	"fmt"
	"path/filepath"

	"github.com/webgrip/logkeel/agent"
)

// say reports what was gathered, a cause at a time, so that 300 containers are no
// more to read than one.
func (x *examiner) say(report func(agent.Diagnosis)) {
	folder := filepath.Join(x.how.Root, "containers")
	// Where files cannot be read and the API may be asked, nothing is lost.
	missing := agent.Failed
	if x.how.Logs == "auto" {
		missing = agent.Known
	}
	for _, g := range []struct {
		health               agent.Health
		cause, what, why, do string
	}{
		{
			missing, "logs_not_mounted", "log files are not there: of %s", "nothing of theirs is below " + folder + byAPI(missing),
			"in a container mount it: /var/lib/docker/containers:" + folder + ":ro, and set root to the engine's data folder (docker info --format '{{.DockerRootDir}}'); or write logs: api",
		},
		{
			missing, "logs_permission", "log files may not be read: of %s", "they belong to root" + byAPI(missing), "run the agent as root, or write logs: api",
		},
		{
			agent.Failed, "driver_without_file", "nothing is read of %s", "their log driver writes no files, and logs is file", "write logs: auto",
		},
		{
			agent.Failed, "log_driver_none", "nothing can be read of %s", "their log driver is none", "make them anew without --log-driver none, with logging: {driver: json-file, options: {max-size: 10m, max-file: \"3\"}} in Compose",
		},
		{
			agent.Warned, "log_not_rotated", "logs grow until the disk is full: of %s", "json-file without max-size is never rotated",
			"logging: {driver: json-file, options: {max-size: 10m, max-file: \"3\"}} in Compose, or log-opts in /etc/docker/daemon.json for all; then make the containers anew",
		},
		{
			agent.Warned, "log_one_file", "lines may be lost when the log is full: of %s", "with max-file 1 the engine throws all away then, whether it was read or not",
			"options: {max-file: \"3\"} in Compose, and make the containers anew",
		},
		{
			agent.Warned, "fluentd_driver_not_async", "containers may hang, or not start, for want of a log server: %s", "the fluentd driver waits for it unless told otherwise",
			"options: {fluentd-async: \"true\"} in Compose, and make the containers anew",
		},
		{
			agent.Warned, "tty", "stderr is not told from stdout, and lines may have colours: of %s", "they have a terminal (tty: true)", "tty: false in Compose, unless somebody works at that terminal",
		},
		{agent.Known, "log_empty", "nothing was written to stdout and stderr by %s", "", ""},
		{agent.Warned, "undescribed", "the engine does not describe %s", errorText(x.first), "if this is a socket proxy allow the agent GET /containers/{id}/json"},
	} {
		if names := x.groups[g.cause]; len(names) > 0 {
			report(agent.Diagnosis{Health: g.health, Cause: g.cause, What: fmt.Sprintf(g.what, agent.Some(names)), Why: g.why, Do: g.do})
		}
	}
	for _, d := range x.single {
		report(d)
	}
}

func byAPI(h agent.Health) string {
	if h == agent.Known {
		return "; they are read through the engine's API instead, which costs the engine more"
	}
	return ""
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
