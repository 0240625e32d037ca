package setup

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
)

// A Kind is what a service is.
type Kind string

// The kinds that are known.
const (
	Laravel  Kind = "Laravel"
	PHP      Kind = "PHP"
	Node     Kind = "Node"
	Python   Kind = "Python"
	Ruby     Kind = "Ruby"
	Java     Kind = "Java"
	Go       Kind = "Go"
	Dotnet   Kind = ".NET"
	Nginx    Kind = "nginx"
	Apache   Kind = "Apache"
	Caddy    Kind = "Caddy"
	Traefik  Kind = "Traefik"
	HAProxy  Kind = "HAProxy"
	MariaDB  Kind = "MariaDB"
	MySQL    Kind = "MySQL"
	Postgres Kind = "PostgreSQL"
	Redis    Kind = "Redis"
	Valkey   Kind = "Valkey"
)

// A Role is what a service is, and how that is known.
type Role struct {
	Kind Kind
	How  string // for people
}

func (k Kind) application() bool {
	return slices.Contains([]Kind{Laravel, PHP, Node, Python, Ruby, Java, Go, Dotnet}, k)
}

func (k Kind) web() bool { return slices.Contains([]Kind{Nginx, Apache, Caddy, Traefik, HAProxy}, k) }

func (k Kind) mysql() bool { return k == MariaDB || k == MySQL }
func (k Kind) redis() bool { return k == Redis || k == Valkey }
func (k Kind) store() bool { return k.mysql() || k.redis() || k == Postgres }

// kinds says which kind a word of an image's name means.
var kinds = map[string]Kind{
	"laravel": Laravel, "invoiceninja": Laravel, "bookstack": Laravel, "monica": Laravel, "fireflyiii": Laravel, "koel": Laravel, "pixelfed": Laravel, "snipeit": Laravel, "pterodactyl": Laravel,
	"php": PHP, "wordpress": PHP, "nextcloud": PHP, "drupal": PHP, "joomla": PHP, "moodle": PHP, "matomo": PHP, "symfony": PHP, "magento": PHP, "mediawiki": PHP, "typo3": PHP, "prestashop": PHP, "phpmyadmin": PHP,
	"node": Node, "nodejs": Node, "nextjs": Node, "nuxt": Node, "ghost": Node, "strapi": Node, "n8n": Node, "directus": Node, "bun": Node,
	"python": Python, "django": Python, "flask": Python, "fastapi": Python, "gunicorn": Python, "uvicorn": Python, "celery": Python, "airflow": Python, "superset": Python,
	"ruby": Ruby, "rails": Ruby, "discourse": Ruby, "mastodon": Ruby, "redmine": Ruby, "gitlab": Ruby,
	"java": Java, "openjdk": Java, "jdk": Java, "jre": Java, "temurin": Java, "corretto": Java, "amazoncorretto": Java, "tomcat": Java, "keycloak": Java, "wildfly": Java,
	"golang": Go, "dotnet": Dotnet, "aspnet": Dotnet,
	"nginx": Nginx, "openresty": Nginx, "tengine": Nginx, "httpd": Apache, "apache": Apache, "apache2": Apache,
	"caddy": Caddy, "traefik": Traefik, "haproxy": HAProxy,
	"mariadb": MariaDB, "mysql": MySQL, "percona": MySQL,
	"postgres": Postgres, "postgresql": Postgres, "postgis": Postgres, "timescaledb": Postgres, "pgvector": Postgres,
	"redis": Redis, "keydb": Redis, "dragonfly": Redis, "valkey": Valkey,
}

// helpers are words of images that have to do with a server and are none.
var helpers = []string{
	"exporter", "backup", "backups", "admin", "insight", "commander", "operator", "sentinel", "mongodb", "dump", "browser",
	"xtrabackup", "mariabackup", "mydumper", "pgbackrest", "barman", "toolkit",
}

// besides are words of images that speak to a database server; that an image is of a
// web server or an application they do not rule out.
var besides = []string{
	"router", "proxy", "balancer", "client", "cli", "shell", "tools", "ui", "gui", "webui", "web", "manager", "migrate", "migrations",
	"pgbouncer", "pgpool", "pgcat", "odyssey", "supavisor", "proxysql", "maxscale", "twemproxy", "predixy",
	"phpmyadmin", "phppgadmin", "phpredisadmin", "pgadmin", "adminer", "adminerevo", "redisinsight", "pgweb", "pghero", "cloudbeaver", "dbeaver", "dbgate", "metabase",
}

// withApache are images that have an Apache in them unless their tag says otherwise.
var withApache = []string{"wordpress", "nextcloud", "drupal", "joomla", "matomo", "moodle", "phpmyadmin", "mediawiki", "prestashop"}

// variables of images and applications, and what they mean.
var variables = []struct {
	kind  Kind
	names []string
}{
	{MariaDB, []string{"MARIADB_VERSION", "MARIADB_MAJOR"}},
	{MySQL, []string{"MYSQL_MAJOR"}},
	{Postgres, []string{"PG_MAJOR"}},
	{Valkey, []string{"VALKEY_VERSION"}},
	{Redis, []string{"REDIS_VERSION", "REDIS_DOWNLOAD_URL"}},
	{Nginx, []string{"NGINX_VERSION"}},
	{Apache, []string{"HTTPD_VERSION", "APACHE_CONFDIR"}},
	{Caddy, []string{"CADDY_VERSION"}},
	{PHP, []string{"PHP_VERSION", "WORDPRESS_DB_HOST"}},
	{Node, []string{"NODE_VERSION", "NODE_ENV"}},
	{Python, []string{"PYTHON_VERSION", "DJANGO_SETTINGS_MODULE", "FLASK_APP", "PYTHONUNBUFFERED"}},
	{Ruby, []string{"RUBY_VERSION", "RAILS_ENV", "RACK_ENV"}},
	{Java, []string{"JAVA_VERSION", "JAVA_HOME", "SPRING_PROFILES_ACTIVE"}},
	{Go, []string{"GOLANG_VERSION"}},
	{Dotnet, []string{"DOTNET_VERSION", "ASPNET_VERSION", "ASPNETCORE_URLS"}},
}

