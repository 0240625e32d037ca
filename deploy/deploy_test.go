// Package deploy_test tries the image and the Compose file.
package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/webgrip/logkeel/agent/testenv"
)

// service is what the tests look at of a service in compose.yaml.
type service struct {
	Image       string         `yaml:"image"`
	Ports       []string       `yaml:"ports"`
	Volumes     []string       `yaml:"volumes"`
	ReadOnly    bool           `yaml:"read_only"`
	CapDrop     []string       `yaml:"cap_drop"`
	CapAdd      []string       `yaml:"cap_add"`
	SecurityOpt []string       `yaml:"security_opt"`
	MemLimit    string         `yaml:"mem_limit"`
	Logging     map[string]any `yaml:"logging"`
}

// flags are the service's restrictions, as those of docker run.
func (s service) flags() []string {
	flags := []string{"--read-only=" + fmt.Sprint(s.ReadOnly), "--memory=" + s.MemLimit}
	for _, v := range s.CapDrop {
		flags = append(flags, "--cap-drop="+v)
	}
	for _, v := range s.CapAdd {
		flags = append(flags, "--cap-add="+v)
	}
	for _, v := range s.SecurityOpt {
		flags = append(flags, "--security-opt="+v)
	}
	return flags
}

func load(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func services(t *testing.T) map[string]service {
	var compose struct {
		Services map[string]service `yaml:"services"`
	}
	load(t, "compose.yaml", &compose)
	return compose.Services
}

func TestComposeAccepts(t *testing.T) {
	command := []string{"docker", "compose"}
	if exec.Command("docker", "compose", "version").Run() != nil {
		command = []string{"docker-compose"}
	}
	_, err := exec.LookPath(command[0])
	testenv.Need(t, "docker compose", err == nil)
	for _, file := range []string{"compose.yaml", "invoiceninja/compose.yaml", "invoiceninja/compose.proxy.yaml"} {
		cmd := exec.Command(command[0], append(command[1:], "--file", file, "config", "--quiet")...)
		cmd.Env = append(os.Environ(), "API_TOKEN=a", "ALERT_URL=b", "DB_PASSWORD=c", "DB_ROOT_PASSWORD=d", "LOGKEEL_DB_PASSWORD=e")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
}

// TestComposeAndConfiguration holds compose.yaml and agent.yaml together.
func TestComposeAndConfiguration(t *testing.T) {
	var config struct {
		StateDir   string `yaml:"state_dir"`
		Collectors struct {
			Docker struct {
				Root    string              `yaml:"root"`
				Host    string              `yaml:"host"`
				Exclude []map[string]string `yaml:"exclude"`
			} `yaml:"docker"`
		} `yaml:"collectors"`
		Outputs struct {
			Fluentd []struct {
				Address string `yaml:"address"`
			} `yaml:"fluentd"`
			Prometheus struct {
				Listen string `yaml:"listen"`
			} `yaml:"prometheus"`
		} `yaml:"outputs"`
	}
	load(t, "logkeel/agent.yaml", &config)
	all := services(t)
	agent := all["logkeel"]

	socket := strings.TrimPrefix(config.Collectors.Docker.Host, "unix://")
	logs := filepath.Join(config.Collectors.Docker.Root, "containers")
	for _, mount := range []string{
		"./logkeel:/etc/logkeel:ro", logs + ":" + logs + ":ro", socket + ":" + socket + ":ro", "state:" + config.StateDir,
	} {
		if !slices.Contains(agent.Volumes, mount) {
			t.Errorf("logkeel has no mount %s", mount)
		}
	}
	port := strings.TrimPrefix(config.Outputs.Prometheus.Listen, "0.0.0.0:")
	if !slices.Contains(agent.Ports, "127.0.0.1:"+port+":"+port) {
		t.Errorf("the port of %s is not published on 127.0.0.1: %v", config.Outputs.Prometheus.Listen, agent.Ports)
	}
	aggregator, _, _ := strings.Cut(config.Outputs.Fluentd[0].Address, ":")
	if _, ok := all[aggregator]; !ok {
		t.Errorf("there is no service %s to ship to", aggregator)
	}
	if x := config.Collectors.Docker.Exclude; len(x) != 1 || x[0]["service"] != aggregator {
		t.Errorf("the log of %s is not excluded: %v", aggregator, x)
	}
	for name, s := range all {
		if s.Logging == nil {
			t.Errorf("%s's log has no limit", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s to everybody", name, p)
			}
		}
	}
}

// TestComposeMountsFolders holds the Compose files to mounting the configuration as a
// folder: a file that is mounted by itself keeps its content when an editor
// puts another one in its place, and the agent never sees what was saved.
func TestComposeMountsFolders(t *testing.T) {
	for _, file := range []string{"compose.yaml", "invoiceninja/compose.yaml", "invoiceninja/compose.proxy.yaml"} {
		var compose struct {
			Services map[string]service `yaml:"services"`
		}
		load(t, file, &compose)
		whole := false
		for _, mount := range compose.Services["logkeel"].Volumes {
			from, to, _ := strings.Cut(mount, ":")
			whole = whole || from == "./logkeel" && to == "/etc/logkeel:ro"
			if strings.HasPrefix(to, "/etc/logkeel/") {
				t.Errorf("%s mounts %s by itself", file, mount)
			}
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(file), "logkeel", "agent.yaml")); !whole || err != nil {
			t.Errorf("%s does not mount the folder ./logkeel with agent.yaml (%v)", file, err)
		}
	}
}

// TestImage builds the image with a probe in place of the agent, and runs it
// restricted as in compose.yaml.
func TestImage(t *testing.T) {
	e := testenv.Docker(t)
	context := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(context, "logkeel"), "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	config, err := os.ReadFile("logkeel/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(context, "agent.yaml"), string(config), 0o644)
	e.CLI("build", "--quiet", "--tag", "logkeel", "--file", "Dockerfile", context)

	logs := t.TempDir()
	write(t, filepath.Join(logs, "root.log"), "line\n", 0o640)
	write(t, filepath.Join(logs, "other.log"), "line\n", 0o640)
	const other = 12345
	for name, mode := range map[string]os.FileMode{filepath.Join(logs, "other.log"): 0o640, logs: 0o700} {
		if err := os.Chown(name, other, other); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	agent := services(t)["logkeel"]
	// The mount is writable: only the capabilities keep the probe from writing the log.
	run := func(s service) (id, said string) {
		t.Helper()
		args := append(s.flags(), "--volume", logs+":/logs", "--health-interval", "200ms", s.Image)
		id = e.Run(args...)
		within(t, "the probe has ended", func() bool {
			said = e.CLI("logs", id)
			return strings.HasSuffix(said, "end")
		})
		return id, said
	}

	id, said := run(agent)
	const want = `command is run: yes
read the configuration: yes
read root's log: yes
read another user's log: yes
write another user's log: no
write to the root file system: no
write to /state: yes
end`
	if said != want {
		t.Errorf("as in compose.yaml:\n%s\nwant:\n%s", said, want)
	}
	within(t, "the container is healthy", func() bool {
		return e.CLI("inspect", "--format", "{{.State.Health.Status}}", id) == "healthy"
	})
	if got := e.CLI("inspect", "--format", `{{index .Config.Labels "logkeel.ignore"}}`, id); got != "true" {
		t.Errorf("the label logkeel.ignore is %q", got)
	}

	agent.CapAdd = nil
	if _, said := run(agent); strings.Contains(said, "log: yes") {
		t.Errorf("without the capability, which then is not needed:\n%s", said)
	}

	write(t, filepath.Join(context, "ca-certificates.crt"), "PEM\n", 0o644)
	e.CLI("build", "--quiet", "--tag", "logkeel:ca", "--file", "Dockerfile", context)
	out := filepath.Join(t.TempDir(), "ca")
	e.CLI("create", "--name", "ca", "--network", "none", "logkeel:ca")
	e.CLI("cp", "ca:/ca-certificates.crt", out)
	if b, err := os.ReadFile(out); err != nil || string(b) != "PEM\n" {
		t.Errorf("the image's certificates are %q, %v", b, err)
	}
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}
