package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/testenv"
)

// Compose makes containers anew, with another image and other settings, and
// somebody stops one: the pack samples tells nobody. Then one crashes.
func TestComposeUpTellsNobody(t *testing.T) {
	t.Parallel()
	engine := testenv.Docker(t)
	engine.Image("app:1")
	engine.CLI("tag", "app:1", "app:2")
	a := newAgent(t, fmt.Sprintf(`
collectors:
  docker: {root: %s, host: "%s", stats: {interval: 1s, timeout: 1s}}
rules: {packs: [samples]}
outputs:
  prometheus: {listen: METRICS}
`, engine.Root, engine.Host))
	a.start()
	container := func(metric, name string) float64 {
		page, _ := a.page()
		for line := range strings.Lines(string(page)) {
			if series, value, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(series, metric+"{") && strings.Contains(series, `name="`+name+`"`) {
				var f float64
				fmt.Sscan(value, &f)
				return f
			}
		}
		return -1
	}
	alerts := func() (firing []string) {
		page, _ := a.page()
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, "logkeel_alerts{") && strings.Contains(line, `state="firing"`) && !strings.HasSuffix(line, " 0\n") {
				firing = append(firing, strings.TrimSpace(line))
			}
		}
		return firing
	}
	compose := composeUp(t, engine)
	for i, image := range []string{"app:1", "app:2", "app:1"} {
		compose(image)
		eventually(t, "the container is made anew", waitShort, func() bool {
			return container("logkeel_container_recreated_total", "shop_app_1") == float64(i) && container("logkeel_container_running", "shop_app_1") == 1 && len(alerts()) == 0
		})
	}
	engine.CLI("stop", "shop_app_1")
	eventually(t, "the container is stopped", waitShort, func() bool { return container("logkeel_container_last_exit_code", "shop_app_1") == 3 })
	engine.CLI("start", "shop_app_1")
	eventually(t, "the container runs", waitShort, func() bool { return container("logkeel_container_running", "shop_app_1") == 1 })
	if n := container("logkeel_container_crashes_total", "shop_app_1"); n != 0 || len(alerts()) > 0 {
		t.Errorf("%v crashes; %v", n, alerts())
	}

	engine.CLI("exec", "shop_app_1", "kill", "-TERM", "1")
	eventually(t, "a crash is told", waitShort, func() bool { return strings.Contains(strings.Join(alerts(), " "), `rule="ContainerCrashed"`) })
	if n := container("logkeel_container_crashes_total", "shop_app_1"); n != 1 {
		t.Errorf("%v crashes", n)
	}
}

// composeUp returns what puts a service up with an image: Compose 1, or where
// that is not there, its steps by hand. Asked to end, it exits with code 3.
func composeUp(t *testing.T, e *testenv.Engine) func(image string) {
	const script = `trap "exit 3" TERM; while :; do sleep 0.1; done`
	tool, err := exec.LookPath("docker-compose")
	if err != nil {
		old := ""
		return func(image string) {
			if old != "" {
				e.CLI("stop", old)
				e.CLI("rename", old, old[:12]+"_shop_app_1")
			}
			id := e.Run("--name", "shop_app_1", "--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=app",
				"--label", "com.docker.compose.container-number=1", "--label", "com.docker.compose.oneoff=False", image, "sh", "-c", script)
			if old != "" {
				e.CLI("rm", old)
			}
			old = id
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "docker-compose.yml")
	return func(image string) {
		text := "version: '3'\nservices:\n  app:\n    image: " + image + "\n    network_mode: none\n    command: [sh, -c, '" + script + "']\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(tool, "--file", file, "up", "--detach")
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.Host, "DOCKER_TLS_VERIFY=", "COMPOSE_PROJECT_NAME=shop", "COMPOSE_COMPATIBILITY=true", "HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("docker-compose: %v\n%s", err, out)
		}
	}
}