// recognise says what a service is: by its image, its image's label, variables that
// images and frameworks set, the ports that servers have, and the paths of mounts.
// The first that says something of a kind is named.
func recognise(s *Service) []Role {
	r := recogniser{s: s}
	by := "image"
	if s.Built {
		by = "Dockerfile"
	}
	r.image(s.Image, by)
	r.words(s.Title, "label "+titleLabel)
	r.environment()
	r.servers()
	return r.roles
}

type recogniser struct {
	s      *Service
	roles  []Role
	helper bool // it is none of the kinds
	beside bool // it is no database server
}

// add notes a kind, unless it is known, or a nearer one of the same sort.
func (r *recogniser) add(k Kind, how string) {
	for _, have := range r.roles {
		if have.Kind == k || have.Kind.application() && k.application() && (have.Kind != PHP || k != Laravel) || have.Kind.store() && k.store() || have.Kind.web() && k.web() {
			return
		}
	}
	if k.store() && (r.helper || r.beside) {
		return
	}
	r.roles = slices.DeleteFunc(r.roles, func(have Role) bool { return have.Kind == PHP && k == Laravel })
	r.roles = append(r.roles, Role{k, how})
}

func (r *recogniser) is(what func(Kind) bool) bool {
	return slices.ContainsFunc(r.roles, func(x Role) bool { return what(x.Kind) })
}

// image looks at the last part of an image's name, and at its tag.
func (r *recogniser) image(image, by string) {
	image, _, _ = strings.Cut(image, "@")
	name := path.Base(image)
	name, tag, _ := strings.Cut(name, ":")
	r.words(name, by+" "+image)
	tagged := wordsOf(tag)
	if slices.Contains(tagged, "apache") {
		r.add(Apache, by+" "+image)
	}
	for _, w := range wordsOf(name) {
		if slices.Contains(withApache, w) && !slices.Contains(tagged, "fpm") && !slices.Contains(tagged, "cli") {
			r.add(Apache, by+" "+image)
		}
	}
}

func (r *recogniser) words(name, how string) {
	words := wordsOf(name)
	for _, w := range words {
		bare := strings.TrimRight(w, "0123456789")
		r.helper = r.helper || slices.Contains(helpers, bare) || strings.HasSuffix(bare, "exporter")
		r.beside = r.beside || slices.Contains(besides, bare)
	}
	if r.helper {
		return
	}
	if i := slices.Index(words, "percona"); i >= 0 { // also makes others than MySQL
		words = append(slices.Delete(words, i, i+1), "percona")
	}
	for _, w := range append(words, strings.Join(words, "")) {
		if k, ok := kinds[w]; ok {
			r.add(k, how)
		} else if k, ok := kinds[strings.TrimRight(w, "0123456789")]; ok {
			r.add(k, how)
		}
	}
}

func wordsOf(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
}

// environment looks at variables. Those of an application may be in each service of
// a file that shares them, also in its database.
func (r *recogniser) environment() {
	for _, v := range variables {
		if n := r.s.has(v.names...); n != "" && !(v.kind.application() && r.is(Kind.store)) {
			r.add(v.kind, "variable "+n)
		}
	}
	if r.is(Kind.store) || r.is(Kind.web) && !r.is(Kind.application) {
		return
	}
	if r.s.has("APP_KEY") != "" && r.s.has("DB_CONNECTION", "LOG_CHANNEL", "QUEUE_CONNECTION", "CACHE_DRIVER", "CACHE_STORE", "SESSION_DRIVER") != "" {
		r.add(Laravel, "variable APP_KEY")
	}
	for _, m := range r.s.Mounts {
		if strings.HasSuffix(m.Target, "/storage/logs") {
			r.add(Laravel, "mount "+m.Target)
		}
	}
}

// servers looks for what only a database server has: its port, the password that
// its image makes a database with, and its data folder.
func (r *recogniser) servers() {
	if len(r.roles) > 0 {
		return
	}
	words := wordsOf(r.s.Name)
	named := func(names ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(names, w) })
	}
	for _, m := range r.s.Mounts {
		switch {
		case m.Target == "/var/lib/mysql":
			r.add(MySQL, "mount "+m.Target)
		case strings.HasPrefix(m.Target, "/var/lib/postgresql"):
			r.add(Postgres, "mount "+m.Target)
		}
	}
	for _, p := range r.s.Ports {
		k := map[int]Kind{3306: MySQL, 5432: Postgres, 6379: Redis}[p.Container]
		if k != "" {
			r.add(k, fmt.Sprintf("port %d", p.Container))
		}
	}
	if n := r.s.has("MARIADB_ROOT_PASSWORD", "MARIADB_ROOT_PASSWORD_FILE", "MARIADB_RANDOM_ROOT_PASSWORD"); n != "" && named("db", "database", "mariadb", "mysql") {
		r.add(MariaDB, "variable "+n)
	}
	if n := r.s.has("MYSQL_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD_FILE", "MYSQL_RANDOM_ROOT_PASSWORD"); n != "" && named("db", "database", "mariadb", "mysql") {
		r.add(MySQL, "variable "+n)
	}
	if n := r.s.has("POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"); n != "" && named("db", "database", "postgres", "postgresql", "pg") {
		r.add(Postgres, "variable "+n)
	}
}
