package docker

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/webgrip/logkeel/agent"
)

// maxAuditLabel bounds a label that lists things, in bytes.
const maxAuditLabel = 200

// An audit is how a container was made, as far as somebody should look at it.
// Nothing in it changes while the container is there, but its networks.
type audit struct {
	created time.Time
	image   string // id of the image that it runs
	ref     string // what it was asked for as: box:1
	stop    string // its stop signal, "" for SIGTERM

	user        string   // the effective one, with its group: "root", "1000:1000"
	networkMode string   // bridge, host, none, container, or a network
	networks    []string // ascending
	ports       []string // published: "8080->80/tcp", "127.0.0.1:8080->80/tcp"; ascending
	restart     string   // policy: no, always, on-failure, unless-stopped
	capAdd      []string // without CAP_, ascending
	mounts      []hostMount

	privileged                    bool
	hostPID, hostIPC, hostNetwork bool
	readOnly                      bool // its root file system
	unconfined                    bool // by seccomp, AppArmor or SELinux
	everywhere                    bool // a port is published on all addresses

	log    logSettings
	limits limits
}

// A hostMount is a folder or file of the host in a container.
type hostMount struct {
	source   string
	writable bool
}

// logSettings are the log driver and its rotation.
type logSettings struct {
	driver  string
	maxSize string // as written; "" where it is not
	maxFile string
}

// limits are those of a container's control groups. 0 is none, or the default.
type limits struct {
	memory, swap, reservation int64 // bytes; swap is memory and swap together, -1 without a limit
	cpuPeriod, cpuQuota       int64 // microseconds
	cpuShares                 int64
}

// A risk is something that makes a container more dangerous than it need be.
type risk struct {
	name string
	of   func(a *audit) bool
}

// risks are all there are: a label's values.
func risks() []risk {
	return []risk{
		{"root", func(a *audit) bool { return isRoot(a.user) }},
		{"privileged", func(a *audit) bool { return a.privileged }},
		{"engine_socket", func(a *audit) bool { return slices.ContainsFunc(a.mounts, hostMount.hasEngine) }},
		{"host_path", func(a *audit) bool { return slices.ContainsFunc(a.mounts, hostMount.isHosts) }},
		{"host_network", func(a *audit) bool { return a.hostNetwork }},
		{"host_pid", func(a *audit) bool { return a.hostPID }},
		{"host_ipc", func(a *audit) bool { return a.hostIPC }},
		{"capabilities", func(a *audit) bool { return slices.ContainsFunc(a.capAdd, dangerous) }},
		{"unconfined", func(a *audit) bool { return a.unconfined }},
		{"published", func(a *audit) bool { return a.everywhere }},
		{"writable_root", func(a *audit) bool { return !a.readOnly }},
		{"no_memory_limit", func(a *audit) bool { return a.limits.memory <= 0 }},
	}
}

// isRoot reports whether a user, as Docker writes it, is root within the container.
func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	if id, err := strconv.ParseUint(name, 10, 32); err == nil {
		return id == 0
	}
	return name == "" || name == "root"
}

// dangerous reports whether a capability is as good as root on the host.
func dangerous(capability string) bool {
	switch capability {
	case "ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_BOOT", "DAC_READ_SEARCH", "BPF", "MAC_ADMIN", "MAC_OVERRIDE":
		return true
	}
	return false
}

// hasEngine reports whether an engine can be reached through the mount. That it
// is read-only does not matter: to connect to a socket is no writing.
func (m hostMount) hasEngine() bool {
	switch path.Base(m.source) {
	case "docker.sock", "containerd.sock", "podman.sock", "crio.sock", "cri-dockerd.sock":
		return true
	}
	switch m.source {
	case "/", "/run", "/var", "/var/run", "/run/containerd", "/var/run/containerd", "/run/podman", "/var/run/podman":
		return true
	}
	return false
}

// isHosts reports whether the mount lets the container change the host's system.
func (m hostMount) isHosts() bool {
	if !m.writable {
		return false
	}
	switch m.source {
	case "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/usr",
		"/var", "/var/lib", "/var/lib/containerd", "/var/lib/docker", "/var/run":
		return true
	}
	return false
}

// unbounded reports whether the log grows until the disk is full.
func (l logSettings) unbounded() bool {
	return l.driver == jsonFile && (l.maxSize == "" || strings.HasPrefix(l.maxSize, "-"))
}

// files is how many files a log that is rotated has at most; ok is false where it
// is not rotated, or not by this driver.
func (l logSettings) files() (n int, ok bool) {
	def := 0
	switch l.driver {
	case jsonFile:
		def = 1 // one: what is rotated is gone
	case "local":
		def = 5
	}
	if def == 0 || l.unbounded() {
		return 0, false
	}
	if l.maxFile == "" {
		return def, true
	}
	n, err := strconv.Atoi(l.maxFile)
	return n, err == nil
}

// bytes is how large one of its files becomes at most; ok as for files.
func (l logSettings) bytes() (n float64, ok bool) {
	if _, rotated := l.files(); !rotated {
		return 0, false
	}
	if l.maxSize == "" {
		return 20e6, true // of the driver local
	}
	return humanSize(l.maxSize)
}

// humanSize reads a size as Docker's log options have it: 10m is ten million.
func humanSize(s string) (bytes float64, ok bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	s = strings.TrimSuffix(strings.TrimSuffix(s, "b"), "i")
	factor := 1.0
	if n := len(s); n > 0 {
		if i := strings.IndexByte("kmgtp", s[n-1]); i >= 0 {
			for range i + 1 {
				factor *= 1000
			}
			s = strings.TrimSpace(s[:n-1])
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || f < 0 || f*factor > 1e18 {
		return 0, false
	}
	return f * factor, true
}

// listing joins what a label lists, and cuts it where it is too long.
func listing(list []string) string {
	s := strings.Join(list, ",")
	if len(s) <= maxAuditLabel {
		return s
	}
	s = s[:maxAuditLabel-len("…")]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// samples yields what rules and dashboards ask. Where nothing is known, as of an
// engine that does not say it, there is nothing.
func (a *audit) samples(e emitter) {
	if a.log.driver == "" && a.networkMode == "" {
		return
	}
	e.gauge("logkeel_container_info", "How the container was made; always 1.", 1, a.info()...)
	for _, r := range risks() {
		e.gauge("logkeel_container_risk", "1 where the container is more dangerous than it need be, in this respect.", number(r.of(a)), agent.Label{Name: "risk", Value: r.name})
	}
	e.gauge("logkeel_container_log_unbounded", "Whether the container's log grows until the disk is full: json-file without max-size.", number(a.log.unbounded()))
	if n, ok := a.log.files(); ok {
		e.gauge("logkeel_container_log_files", "Files that the container's log has at most (max-file). With 1, what is rotated away is gone.", float64(n))
	}
	if n, ok := a.log.bytes(); ok {
		e.gauge("logkeel_container_log_file_bytes", "Size of a file of the container's log at which it is rotated (max-size).", n)
	}
}

// info are the facts as labels, each of which changes only with its fact.
func (a *audit) info() []agent.Label {
	return []agent.Label{
		{Name: "user", Value: a.user},
		{Name: "privileged", Value: strconv.FormatBool(a.privileged)},
		{Name: "network_mode", Value: a.networkMode},
		{Name: "networks", Value: listing(a.networks)},
		{Name: "ports", Value: listing(a.ports)},
		{Name: "capabilities", Value: listing(a.capAdd)},
		{Name: "restart_policy", Value: a.restart},
		{Name: "log_driver", Value: a.log.driver},
	}
}
