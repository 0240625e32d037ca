package setup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/webgrip/logkeel/collectors/docker"
)

// foundIn inspects compose.yaml of a folder with these files.
func foundIn(t *testing.T, files map[string]string) (*Found, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := inspectCompose(filepath.Join(dir, "compose.yaml"), "", lookUpNone)
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

func (f *Found) service(name string) *Service {
	for i := range f.Services {
		if f.Services[i].Name == name {
			return &f.Services[i]
		}
	}
	return &Service{}
}

// Compose reads an override by itself, but not with --file: then it has to be named.
func TestComposeOverride(t *testing.T) {
	t.Parallel()
	f, dir := foundIn(t, map[string]string{
		"compose.yaml": `services:
  app: {image: nginx, ports: ["80"], volumes: ["data:/data", "logs:/logs"]}
volumes: {data: {}, logs: {external: true}}
`,
		"compose.override.yaml": `services:
  app: {ports: ["8080:80"], volumes: ["./here:/data", "logs:/more"], networks: [back]}
  db: {image: "mariadb:11"}
networks: {back: {}}
`,
		".env": "COMPOSE_PROJECT_NAME=shop\n",
	})
	app := f.service("app")
	if len(app.Ports) != 2 || app.Ports[1].Host != 8080 || app.Image != "nginx" || len(app.Networks) != 1 || app.Networks[0].Key != "back" || app.Host != "app" {
		t.Errorf("%+v", app)
	}
	want := []Mount{{Source: filepath.Join(dir, "here"), Target: "/data"}, {Volume: "logs", Source: "/var/lib/docker/volumes/logs/_data", Target: "/logs"}, {Volume: "logs", Source: "/var/lib/docker/volumes/logs/_data", Target: "/more"}}
	if len(app.Mounts) != 3 || app.Mounts[0] != want[0] || app.Mounts[1] != want[1] || app.Mounts[2] != want[2] {
		t.Errorf("%+v", app.Mounts)
	}
	if db := f.service("db"); db.Host != "db" || db.Project != "shop" || db.Networks[0].Key != "default" {
		t.Errorf("%+v", db)
	}
	text := (&Plan{Found: f}).composeYAML(dir)
	if !strings.Contains(text, "--file "+dir+"/compose.yaml --file "+dir+"/compose.override.yaml --file "+dir+"/compose.logkeel.yaml up") {
		t.Errorf("%s", text)
	}
}

// The variable wins over name: in the file, as Compose has it.
func TestComposeProjectName(t *testing.T) {
	t.Parallel()
	f, _ := foundIn(t, map[string]string{"compose.yaml": "name: file\nservices: {app: {image: nginx}}\n", ".env": "COMPOSE_PROJECT_NAME=variable\n"})
	if f.Project != "variable" {
		t.Errorf("project %q", f.Project)
	}
}

// What starts with a profile only is not there, and would be told as down.
func TestComposeProfiles(t *testing.T) {
	t.Parallel()
	const text = "services: {app: {image: nginx}, db: {image: mariadb, profiles: [debug, dev]}, tool: {image: redis, profiles: [tool]}}\n"
	f, _ := foundIn(t, map[string]string{"compose.yaml": text, ".env": "COMPOSE_PROFILES=other,tool\n"})
	if len(f.Services) != 2 || f.service("db").Name != "" || !strings.Contains(strings.Join(f.Notes, "\n"), "db is left out, for it starts with the profile debug or dev only") {
		t.Errorf("%+v", f)
	}
	f, _ = foundIn(t, map[string]string{"compose.yaml": text, ".env": "COMPOSE_PROFILES=*\n"})
	if len(f.Services) != 3 {
		t.Errorf("%+v", f.Services)
	}
}

// An engine knows of which files a project was made.
func TestComposeFilesOfEngine(t *testing.T) {
	t.Parallel()
	first, more := composeFilesOf(map[string]string{dirLabel: "/srv/shop", filesLabel: "/srv/shop/compose.yaml,over.yaml,/srv/shop/compose.logkeel.yaml"})
	if first != "/srv/shop/compose.yaml" || len(more) != 1 || more[0] != "/srv/shop/over.yaml" {
		t.Error(first, more)
	}
}

// The names of queues begin as Laravel's Str::slug has it.
func TestSlug(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Invoice Ninja": "invoice_ninja_database_", "Bob's Shop": "bobs_shop_database_", "shop.example": "shopexample_database_",
		" My-App (new) ": "my_app_new_database_", "a_b": "a_b_database_", "Café": "",
	} {
		if got := slug(name); got != want {
			t.Errorf("%q: %q, and not %q", name, got, want)
		}
	}
}

