package setup

import (
	"strings"
	"testing"

	"github.com/webgrip/logkeel/agent/conf"
	"github.com/webgrip/logkeel/collectors/docker"
)

func TestRecognise(t *testing.T) {
	env := func(names ...string) map[string]string {
		m := map[string]string{}
		for _, n := range names {
			m[n] = ""
		}
		return m
	}
	for _, c := range []struct {
		name string
		s    Service
		want string
	}{
		{"image", Service{Image: "docker.io/bitnami/mariadb:10.11"}, "MariaDB"},
		{"registry with a port, digest", Service{Image: "r:5000/x/postgresql-repmgr@sha256:12"}, "PostgreSQL"},
		{"valkey", Service{Image: "valkey/valkey:8"}, "Valkey"},
		{"joined words", Service{Image: "snipe/snipe-it"}, "Laravel"},
		{"number", Service{Image: "x/php83"}, "PHP"},
		{"apache in the tag", Service{Image: "php:8.3-apache"}, "PHP Apache"},
		{"apache by default", Service{Image: "nextcloud"}, "PHP Apache"},
		{"fpm", Service{Image: "wordpress:6-fpm"}, "PHP"},
		{"exporter", Service{Image: "prom/mysqld-exporter", Ports: []Port{{9104, 0, ""}}}, ""},
		{"redis exporter", Service{Image: "oliver006/redis_exporter", Env: env("REDIS_VERSION")}, ""},
		{"pgadmin is not recognised", Service{Image: "dpage/pgadmin4"}, ""},
		{"label", Service{Image: "shop/store", Title: "Redis"}, "Redis"},
		{"port", Service{Image: "shop/store", Ports: []Port{{5432, 0, ""}}}, "PostgreSQL"},
		{"root password and name", Service{Name: "shop-db", Image: "own", Env: env("MARIADB_ROOT_PASSWORD")}, "MariaDB"},
		{"root password of a shared file", Service{Name: "worker", Image: "own", Env: env("MARIADB_ROOT_PASSWORD")}, ""},
		{"laravel's key", Service{Image: "php:8-fpm", Env: env("APP_KEY", "LOG_CHANNEL")}, "Laravel"},
		{"laravel's key in a database", Service{Image: "mysql:8", Env: env("APP_KEY", "LOG_CHANNEL", "NODE_ENV")}, "MySQL"},
		{"python", Service{Image: "own", Env: env("DJANGO_SETTINGS_MODULE")}, "Python"},
		{"nothing", Service{}, ""},
	} {
		var got []string
		for _, r := range recognise(&c.s) {
			got = append(got, string(r.Kind))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

// What stands before a database server, looks into one, measures it or saves it is none,
// though it has its name, its port, its folder and its variables.
func TestRecogniseNoDatabase(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"percona/percona-xtrabackup:8.0": "", "mysql/mysql-router:8.0": "", "container-registry.oracle.com/mysql/community-router": "", "percona/percona-toolkit": "",
		"edoburu/pgbouncer:1.23": "", "bitnami/pgbouncer": "", "percona/percona-pgbouncer": "", "bitnami/pgpool:4": "", "proxysql/proxysql": "", "mariadb/maxscale:24": "",
		"prom/mysqld-exporter": "", "quay.io/prometheuscommunity/postgres-exporter": "", "oliver006/redis_exporter:alpine": "", "own/redisexporter": "", "ghcr.io/x/php-fpm-exporter": "",
		"phpmyadmin:5": "PHP Apache", "phpmyadmin/phpmyadmin": "PHP Apache", "phpmyadmin:fpm": "PHP", "adminer:4": "", "dpage/pgadmin4:8": "", "sosedoff/pgweb": "",
		"rediscommander/redis-commander": "", "redis/redisinsight:2": "", "redislabs/redis-insight": "", "patrikx3/p3x-redis-ui": "", "erikdubbelboer/phpredisadmin": "",
		"prodrigestivill/postgres-backup-local:16": "", "databack/mysql-backup": "", "own/mysql-client": "", "own/redis-proxy": "", "gcr.io/x/cloud-sql-proxy": "",
		// And these are what they are called.
		"percona:8": "MySQL", "percona/percona-server:8.4": "MySQL", "percona/percona-xtradb-cluster": "MySQL", "percona/percona-distribution-postgresql:16": "PostgreSQL",
		"mysql/mysql-server": "MySQL", "bitnami/mariadb-galera": "MariaDB", "timescale/timescaledb-ha:pg16": "PostgreSQL", "supabase/postgres": "PostgreSQL", "redis/redis-stack-server": "Redis",
		"jwilder/nginx-proxy": "nginx", "own/php-web": "PHP",
	} {
		s := Service{Name: "db", Image: image}
		if want == "" { // as such a service may have them
			s.Ports = []Port{{3306, 0, ""}, {5432, 0, ""}, {6379, 0, ""}}
			s.Mounts = []Mount{{Source: "/x", Target: "/var/lib/mysql"}, {Source: "/y", Target: "/var/lib/postgresql/data"}}
			s.Env = map[string]string{"MYSQL_ROOT_PASSWORD": "", "MARIADB_ROOT_PASSWORD": "", "POSTGRES_PASSWORD": "", "REDIS_VERSION": "", "MYSQL_MAJOR": "", "PG_MAJOR": ""}
		}
		var got []string
		for _, r := range recognise(&s) {
			got = append(got, string(r.Kind))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", image, got, want)
		}
	}
}

func TestInterpolate(t *testing.T) {
	env := func(n string) (string, bool) { v, ok := map[string]string{"A": "1", "E": ""}[n]; return v, ok }
	for in, want := range map[string]string{
		"$A ${A} $$A $ ${": "1 1 $A $ ${", "${B:-x}${E:-y}${E-z}": "xy", "${B:-${A}0}": "10", "${A:+set}${B:+no}": "set", "${B}|${B:?why}": "|", "${}": "${}",
	} {
		if got, _ := interpolate(in, env); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if _, missing := interpolate("$B ${C:-${D}}", env); strings.Join(missing, "") != "BD" {
		t.Error(missing)
	}
}

func TestShortPort(t *testing.T) {
	for in, want := range map[string]Port{
		"80": {80, 0, ""}, "8080:80": {80, 8080, ""}, "127.0.0.1:8080:80/tcp": {80, 8080, "127.0.0.1"}, "[::1]:1:2": {2, 1, "::1"},
		"0.0.0.0:1:2": {2, 1, ""}, "3000-3005:4000-4005": {4000, 3000, ""}, "x": {}, "99999": {}, ":": {},
	} {
		if got, _ := shortPort(in); got != want {
			t.Errorf("%s: %v, want %v", in, got, want)
		}
	}
}

// A page of a health check is taken, and never one with a query.
func TestHealth(t *testing.T) {
	for in, want := range map[string]string{
		"curl -f http://localhost:8080/health || exit 1": "/health", "wget http://127.0.0.1/up": "/up",
		"curl http://localhost/x?token=1": "", "curl http://other/health": "", "curl http://u:p@localhost/x": "", "true": "",
	} {
		var s Service
		if s.setHealth(in); s.Health != want {
			t.Errorf("%s: %q", in, s.Health)
		}
	}
}

// Containers of no project, on networks and the default bridge.
func TestStandalone(t *testing.T) {
	f := fromEngine([]docker.Deployed{
		{Name: "cache", Image: "redis", Networks: []string{"back"}, Env: []string{"REDIS_PASSWORD=hunter2"}},
		{Name: "db", Image: "mariadb", Networks: []string{"bridge"}},
		{Name: "no", Image: "redis", Labels: map[string]string{ignoreLabel: "true"}},
	}, "/d", "", "")
	p := makePlan(f, noFiles{}, nil)
	text := p.agentYAML() + p.composeYAML("/x")
	for _, want := range []string{"address: cache:6379", "back: {external: true, name: back}", `"/d/containers:/d/containers:ro"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "hunter2") || len(p.Rows) != 2 || len(p.Stores) != 1 || len(p.Missing) != 2 {
		t.Errorf("%v %v\n%s", p.Rows, p.Missing, text)
	}
}

// What is quoted is read as it was, and no variable is replaced in it.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a: b", "${X}", "\"\n\\", "true", "1e3", "\u0085\u2028\x7f", "#", "0x1", "~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var v struct {
			A string `yaml:"a"`
			B string `yaml:"b"`
		}
		_, err := conf.Decode("x", []byte("a: "+quote(s)+"\nb: end\n"), &v, conf.Options{Env: func(string) (string, bool) { return "replaced", true }})
		if err != nil || v.A != string([]rune(s)) || v.B != "end" {
			t.Errorf("%q: %q %v", s, v.A, err)
		}
		_, err = conf.Decode("x", []byte("a: "+literal(s)+"\nb: end\n"), &v, conf.Options{}) // as rule files are read
		if err != nil || v.A != string([]rune(s)) {
			t.Errorf("in a rule file %q: %q %v", s, v.A, err)
		}
	})
}
