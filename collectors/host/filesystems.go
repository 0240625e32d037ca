package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

// answerWithin is how long one file system is waited for: a network's that is gone
// would hold up the others.
const answerWithin = 2 * time.Second

var (
	// Kinds that are on no disk, and mount points of engines and the system: those
	// that node_exporter leaves out, too. Whoever names them gets them.
	leftOutKinds = conf.NewForm(`^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$`)
	leftOutPlace = conf.NewForm(`^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)`)
)

// capacity is what there is of a file system.
type capacity struct {
	size, free, avail float64 // bytes; avail is for others than root
	files, filesFree  float64 // inodes
}

// whole says how full a device is as cAdvisor does of the whole machine.
func (c *capacity) whole(device string, e emitter) {
	labels := []agent.Label{{Name: "id", Value: "/"}, {Name: "device", Value: device}}
	e.gauge("container_fs_limit_bytes", "Number of bytes that can be consumed by the container on this filesystem.", c.size, labels...)
	e.gauge("container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.", c.size-c.free, labels...)
	e.gauge("container_fs_inodes_total", "Number of Inodes", c.files, labels...)
	e.gauge("container_fs_inodes_free", "Number of available Inodes", c.filesFree, labels...)
}

func statfs(path string) (c capacity, err error) {
	var st unix.Statfs_t
	for {
		if err = unix.Statfs(path, &st); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return c, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	unit := float64(st.Bsize)
	return capacity{float64(st.Blocks) * unit, float64(st.Bfree) * unit, float64(st.Bavail) * unit, float64(st.Files), float64(st.Ffree)}, nil
}

// A mount is one file system at one place.
type mount struct {
	device, kind, place string
	readOnly            bool
}

// mounts are those that are to be measured, each place once: the last that was
// mounted there hides the others. missing are places that were named and have none.
func (s *Sampler) mounts() (list []mount, missing []string, err error) {
	proc, err := procfs.NewFS(s.proc)
	if err != nil {
		return nil, nil, err
	}
	first, err := proc.Proc(1)
	if err != nil {
		return nil, nil, err
	}
	all, err := first.MountInfo()
	if err != nil {
		return nil, nil, err
	}
	at := map[string]int{}
	for _, m := range all {
		place, ok := s.place(m.MountPoint)
		if !ok || matches(s.c.Exclude, place) {
			continue
		}
		if len(s.c.Mounts) > 0 && !matches(s.c.Mounts, place) ||
			len(s.c.Mounts) == 0 && (leftOutKinds.MatchString(m.FSType) || leftOutPlace.MatchString(place)) {
			continue
		}
		_, readOnly := m.Options["ro"]
		_, alsoReadOnly := m.SuperOptions["ro"]
		one := mount{m.Source, m.FSType, place, readOnly || alsoReadOnly}
		if i, ok := at[place]; ok {
			list[i] = one
			continue
		}
		at[place] = len(list)
		list = append(list, one)
	}
	for _, g := range s.c.Mounts {
		if _, ok := at[g]; !ok && exact(g) {
			missing = append(missing, g)
		}
	}
	return list, missing, nil
}

// place is a mount point as the machine has it. The agent's own /proc may know it
// with the root that it has in a container.
func (s *Sampler) place(point string) (string, bool) {
	point = unescape(point)
	if s.c.Root == "/" || !strings.HasPrefix(point+"/", filepath.Clean(s.c.Root)+"/") {
		return point, true
	}
	return "/" + strings.TrimPrefix(strings.TrimPrefix(point, filepath.Clean(s.c.Root)), "/"), true
}

var octal = regexp.MustCompile(`\\[0-7]{3}`)

// unescape reads spaces and the like as the kernel writes them.
func unescape(point string) string {
	return octal.ReplaceAllStringFunc(point, func(o string) string {
		return string([]byte{(o[1]-'0')<<6 | (o[2]-'0')<<3 | (o[3] - '0')})
	})
}

func (s *Sampler) fileSystems(ctx context.Context, e emitter) error {
	list, missing, err := s.mounts()
	if err != nil {
		return err
	}
	var errs []error
	if len(list) == 0 && len(missing) == 0 {
		return errors.New("there is none on a disk; in a container mount the machine's / as /host, read-only, and set root: /host, or name what is mounted under mounts")
	}
	if n := len(list); n > maxDevices {
		errs = append(errs, fmt.Errorf("there are %d; %d are left out", n, n-maxDevices))
		list = list[:maxDevices]
	}
	devices := map[string]bool{}
	for _, m := range list {
		labels := []agent.Label{{Name: "device", Value: m.device}, {Name: "fstype", Value: m.kind}, {Name: "mountpoint", Value: strings.ToValidUTF8(m.place, "\uFFFD")}}
		c, err := s.ask(ctx, m.place)
		const help = "Whether an error occurred while getting statistics for the given device."
		if err != nil {
			errs = append(errs, err)
			e(agent.Sample{Name: "node_filesystem_device_error", Help: help, Labels: labels, Value: 1, Note: agent.Note(err)})
			continue
		}
		e.gauge("node_filesystem_device_error", help, 0, labels...)
		e.gauge("node_filesystem_size_bytes", "Filesystem size in bytes.", c.size, labels...)
		e.gauge("node_filesystem_free_bytes", "Filesystem free space in bytes.", c.free, labels...)
		e.gauge("node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes.", c.avail, labels...)
		e.gauge("node_filesystem_files", "Filesystem total file nodes.", c.files, labels...)
		e.gauge("node_filesystem_files_free", "Filesystem total free file nodes.", c.filesFree, labels...)
		e.gauge("node_filesystem_readonly", "Filesystem read-only status.", number(m.readOnly), labels...)
		if !devices[m.device] {
			devices[m.device] = true
			c.whole(m.device, e)
		}
		// Of what df calls used and available; root's reserve is neither.
		if used := c.size - c.free; used+c.avail > 0 {
			e.gauge("logkeel_filesystem_used_ratio", "Used space, of what is not kept for root, as df prints it: 0 to 1.", used/(used+c.avail), labels...)
		}
		if c.files > 0 {
			e.gauge("logkeel_filesystem_inodes_used_ratio", "Used inodes, 0 to 1.", (c.files-c.filesFree)/c.files, labels...)
		}
	}
	for _, place := range s.named() {
		e.gauge("logkeel_filesystem_mounted", "Whether something is mounted at a place that the configuration names.", number(!slices.Contains(missing, place)), agent.Label{Name: "mountpoint", Value: place})
	}
	return errors.Join(errs...)
}

// named are the mount points that the configuration names one by one.
func (s *Sampler) named() (list []string) {
	for _, g := range s.c.Mounts {
		if exact(g) && !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	return list
}

// ask measures one file system. The kernel may never answer; then that goroutine, one a
// file system, is left behind, and it is not asked again before that one has come back.
func (s *Sampler) ask(ctx context.Context, place string) (capacity, error) {
	s.mu.Lock()
	if s.busy[place] {
		s.mu.Unlock()
		return capacity{}, fmt.Errorf("%s does not answer; is it on a network, and is that there?", place)
	}
	s.busy[place] = true
	s.mu.Unlock()
	type answer struct {
		c   capacity
		err error
	}
	came := make(chan answer, 1)
	go func() {
		c, err := s.statfs(filepath.Join(s.c.Root, place))
		s.mu.Lock()
		delete(s.busy, place)
		s.mu.Unlock()
		came <- answer{c, err}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, fmt.Errorf("%s does not answer within %s", place, answerWithin))
	defer cancel()
	select {
	case a := <-came:
		return a.c, a.err
	case <-ctx.Done():
		return capacity{}, context.Cause(ctx)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