// A mount in memory is nowhere on the machine: it is not the folder /.
func TestMountInMemory(t *testing.T) {
	t.Parallel()
	s := fromContainer(&docker.Deployed{Name: "app", Mounts: []docker.Mount{{Destination: "/backups"}, {Source: "/srv/x", Destination: "/x"}}}, "")
	if len(s.Mounts) != 1 || s.Mounts[0].Source != "/srv/x" {
		t.Errorf("%+v", s.Mounts)
	}
}

// Redis before 7, and KeyDB, refuse %R~.
func TestACLOfRedis6(t *testing.T) {
	t.Parallel()
	for image, old := range map[string]bool{"redis:6": true, "redis:6.2-alpine": true, "eqalpha/keydb": true, "redis": false, "redis:7.4": false, "valkey/valkey:8": false, "redis:7-6": false, "host:6379/redis:8": false} {
		acl := (&Target{Service: &Service{Image: image}}).acl()
		if strings.HasSuffix(acl, " ~*queues:*") != old || strings.HasSuffix(acl, " %R~*queues:*") == old {
			t.Errorf("%s: %s", image, acl)
		}
	}
}

// Paths of a file that is included begin where project_directory says, and its variables are
// those of its env_file.
func TestComposeIncludeInItsFolder(t *testing.T) {
	t.Parallel()
	f, dir := foundIn(t, map[string]string{
		"compose.yaml": "include: [{path: other/compose.yaml, project_directory: data, env_file: [one.env, two.env]}]\nservices: {app: {image: nginx}}\n",
		"one.env":      "TAG=10\nPLACE=./a\n", "two.env": "TAG=11\n", "other/.env": "TAG=9\n", "data/.env": "TAG=8\n",
		"other/compose.yaml": "services: {db: {image: \"mariadb:${TAG}\", volumes: [\"${PLACE}:/var/lib/mysql\"]}}\n",
	})
	db := f.service("db")
	if db.Image != "mariadb:11" || len(db.Mounts) != 1 || db.Mounts[0].Source != filepath.Join(dir, "data/a") || len(f.Notes) > 0 {
		t.Errorf("%+v %q", db, f.Notes)
	}
}

// A Dockerfile may stand in the Compose file.
func TestComposeDockerfileInline(t *testing.T) {
	t.Parallel()
	f, _ := foundIn(t, map[string]string{"compose.yaml": "services:\n  app:\n    build:\n      context: .\n      dockerfile_inline: |\n        FROM golang AS made\n        FROM caddy:2\n"})
	if app := f.service("app"); app.Image != "caddy:2" || !app.Built || len(f.Notes) > 0 {
		t.Errorf("%+v %q", app, f.Notes)
	}
}

// What is not known is said: the prefix that newer applications have of the same name.
func TestNewerPrefix(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"my_shop_database_": "; of newer applications my-shop-database-", "crm:": "", "a$_database_": ""} {
		if got := newer(prefix); got != want {
			t.Errorf("%s: %q", prefix, got)
		}
	}
}

// Of a volume a part may be mounted, and only that is looked into and given on.
func TestSubpath(t *testing.T) {
	t.Parallel()
	f, dir := foundIn(t, map[string]string{"compose.yaml": `services:
  app:
    image: nginx
    volumes:
      - {type: volume, source: data, target: /var/log/nginx, volume: {subpath: logs/web}}
      - {type: volume, source: data, target: /other, volume: {subpath: ../../etc}}
volumes: {data: {name: shop-data}}
`})
	const root = "/var/lib/docker/volumes/shop-data/_data"
	want := []Mount{{Volume: "data", Subpath: "logs/web", Source: root + "/logs/web", Target: "/var/log/nginx"}, {Volume: "data", Source: root, Target: "/other"}}
	if app := f.service("app"); len(app.Mounts) != 2 || app.Mounts[0] != want[0] || app.Mounts[1] != want[1] {
		t.Errorf("%+v", app.Mounts)
	}
	text := makePlan(f, noFiles{}, nil).composeYAML(dir)
	if line := "{type: volume, source: data, target: " + root + "/logs/web, read_only: true, volume: {subpath: logs/web}}"; !strings.Contains(text, line) {
		t.Errorf("%s is not in\n%s", line, text)
	}
	s := fromContainer(&docker.Deployed{Name: "app", Mounts: []docker.Mount{{Volume: "shop-data", Source: root, Destination: "/l", Subpath: "logs"}}}, "")
	if len(s.Mounts) != 1 || s.Mounts[0].Source != root+"/logs" || s.Mounts[0].Subpath != "logs" {
		t.Errorf("%+v", s.Mounts)
	}
}
