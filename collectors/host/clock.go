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
	const net = "sys/net/netfilter/nf_conntrack_"
	most, err := s.integer(net + "max")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := s.connections()
	if errors.Is(err, fs.ErrNotExist) && filepath.Clean(s.c.Root) == "/" {
		n, err = s.integer(net + "count")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	e.gauge("node_nf_conntrack_entries", "Number of currently allocated flow entries for connection tracking.", n)
	e.gauge("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.", most)
	return nil
}

// connections are those of the machine's first process. What is under sys/net, whoever's
// /proc it is, is of the network of whoever reads: in a container of that.
func (s *Sampler) connections() (n float64, err error) {
	known := errors.New("it has no line with entries")
	err = s.lines("1/net/stat/nf_conntrack", func(fields []string) error {
		if known == nil || len(fields) == 0 || fields[0] == "entries" {
			return nil // a line for each CPU, all with the same number
		}
		v, err := strconv.ParseUint(fields[0], 16, 64)
		n, known = float64(v), nil
		return err
	})
	if err == nil {
		err = known
	}
	return n, err
}

// integer is the number that a file of /proc has.
func (s *Sampler) integer(name string) (float64, error) {
	path := filepath.Join(s.proc, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	if err != nil {
		return 0, fmt.Errorf("%s has %q, which is no number", path, b)
	}
	return v, nil
}
