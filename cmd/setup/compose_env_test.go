package setup

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// filesIn makes files in a folder of their own.
func filesIn(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Without an engine it is those files that Compose would take: of the environment, of
// .env, or the one that it knows, with its override.
func TestComposeFilesOfEnvironment(t *testing.T) {
	t.Parallel()
	image := func(of string) string { return "services: {" + of + ": {image: nginx, volumes: ['./data:/data']}}\n" }
	files := map[string]string{
		"compose.yaml": image("plain"), "compose.override.yaml": image("override"), "a.yaml": image("a"), "b.yaml": image("b"), "sub/c.yaml": image("c"),
		"sub/.env": "COMPOSE_PROJECT_NAME=of-sub\n", "compose.logkeel.yaml": image("made"), "networks.yaml": "networks: {back: {}}\n",
	}
	for name, c := range map[string]struct {
		env           map[string]string
		dotenv        string
		project, want string // project "": the folder's
		data          string // where ./data is
	}{
		"none":                      {nil, "", "", "plain override", "data"},
		"environment":               {map[string]string{"COMPOSE_FILE": "a.yaml:b.yaml"}, "", "", "a b", "data"},
		".env":                      {nil, "COMPOSE_FILE=a.yaml:b.yaml\nCOMPOSE_PROJECT_NAME=shop\n", "shop", "a b", "data"},
		"environment wins":          {map[string]string{"COMPOSE_FILE": "a.yaml", "COMPOSE_PROJECT_NAME": "mine"}, "COMPOSE_FILE=b.yaml\nCOMPOSE_PROJECT_NAME=shop\n", "mine", "a", "data"},
		"set to nothing":            {map[string]string{"COMPOSE_FILE": ""}, "COMPOSE_FILE=a.yaml\n", "", "plain override", "data"},
		"no override beside it":     {map[string]string{"COMPOSE_FILE": "compose.yaml"}, "", "", "plain", "data"},
		"separator":                 {map[string]string{"COMPOSE_PATH_SEPARATOR": ","}, "COMPOSE_FILE=a.yaml,b.yaml\n", "", "a b", "data"},
		"separator in .env":         {nil, "COMPOSE_FILE=a.yaml;b.yaml\nCOMPOSE_PATH_SEPARATOR=;\n", "", "a b", "data"},
		"what was made here before": {map[string]string{"COMPOSE_FILE": "a.yaml:compose.logkeel.yaml"}, "", "", "a", "data"},
		"the first one's folder":    {map[string]string{"COMPOSE_FILE": "sub/c.yaml:a.yaml"}, "", "of-sub", "c a", "sub/data"},
		".env where it is called":   {map[string]string{"COMPOSE_FILE": "sub/c.yaml:a.yaml"}, "COMPOSE_PROJECT_NAME=shop\n", "shop", "c a", "sub/data"},
		"services in the second":    {map[string]string{"COMPOSE_FILE": "networks.yaml:a.yaml"}, "", "", "a", "data"},
	} {
		dir := filesIn(t, files)
		if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(c.dotenv), 0o600); err != nil {
			t.Fatal(err)
		}
		env := func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }
		which := chooseFiles(dir, env)
		f, err := inspectFiles(which, "", env)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, s := range f.Services {
			got = append(got, s.Name)
			if len(s.Mounts) != 1 || s.Mounts[0].Source != filepath.Join(dir, c.data) {
				t.Errorf("%s: %s: %+v", name, s.Name, s.Mounts)
			}
		}
		want := c.project
		if want == "" {
			want = projectOf(filepath.Base(dir))
		}
		if strings.Join(got, " ") != c.want || f.Project != want || len(f.More) != len(which.files)-1 && which.given {
			t.Errorf("%s: %v of %s, %v; want %s of %s", name, got, f.Project, f.More, c.want, want)
		}
	}
}

// A file of COMPOSE_FILE that is not there is said, with where it is from.
func TestComposeFileThatIsNotThere(t *testing.T) {
	dir := filesIn(t, map[string]string{"compose.yaml": "services: {app: {image: nginx}}\n", ".env": "COMPOSE_FILE=away.yaml\n"})
	t.Setenv("DOCKER_HOST", "unix://"+dir+"/no.sock")
	_, err := inspect(context.Background(), &Options{Dir: dir, Env: lookUpNone})
	var wrong *ComposeError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "COMPOSE_FILE: read the Compose file: open "+dir+"/away.yaml: no such file") {
		t.Error(err)
	}
}

// !reset takes away what other files say, !override puts something in its place.
func TestComposeTags(t *testing.T) {
	t.Parallel()
	f, _ := foundIn(t, map[string]string{
		"common.yaml": "services: {common: {image: 'mariadb:11', ports: ['3306'], volumes: ['all:/var/lib/mysql']}}\n",
		"compose.yaml": `services:
  app: {image: nginx, ports: ["80", "81"], environment: {APP_KEY: x, APP_ENV: local}, volumes: ["a:/a"], network_mode: host, profiles: [dev]}
  db: {extends: {file: common.yaml, service: common}, volumes: !override ["own:/data"]}
  two: {extends: {file: common.yaml, service: common}}
  gone: {image: redis}
  other: {image: redis, ports: ["6379"]}
`,
		"compose.override.yaml": `services:
  app: {ports: !override ["8080:80"], environment: {APP_KEY: !reset null}, volumes: !reset [], network_mode: !reset null, profiles: !reset []}
  two: {ports: !reset []}
  gone: !reset null
  other: !override {image: valkey}
`,
	})
	app := f.service("app")
	if len(app.Ports) != 1 || app.Ports[0].Host != 8080 || app.has("APP_KEY") != "" || app.has("APP_ENV") == "" || len(app.Mounts) > 0 || app.HostNet || app.Host != "app" || app.Image != "nginx" {
		t.Errorf("%+v", app)
	}
	if db := f.service("db"); len(db.Mounts) != 1 || db.Mounts[0].Target != "/data" || db.Image != "mariadb:11" || len(db.Ports) != 1 {
		t.Errorf("%+v", db)
	}
	if two := f.service("two"); len(two.Ports) > 0 || len(two.Mounts) != 1 {
		t.Errorf("%+v", two)
	}
	if other := f.service("other"); other.Image != "valkey" || len(other.Ports) > 0 {
		t.Errorf("%+v", other)
	}
	if slices.ContainsFunc(f.Services, func(s Service) bool { return s.Name == "gone" }) || len(f.Notes) > 0 {
		t.Errorf("%+v %q", f.Services, f.Notes)
	}
}
