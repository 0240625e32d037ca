package docker

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent"
	"github.com/webgrip/logkeel/agent/testenv"
)

// TestAuditsOfAnEngine holds what is said of containers against how they were made,
// and against what they see themselves.
func TestAuditsOfAnEngine(t *testing.T) {
	t.Parallel()
	e := testenv.Docker(t)
	image := e.Image("box:1")
	socket := strings.TrimPrefix(e.Host, "unix://")
	e.Run("--name", "plain", image, "sleep", "1000")
	e.CLI("commit", "--change", "USER 1234:5", "plain", "user:1")
	e.CLI("tag", "user:1", "moving:1")
	e.Run("--name", "strict", "--read-only", "--memory", "32m", "--cpus", "0.5", "--log-opt", "max-size=10m", "--log-opt", "max-file=3", "moving:1", "sleep", "1000")
	e.Run("--name", "over", "--user", "0", "--log-opt", "max-size=1m", "moving:1", "sleep", "1000")
	// It need not run, which not every machine allows.
	e.CLI("create", "--name", "wild", "--privileged", "--pid", "host", "--ipc", "host", "--network", "host", "--cap-add", "SYS_ADMIN", "--cap-add", "NET_RAW",
		"--volume", socket+":/engine/docker.sock:ro", "--volume", "/etc:/host-etc", "--security-opt", "seccomp=unconfined",
		"--log-driver", "local", "--restart", "unless-stopped", image, "sleep", "1000")

	c, err := New(Config{Root: e.Root, Host: e.Host}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s := NewStats(c, StatsConfig{Images: true})
	defer s.Close()
	facts := map[string]map[string]string{}
	look := func() snapshot {
		t.Helper()
		got, err := sample(t, t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		s.Records(func(fields []agent.Field) {
			f := map[string]string{}
			for _, x := range fields {
				if text, ok := x.Value.(string); ok {
					f[x.Name] = text
				}
			}
			facts[f["name"]] = f
		})
		return got
	}
	got := look()
	for name, want := range map[string]map[string]string{
		"plain":  {"user": "root", "network_mode": "none", "networks": "none", "restart_policy": "no", "log_driver": "json-file", "capabilities": "", "logkeel_container_risks": "root,writable_root,no_memory_limit"},
		"strict": {"user": "1234:5", "logkeel_container_risks": ""},
		"over":   {"user": "0", "logkeel_container_risks": "root,writable_root,no_memory_limit"},
		"wild": {
			"privileged": "true", "network_mode": "host", "networks": "host", "restart_policy": "unless-stopped", "log_driver": "local", "capabilities": "NET_RAW,SYS_ADMIN",
			"logkeel_container_risks": "root,privileged,engine_socket,host_path,host_network,host_pid,host_ipc,capabilities,unconfined,writable_root,no_memory_limit",
		},
	} {
		for k, v := range want {
			if facts[name][k] != v {
				t.Errorf("%s: %s is %q, want %q", name, k, facts[name][k], v)
			}
		}
		if said := got["logkeel_container_risk{"+name+",root}"] == 1; name != "wild" && said != (e.CLI("exec", name, "id", "-u") == "0") {
			t.Errorf("%s: root %v, which is not what it says itself", name, said)
		}
		if theirs := e.CLI("inspect", "--format", "{{.Image}}", name); facts[name]["image_id"] != theirs {
			t.Errorf("%s: image %s, want %s", name, facts[name]["image_id"], theirs)
		}
	}
	got.want(t, "logs and limits", snapshot{
		"logkeel_container_log_unbounded{plain}": 1, "logkeel_container_log_unbounded{strict}": 0, "logkeel_container_log_unbounded{over}": 0, "logkeel_container_log_unbounded{wild}": 0,
		"logkeel_container_log_files{strict}": 3, "logkeel_container_log_files{over}": 1, "logkeel_container_log_files{wild}": 5,
		"logkeel_container_log_file_bytes{strict}": 10e6, "logkeel_container_log_file_bytes{over}": 1e6,
		"container_spec_memory_limit_bytes{strict}": 32 << 20, "container_spec_cpu_quota{strict}": 50_000, "container_spec_cpu_period{strict}": 100_000, "container_spec_cpu_shares{plain}": 1024,
		"container_cpu_cfs_throttled_periods_total{strict}": 0,
		"logkeel_container_image_outdated{strict}":          0, "logkeel_container_image_outdated{plain}": 0,
	})
	got.none(t, "logs and limits", "logkeel_container_log_files{plain}", "container_spec_cpu_quota{plain}", "container_cpu_cfs_periods_total{plain}")
	if got["container_memory_rss{plain}"] <= 0 || got["container_memory_failures_total{plain,pgfault,hierarchy}"] <= 0 {
		t.Errorf("memory: %v bytes, %v faults", got["container_memory_rss{plain}"], got["container_memory_failures_total{plain,pgfault,hierarchy}"])
	}

	e.CLI("tag", image, "moving:1") // as a pull does
	s.images.byTag = nil            // five minutes later
	look().want(t, "pulled", snapshot{"logkeel_container_image_outdated{strict}": 1, "logkeel_container_image_outdated{over}": 1, "logkeel_container_image_outdated{plain}": 0})
}
