package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/webgrip/logkeel/agent"
)

// clock says what time it is, and how well the kernel believes that it is kept. It
// reads only: no right is needed.
func clock(e emitter) error {
	e.gauge("node_time_seconds", "System time in seconds since epoch (1970).", float64(time.Now().UnixNano())/1e9)
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	if err != nil {
		return os.NewSyscallError("adjtimex", err)
	}
	unit := 1e-6
	if tx.Status&unix.STA_NANO != 0 {
		unit = 1e-9
	}
	e.gauge("node_timex_sync_status", "Is clock synchronized to a reliable server (1 = yes, 0 = no).", number(state != unix.TIME_ERROR))
	e.gauge("node_timex_offset_seconds", "Time offset in between local system and reference clock.", float64(tx.Offset)*unit)
	e.gauge("node_timex_maxerror_seconds", "Maximum error in seconds.", float64(tx.Maxerror)/1e6)
	e.gauge("node_timex_estimated_error_seconds", "Estimated error in seconds.", float64(tx.Esterror)/1e6)
	return nil
}

// machine says what the machine is, under node_exporter's name and cAdvisor's.
func (s *Sampler) machine(e emitter) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return os.NewSyscallError("uname", err)
	}
	text := func(b [65]byte) string { return unix.ByteSliceToString(b[:]) }
	e.gauge("node_uname_info", "Labeled system information as provided by the uname system call.", 1,
		agent.Label{Name: "domainname", Value: text(u.Domainname)}, agent.Label{Name: "machine", Value: text(u.Machine)},
		agent.Label{Name: "nodename", Value: text(u.Nodename)}, agent.Label{Name: "release", Value: text(u.Release)},
		agent.Label{Name: "sysname", Value: text(u.Sysname)}, agent.Label{Name: "version", Value: text(u.Version)})
	e.gauge("machine_cpu_cores", "Number of logical CPU cores.", float64(runtime.NumCPU()))
	return nil
}

// conntrack counts the connections that the kernel follows: where its table is full,
// new ones are refused. It is not there without a firewall or an engine's networks.
func (s *Sampler) conntrack(e emitter) error {
	for _, f := range [...]struct{ file, name, help string }{
		{"nf_conntrack_count", "node_nf_conntrack_entries", "Number of currently allocated flow entries for connection tracking."},
		{"nf_conntrack_max", "node_nf_conntrack_entries_limit", "Maximum size of connection tracking table."},
	} {
		path := filepath.Join(s.proc, "sys/net/netfilter", f.file)
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
		if err != nil {
			return fmt.Errorf("%s has %q, which is no number", path, b)
		}
		e.gauge(f.name, f.help, v)
	}
	return nil
}
