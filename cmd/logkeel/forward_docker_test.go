package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// Docker's own fluentd driver sends to the agent, by TCP and by a unix socket:
// each line arrives once, long ones whole, with the container's Compose names; and
// a container never waits for a receiver that is away.
func TestFluentdDriver(t *testing.T) {
	t.Parallel()
	engine := testenv.Docker(t)
	receiver := testenv.ForwardReceiver(t, testenv.ForwardOptions{})
	addr := testenv.Addr(t)
	socket := filepath.Join(t.TempDir(), "f.sock")
	a := newAgent(t, fmt.Sprintf(`
state_dir: state
collectors:
  forward:
    - {name: tcp, listen: "%s"}
    - {name: unix, listen: "unix://%s"}
rules: {packs: [operations]}
outputs:
  fluentd: [{name: main, address: "%s", ack_timeout: 5m}]
  prometheus: {listen: METRICS}
`, addr, socket, receiver.Addr))
	image := engine.Image("driver:1")
	a.start()
	logger(t, addr, false).Close()
	eventually(t, "the socket is listened on", waitShort, func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	receiver.Stop()
	const lines, long = 2000, 50_000
	script := fmt.Sprintf(`i=0; while [ $i -lt %d ]; do echo "line $i: production.ERROR"; i=$((i+1)); done
		head -c %d /dev/zero | tr '\0' x; echo; echo done`, lines, long)
	for name, to := range map[string]string{"tcp": addr, "unix": "unix://" + socket} {
		engine.Run("--name", "shop-"+name, "--log-driver", "fluentd", "--log-opt", "fluentd-address="+to, "--log-opt", "tag=docker.{{.Name}}",
			"--log-opt", "fluentd-sub-second-precision=true", "--log-opt", "labels=com.docker.compose.project,com.docker.compose.service",
			"--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service="+name,
			image, "sh", "-c", script)
	}
	for _, name := range []string{"tcp", "unix"} { // nobody has received anything, and they end
		if code := engine.CLI("wait", "shop-"+name); code != "0" {
			t.Errorf("the container %s ended with %s", name, code)
		}
	}
	receiver.Start()
	receiver.Await(2*(lines+2), waitLong)
	next := map[string]int{}
	for e := range receiver.Entries() {
		r := e.Record
		name, _ := r["container_name"].(string)
		service := strings.TrimPrefix(name, "/shop-")
		if e.Tag != "docker.shop-"+service || r["com.docker.compose.service"] != service || r["source"] != "stdout" || r["partial_id"] != nil || r["container"] != nil {
			t.Fatalf("%.500v", e)
		}
		want := fmt.Sprintf("line %d: production.ERROR", next[service])
		switch next[service] {
		case lines:
			want = strings.Repeat("x", long)
		case lines + 1:
			want = "done"
		}
		if r["log"] != want {
			t.Fatalf("line %d of %s is %.100q", next[service], name, r["log"])
		}
		next[service]++
	}
	for _, service := range []string{"tcp", "unix"} {
		if found := a.metric("logkeel_findings_total", `project="shop"`, `service="`+service+`"`, `container="shop-`+service+`"`); found != lines {
			t.Errorf("%v findings of %s", found, service)
		}
	}
	a.stop()
}
