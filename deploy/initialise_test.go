package deploy_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// initialise brings the application up without the agent, and does what a user does
// then: logkeel init, and the GRANT lines that it prints. Of what it wrote only that is
// changed which this machine needs.
func (d *deployment) initialise(logkeel string) {
	t := d.t
	t.Helper()
	d.addBackups()
	d.writeCompose("invoiceninja/compose.yaml", "", func(services map[string]any) {
		delete(services, "logkeel")
		db := services[database].(map[string]any)
		db["volumes"] = []any{"database:/var/lib/mysql"} // without the script that makes the user
	})
	d.compose("up", "--detach")
	for _, port := range []string{d.port(application, "8080"), d.port(database, "3306"), d.port(cache, "6379")} {
		within(t, "port "+port+" is open", func() bool {
			c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	dir := filepath.Dir(d.file)
	init := exec.Command(logkeel, "init", "--host", d.engine.Host, "--webhook")
	init.Dir = dir
	init.Env = append(os.Environ(), "DOCKER_HOST=", "COMPOSE_PROJECT_NAME=", "LOGKEEL_CONFIG=")
	out, err := init.CombinedOutput()
	if err != nil {
		t.Fatalf("logkeel init: %v\n%s", err, out)
	}
	d.t.Cleanup(func() {
		if d.t.Failed() {
			d.t.Logf("logkeel init said:\n%s\nand wrote:\n%s", out, read(t, filepath.Join(dir, "agent.yaml")))
		}
	})
	d.grant(string(out))
	d.adapt(dir)
	d.more = []string{"--file", filepath.Join(dir, "compose.logkeel.yaml")}
	d.well = allWell("invoiceninja-application-mariadb", "invoiceninja-application-redis", "backups",
		"invoiceninja-application-application", "invoiceninja-application-application-login")
}

// grant does in the database what init said is to be done there.
func (d *deployment) grant(said string) {
	d.t.Helper()
	var lines []string
	for line := range strings.Lines(said) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "CREATE USER ") || strings.HasPrefix(line, "GRANT ") {
			lines = append(lines, strings.Replace(line, "BY '...'", "BY 'agent-secret'", 1))
		}
	}
	if len(lines) < 2 {
		d.t.Fatalf("init names no GRANT:\n%s", said)
	}
	d.compose("exec", "-T", database, "mariadb", "--socket=/run/mysqld.sock", "--user=root", "--execute="+strings.Join(lines, "\n"))
}

// adapt changes what init wrote: snapshots come each 2 s, mails after 5 s, the page is
// at a port of its own, the machine's disks are not mounted, and docker-compose is an old one.
func (d *deployment) adapt(dir string) {
	t := d.t
	t.Helper()
	rewrite := func(name string, change func(map[string]any)) {
		var v map[string]any
		if err := yaml.Unmarshal([]byte(read(t, filepath.Join(dir, name))), &v); err != nil {
			t.Fatal(err)
		}
		change(v)
		b, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(b), 0o644)
	}
	rewrite("agent.yaml", func(v map[string]any) {
		collectors, outputs := v["collectors"].(map[string]any), v["outputs"].(map[string]any)
		delete(collectors, "host")
		collectors["docker"].(map[string]any)["stats"] = map[string]any{"interval": "2s"}
		for _, kind := range []string{"mysql", "redis", "http", "backups"} {
			all, _ := collectors[kind].([]any)
			if len(all) == 0 {
				t.Fatalf("init wrote no %s", kind)
			}
			for _, s := range all {
				s.(map[string]any)["interval"] = "2s"
				if kind == "backups" {
					s.(map[string]any)["settle"] = "1s"
				}
			}
		}
		outputs["prometheus"].(map[string]any)["listen"] = strings.TrimPrefix(d.metrics, "http://")
		outputs["webhook"].([]any)[0].(map[string]any)["group_wait"] = "5s"
	})
	rewrite("compose.logkeel.yaml", func(v map[string]any) {
		v["version"] = "2.4"
		s := v["services"].(map[string]any)["logkeel"].(map[string]any)
		s["volumes"] = slices.DeleteFunc(s["volumes"].([]any), func(m any) bool { return m == "/:/host:ro,rslave" })
	})
}
