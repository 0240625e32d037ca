package host

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/webgrip/logkeel/agent/conf"
)

var (
	// Partitions, memory and loops are left out, as node_exporter does.
	leftOutDisk = conf.NewForm(`^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`)
	// The other ends of containers' interfaces come and go with them, under names
	// that nobody knows.
	leftOutInterface = conf.NewForm(`^veth`)
	// vmstatFields are those that node_exporter has.
	vmstatFields = conf.NewForm(`^(oom_kill|pgpg|pswp|pg.*fault)`)
)

// isNotSupported: a kernel that has pressure switched off has its files, and does not
// read them.
func isNotSupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, syscall.ENOTSUP)
}

// lines calls each with the fields of each line of a file of /proc.
func (s *Sampler) lines(name string, each func(fields []string) error) error {
	f, err := os.Open(filepath.Join(s.proc, name))
	if err != nil {
		return err
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		if err := each(strings.Fields(scan.Text())); err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
	}
	return scan.Err()
}

func (s *Sampler) memory(e emitter) error {
	var total, available float64
	err := s.lines("meminfo", func(fields []string) error {
		if len(fields) < 2 {
			return nil
		}
		// MemTotal:  24579004 kB, or HugePages_Total:  0
		name := strings.NewReplacer("(", "_", ")", "", ":", "").Replace(fields[0])
		v, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			return fmt.Errorf("%s is %q, which is no number", name, fields[1])
		}
		value := float64(v)
		if len(fields) == 3 && fields[2] == "kB" {
			name, value = name+"_bytes", value*1024
		}
		switch name {
		case "MemTotal_bytes":
			total = value
		case "MemAvailable_bytes":
			available = value
		}
		e.gauge("node_memory_"+name, "Memory information field "+name+".", value)
		return nil
	})
	if total > 0 {
		e.gauge("machine_memory_bytes", "Amount of memory installed on the machine.", total)
		e.gauge("logkeel_memory_available_ratio", "Memory that programs may still have without swapping, of all: 0 to 1.", available/total)
	}
	return err
}

func (s *Sampler) vmstat(e emitter) error {
	err := s.lines("vmstat", func(fields []string) error {
		if len(fields) != 2 || !vmstatFields.MatchString(fields[0]) {
			return nil
		}
		v, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			return fmt.Errorf("%s is %q, which is no number", fields[0], fields[1])
		}
		e.counter("node_vmstat_"+fields[0], "/proc/vmstat information field "+fields[0]+".", v)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (s *Sampler) openFiles(e emitter) error {
	return s.lines("sys/fs/file-nr", func(fields []string) error {
		if len(fields) != 3 {
			return fmt.Errorf("it has %d fields", len(fields))
		}
		allocated, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return err
		}
		most, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return err
		}
		e.gauge("node_filefd_allocated", "File descriptor statistics: allocated.", allocated)
		e.gauge("node_filefd_maximum", "File descriptor statistics: maximum.", most)
		return nil
	})
}
