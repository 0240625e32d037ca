package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
)

// Whatever a Compose file says, what is made of it is YAML with the same keys at its
// top, and no value of its environment is in it.
func FuzzCompose(f *testing.F) {
	f.Add("services: {a: {image: mariadb, environment: [X=hunter2], volumes: ['./x:/y/log'], ports: ['1:80', {target: 80}]}}")
	f.Add("name: ${A:-${B}}\nservices: {\"a\\nb\": {image: 'nginx', networks: {\"x y\": {}}, volumes: [{type: bind, source: a, target: /log}]}}")
	f.Add("services: {r: {build: {context: ., target: x}, env_file: [{path: .env, required: false}], command: redis-server --requirepass hunter2}}")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "compose.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := inspectCompose(file, "", func(string) (string, bool) { return "", false })
		if err != nil {
			return
		}
		p := makePlan(found, noFiles{}, nil)
		p.Image = "logkeel"
		for made, keys := range map[string]string{p.agentYAML(): "state_dir collectors rules outputs", p.composeYAML(dir): "services volumes"} {
			root, err := conf.ParseTree("made", []byte(made))
			if err != nil || !strings.HasPrefix(strings.Join(root.Keys(), " "), keys) {
				t.Fatalf("%v: %v\n%s", err, root.Keys(), made)
			}
		}
	})
}
