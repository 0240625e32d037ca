package setup

import (
	"strings"
	"testing"
	"testing/fstest"
)

// Where all is in the host's network the agent is as well, and asks at the ports that
// commands and variables name.
func TestHostNetwork(t *testing.T) {
	app := Service{Name: "app", Image: "laravel", HostNet: true, Env: map[string]string{"APP_PORT": "8081"}}
	worker := app
	worker.Name = "worker"
	db := Service{Name: "db", Image: "mariadb", HostNet: true}
	db.setCommand([]string{"--performance-schema=ON", "--port=3307"})
	cache := Service{Name: "cache", Image: "redis", HostNet: true}
	cache.setCommand([]string{"redis-server", "--port", "6380", "--requirepass", "hunter2"})
	asked := map[string]bool{"http://127.0.0.1:8081/up": true, "http://127.0.0.1:8081/login": true}
	f := &Found{Root: "/d", Host: "unix:///run/user/1/docker.sock", Services: []Service{app, cache, db, worker}}
	p := makePlan(f, noFiles{}, func(url string) bool { return asked[url] })
	agent, compose := p.agentYAML(), p.composeYAML("/x")
	for _, want := range []string{
		`url: "http://127.0.0.1:8081/up"`, `url: "http://127.0.0.1:8081/login"`, "address: \"127.0.0.1:3307\"", "address: \"127.0.0.1:6380\"",
		"listen: 127.0.0.1:9765}", `host: "unix:///run/user/1/docker.sock"`,
	} {
		if !strings.Contains(agent, want) {
			t.Errorf("%s is not in\n%s", want, agent)
		}
	}
	for _, want := range []string{"network_mode: host", `"/run/user/1/docker.sock:/run/user/1/docker.sock:ro"`} {
		if !strings.Contains(compose, want) {
			t.Errorf("%s is not in\n%s", want, compose)
		}
	}
	if len(p.Pages) != 2 || strings.Contains(compose, "ports:") || strings.Contains(strings.Join(p.Missing, " "), "performance") {
		t.Errorf("%v %v\n%s", p.Pages, p.Missing, compose)
	}
	// One that is in a network of its own is reached from there only.
	f.Services = append(f.Services, Service{Name: "web", Image: "nginx", Host: "web", Networks: []Network{{Key: "default"}}})
	if p := makePlan(f, noFiles{}, nil); p.Local || len(p.Stores) != 0 || p.listen() != "0.0.0.0:9765" {
		t.Errorf("%+v", p.Stores)
	}
}

func TestFindBackups(t *testing.T) {
	f := &Found{Dir: "/srv/shop", Services: []Service{{Name: "dump", Mounts: []Mount{{Source: "/mnt/nas", Target: "/backup"}, {Source: "/srv/x", Target: "/y"}, {Source: "/srv/[x]/backups", Target: "/z"}}}}}
	root := fstest.MapFS{
		"srv/shop/backups/20260101_020000/old.sql": {}, "srv/shop/backups/20260102_020000/database.sql.gz": {}, "srv/shop/backups/20260102_020000/files-2026-01-02.tar.gz": {},
		"srv/shop/backups/20260102_020000/manifest.txt": {}, "srv/shop/backups/.tmp/a.sql": {}, "mnt/nas/shop-2026-01-02_0200.sql.zst": {}, "mnt/nas/shop[1]-2026-01-03_0200.sql.zst": {},
		"srv/shop/dumps":                        {}, // a file
		"srv/[x]/backups/20260102/database.sql": {},
	}
	var got []string
	for _, b := range findBackups(root, f) {
		got = append(got, strings.Join(append([]string{b.Folder, b.Path}, b.Files...), " "))
	}
	const want = `/mnt/nas /mnt/nas/shop\[*\]-*.sql.zst|/srv/[x]/backups /srv/\[x\]/backups/* database.sql|/srv/shop/backups /srv/shop/backups database.sql.gz files-*.tar.gz`
	if g := strings.Join(got, "|"); g != want {
		t.Errorf("got  %s\nwant %s", g, want)
	}
}

// What a database does not measure is said before the agent says that it misses it.
func TestUnmeasuredIsSaid(t *testing.T) {
	for _, c := range []struct {
		image, command string
		want           string // "" where it is measured
	}{
		{"mariadb", "mariadbd", "MariaDB measures no single statements"},
		{"mariadb", "--performance-schema=ON", ""},
		{"postgres", "", "PostgreSQL measures no single statements"},
		{"postgres", "postgres -c max_connections=20", "PostgreSQL measures no single statements"},
		{"postgres", "postgres -c shared_preload_libraries=auto_explain,pg_stat_statements", ""},
		{"postgres", "-c shared_preload_libraries='pg_stat_statements'", ""},
	} {
		s := Service{Name: "db", Image: c.image, Host: "db"}
		s.setCommand(strings.Fields(c.command))
		p := makePlan(&Found{Services: []Service{s}}, noFiles{}, nil)
		said := strings.Join(p.Missing, "\n")
		if c.want == "" && strings.Contains(said, "single statements") || !strings.Contains(said, c.want) {
			t.Errorf("%s %s: %s", c.image, c.command, said)
		}
	}
}
