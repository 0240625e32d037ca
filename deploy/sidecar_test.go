package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// TestSidecar runs the real agent in its image, restricted as in compose.yaml,
// beside an application, and stops and starts it.
func TestSidecar(t *testing.T) {
	e := testenv.Docker(t)
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	context := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(context, "logkeel"), "../cmd/logkeel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// This engine has no bridge, so the agent gets the host's network, and with
	// it other addresses than those of the Compose file.
	metrics := testenv.Addr(t)
	config, err := os.ReadFile("logkeel/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(context, "agent.yaml"), strings.NewReplacer(
		"fluentd:24224", receiver.Addr, "0.0.0.0:9765", metrics, "root: /var/lib/docker", "root: "+e.Root, "/var/run/docker.sock", strings.TrimPrefix(e.Host, "unix://"),
	).Replace(string(config)), 0o644)
	e.CLI("build", "--quiet", "--tag", "logkeel", "--file", "Dockerfile", context)
	e.CLI("volume", "create", "state")

	logs, socket := filepath.Join(e.Root, "containers"), strings.TrimPrefix(e.Host, "unix://")
	// The label is off, so that only its own knowledge keeps the agent from its log.
	args := append(services(t)["logkeel"].flags(), "--name", "logkeel", "--network", "host", "--health-interval", "200ms",
		"--label", "logkeel.ignore=false", "--stop-timeout", "10",
		"--volume", logs+":"+logs+":ro", "--volume", socket+":"+socket+":ro", "--volume", "state:/state", "logkeel")
	e.Run(args...)
	within(t, "the agent is healthy", func() bool {
		return e.CLI("inspect", "--format", "{{.State.Health.Status}}", "logkeel") == "healthy"
	})
	image := e.Image("app:1")
	say := func(name string, from, to int) {
		e.Run("--name", name, "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=app",
			image, "sh", "-c", fmt.Sprintf("for n in $(seq %d %d); do echo line $n production.ERROR; done", from, to))
	}
	say("shop-app-1", 1, 1000)
	receiver.Await(1000, patience)
	// What the receiver has not acknowledged when it stops would come again.
	d := &deployment{metrics: "http://" + metrics}
	within(t, "the agent knows that all has arrived", func() bool { return d.sum("logkeel_output_records_total") == 1000 })

	e.CLI("stop", "logkeel")
	if code := e.CLI("inspect", "--format", "{{.State.ExitCode}}", "logkeel"); code != "0" {
		t.Errorf("the agent was stopped and ended with %s\n%s", code, e.CLI("logs", "logkeel"))
	}
	say("shop-app-2", 1001, 2000)
	e.CLI("start", "logkeel")
	receiver.Await(2000, patience)

	n := 0
	for entry := range receiver.Entries() {
		n++
		r := entry.Record
		if want := fmt.Sprintf("line %d production.ERROR", n); r["log"] != want || r["compose_service"] != "app" || r["container_name"] != fmt.Sprintf("/shop-app-%d", 1+(n-1)/1000) || r["findings"] == nil {
			t.Fatalf("entry %d is %v", n, r)
		}
	}
	if n != 2000 {
		t.Errorf("%d entries, want 2000", n)
	}
}
