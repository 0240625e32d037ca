package host

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/conf"
)

func config(change func(*Config)) (c Config) {
	c.SetDefaults()
	change(&c)
	return c
}

// snapshot has the samples by name and labels' values.
func snapshot(t *testing.T, s *Sampler) (map[string]float64, error) {
	t.Helper()
	got := map[string]float64{}
	err := s.Sample(t.Context(), func(one agent.Sample) {
		key := one.Name
		for _, l := range one.Labels {
			key += " " + l.Value
		}
		if _, twice := got[key]; twice {
			t.Errorf("%s comes twice", key)
		}
		got[key] = one.Value
	})
	return got, err
}

// near wants a value that moves by itself to lie within a part of what a tool says.
func near(t *testing.T, what string, got, want, part float64) {
	t.Helper()
	if math.Abs(got-want) > part*math.Abs(want) {
		t.Errorf("%s is %v, the tool says %v", what, got, want)
	}
}

// What df prints is what is measured.
func TestAsDf(t *testing.T) {
	got, err := snapshot(t, New(config(func(*Config) {})))
	if err != nil {
		t.Fatal(err)
	}
	rows := func(flags ...string) (out [][]string) {
		b, err := exec.Command("df", append([]string{"-P"}, flags...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			out = append(out, strings.Fields(line))
		}
		return out[1:]
	}
	number := func(s string) float64 {
		v, _ := strconv.ParseFloat(strings.TrimSuffix(s, "%"), 64)
		return v
	}
	seen := 0
	of := func(metric, device, place string) (float64, bool) {
		for key, v := range got {
			if f := strings.Fields(key); f[0] == metric && f[1] == device && f[len(f)-1] == place {
				return v, true
			}
		}
		return 0, false
	}
	for _, r := range rows("-B1") {
		size, ok := of("node_filesystem_size_bytes", r[0], r[5])
		if !ok {
			continue // on no disk
		}
		seen++
		if size != number(r[1]) {
			t.Errorf("%s has %v bytes, df says %s", r[5], size, r[1])
		}
		avail, _ := of("node_filesystem_avail_bytes", r[0], r[5])
		free, _ := of("node_filesystem_free_bytes", r[0], r[5])
		ratio, _ := of("logkeel_filesystem_used_ratio", r[0], r[5])
		near(t, r[5]+" available", avail, number(r[3]), 0.05)
		near(t, r[5]+" used", size-free, number(r[2]), 0.05)
		if math.Abs(100*ratio-number(r[4])) > 2 {
			t.Errorf("%s is used to %v, df says %s", r[5], ratio, r[4])
		}
	}
	for _, r := range rows("-i") {
		if files, ok := of("node_filesystem_files", r[0], r[5]); ok {
			free, _ := of("node_filesystem_files_free", r[0], r[5])
			near(t, r[5]+" inodes", files, number(r[1]), 0)
			near(t, r[5]+" inodes free", free, number(r[3]), 0.05)
		}
	}
	if _, ok := got["node_load1"]; !ok || seen == 0 {
		t.Errorf("%d file systems are as df has them; the metrics are %v", seen, slices.Sorted(maps.Keys(got)))
	}
}

// What free prints is what is measured.
func TestAsFree(t *testing.T) {
	got, err := snapshot(t, New(config(func(*Config) {})))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		if f := strings.Fields(string(line)); f[0] == "MemTotal:" {
			kb, _ := strconv.ParseFloat(f[1], 64)
			near(t, "memory", got["node_memory_MemTotal_bytes"], kb*1024, 0)
		}
	}
	for _, name := range []string{"node_memory_MemAvailable_bytes", "node_memory_SwapFree_bytes", "node_memory_Active_anon_bytes", "node_cpu_seconds_total 0 user", "node_boot_time_seconds", "node_vmstat_oom_kill", "node_filefd_maximum", "node_network_receive_bytes_total lo"} {
		if _, ok := got[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
}

// machine makes what a machine has under /proc; files replace or add to it, and an
// empty one is not there.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	all := map[string]string{
		"proc/loadavg":        "0.50 0.40 0.30 2/345 6789\n",
		"proc/stat":           "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 100 200 300 400 500 600 700 800 0 0\nintr 42 1 2\nctxt 43\nbtime 1700000000\nprocesses 44\nprocs_running 2\nprocs_blocked 1\nsoftirq 1 0 0 0 0 0 0 0 0 0 0\n",
		"proc/meminfo":        "MemTotal:  1000 kB\nHugePages_Total:   3\n",
		"proc/vmstat":         "oom_kill 7\nnr_free_pages 1\n",
		"proc/sys/fs/file-nr": "100\t0\t2000\n",
		"proc/sys/net/netfilter/nf_conntrack_count": "3\n", // of the agent's container
		"proc/1/net/stat/nf_conntrack":              "entries  clashres found\n00000011  00000000 00000002\n00000011  00000000 00000000\n",
		"proc/sys/net/netfilter/nf_conntrack_max":   "100\n",
		"proc/diskstats":                            " 8 0 sda 10 1 20 3000 40 5 60 7000 8 9000 10000\n 8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n",
		"proc/1/net/dev":                            "Inter-|   Receive |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed\n  eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\nveth12: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n",
		"proc/1/mountinfo":                          "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:2 / /my\\040disk ro - xfs /dev/sdb1 ro\n24 22 0:5 / /proc rw - proc proc rw\n25 22 0:6 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n",
		"sys/x":                                     "",
	}
	maps.Copy(all, files)
	root := t.TempDir()
	for name, content := range all {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if content == "" {
			continue
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func on(root string, change func(*Config)) *Sampler {
	s := New(config(func(c *Config) {
		c.Root = root
		change(c)
	}))
	s.statfs = func(path string) (capacity, error) {
		if !strings.HasPrefix(path, root) {
			return capacity{}, fmt.Errorf("%s is not the machine's", path)
		}
		return capacity{size: 100, free: 60, avail: 50, files: 10, filesFree: 4}, nil
	}
	return s
}

// The machine may be seen from a container.
func TestFromAContainer(t *testing.T) {
	got, err := snapshot(t, on(machine(t, nil), func(*Config) {}))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]float64{
		"machine_memory_bytes":                                  1024000,
		"node_nf_conntrack_entries":                             17,
		"node_nf_conntrack_entries_limit":                       100,
		"logkeel_load_per_cpu":                                  0.4,
		"node_load5":                                            0.4,
		"node_cpu_seconds_total 0 softirq":                      7,
		"node_memory_MemTotal_bytes":                            1024000,
		"node_memory_HugePages_Total":                           3,
		"node_vmstat_oom_kill":                                  7,
		"node_filefd_allocated":                                 100,
		"node_disk_read_bytes_total sda":                        20 * 512,
		"node_disk_io_time_seconds_total sda":                   9,
		"node_network_transmit_drop_total eth0":                 8,
		"node_filesystem_avail_bytes /dev/sda1 ext4 /":          50,
		"node_filesystem_readonly /dev/sda1 ext4 /":             0,
		"node_filesystem_readonly /dev/sdb1 xfs /my disk":       1,
		"logkeel_filesystem_used_ratio /dev/sdb1 xfs /my disk":  40.0 / 90,
		"logkeel_filesystem_inodes_used_ratio /dev/sda1 ext4 /": 0.6,
		"node_filesystem_device_error /dev/sdb1 xfs /my disk":   0,
		"container_fs_limit_bytes / /dev/sda1":                  100,
		"container_fs_usage_bytes / /dev/sdb1":                  40,
		"container_fs_inodes_total / /dev/sda1":                 10,
		"container_fs_inodes_free / /dev/sda1":                  4,
	} {
		if v, ok := got[key]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", key, v, ok, want)
		}
	}
	for key := range got {
		if strings.HasPrefix(key, "container_fs_") {
			continue // of devices, partitions as well
		}
		for _, not := range []string{"overlay", "/proc", "veth", "sda1 ", "nr_free"} {
			if strings.HasSuffix(key+" ", not) || strings.Contains(key, "veth") || strings.Contains(key, "overlay") {
				t.Errorf("%s is measured", key)
			}
		}
	}
}

// Who names mounts gets these, and is told of those that are not there.
func TestChosenMounts(t *testing.T) {
	root := machine(t, nil)
	got, err := snapshot(t, on(root, func(c *Config) {
		c.Mounts, c.Exclude = conf.Strings{"/", "/backup", "/var/lib/docker/overlay2/*/merged", "/my*"}, conf.Strings{"/my disk"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for key, v := range got {
		if strings.HasPrefix(key, "node_filesystem_size_bytes") || strings.HasPrefix(key, "logkeel_filesystem_mounted") {
			places = append(places, fmt.Sprint(key, " ", v))
		}
	}
	slices.Sort(places)
	want := []string{"logkeel_filesystem_mounted / 1", "logkeel_filesystem_mounted /backup 0", "node_filesystem_size_bytes /dev/sda1 ext4 / 100", "node_filesystem_size_bytes overlay overlay /var/lib/docker/overlay2/x/merged 100"}
	if !slices.Equal(places, want) {
		t.Errorf("it has\n%s\nwant\n%s", strings.Join(places, "\n"), strings.Join(want, "\n"))
	}
}

// A network's file system that does not answer holds up nothing but itself, is asked
// by one goroutine at most, and is measured again when it is back.
func TestAFileSystemThatHangs(t *testing.T) {
	root := machine(t, nil)
	synctest.Test(t, func(t *testing.T) {
		s := on(root, func(*Config) {})
		back := make(chan struct{})
		var calls atomic.Int32
		works := s.statfs
		s.statfs = func(path string) (capacity, error) {
			if strings.HasSuffix(path, "my disk") {
				calls.Add(1)
				<-back
			}
			return works(path)
		}
		for i := range 3 {
			start := time.Now()
			got, err := snapshot(t, s)
			if err == nil || !strings.Contains(err.Error(), "/my disk does not answer") {
				t.Errorf("the error is %v", err)
			}
			if got["node_filesystem_device_error /dev/sdb1 xfs /my disk"] != 1 || got["node_filesystem_size_bytes /dev/sda1 ext4 /"] != 100 || got["node_load1"] != 0.5 {
				t.Errorf("the snapshot is %v", got)
			}
			if took := time.Since(start); i == 0 && took != answerWithin || i > 0 && took != 0 {
				t.Errorf("snapshot %d took %s", i, took)
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("it was asked %d times", n)
		}
		close(back)
		synctest.Wait()
		if got, err := snapshot(t, s); err != nil || got["node_filesystem_size_bytes /dev/sdb1 xfs /my disk"] != 100 {
			t.Errorf("after it is back: %v, %v", got, err)
		}
	})
}

func TestWhatCannotBeRead(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"no disk", map[string]string{"proc/1/mountinfo": "22 1 0:1 / / rw - overlay overlay rw\n"}, "file systems: there is none on a disk; in a container mount the machine's / as /host, read-only, and set root: /host"},
		{"memory", map[string]string{"proc/meminfo": "MemTotal: x kB\n"}, `memory: ROOT/proc/meminfo: MemTotal is "x", which is no number`},
		{"vmstat", map[string]string{"proc/vmstat": "oom_kill -x\n"}, `vmstat: ROOT/proc/vmstat: oom_kill is "-x", which is no number`},
		{"files", map[string]string{"proc/sys/fs/file-nr": "1 2\n"}, "open files: ROOT/proc/sys/fs/file-nr: it has 2 fields"},
		{"conntrack", map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "x\n"}, `conntrack: ROOT/proc/sys/net/netfilter/nf_conntrack_max has "x\n", which is no number`},
		{"conntrack's entries", map[string]string{"proc/1/net/stat/nf_conntrack": "entries\nx\n"}, `conntrack: ROOT/proc/1/net/stat/nf_conntrack: strconv.ParseUint: parsing "x": invalid syntax`},
		{"load", map[string]string{"proc/loadavg": ""}, "load and processors: "},
		{"mounts", map[string]string{"proc/1/mountinfo": "nonsense\n"}, "file systems: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := machine(t, tt.files)
			got, err := snapshot(t, on(root, func(*Config) {}))
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), root, "ROOT"), tt.want) {
				t.Errorf("the error is %v, want %s", err, tt.want)
			}
			if got["node_disk_io_now sda"] != 8 {
				t.Error("the rest is not measured")
			}
		})
	}
	_, err := snapshot(t, New(config(func(c *Config) { c.Root = "/nowhere" })))
	if err == nil || !strings.Contains(err.Error(), "set root: /host") {
		t.Errorf("without a /proc the error is %v", err)
	}
}

func TestConfig(t *testing.T) {
	var c Config
	d, err := conf.Decode("agent.yaml", []byte("name: a b\nroot: host\nmounts: [data, '/[']\n"), &c, conf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Check(d, "")
	for _, want := range []string{`"a b" is no name`, `"host" is no absolute path`, `"data" is no mount point`, `"/[" is no mount point`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not among %v", want, err)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{`/a\040b`: "/a b", `/\134`: `/\`, `/a\9`: `/a\9`, `/\303\244`: "/ä"} {
		if got := unescape(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
