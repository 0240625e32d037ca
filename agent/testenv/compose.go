package testenv

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The images of a deployment of Invoice Ninja, by the names that they have in
// its Compose file. They are made of this machine's own programs.
const (
	ApplicationImage = "webgrip/invoiceninja-application.application:latest"
	MariaDBImage     = "mariadb:12.0.2-noble"
	RedisImage       = "redis:8-alpine"
)

// InvoiceNinja makes the images of the deployment: agent/testenv/application, and
// this machine's MariaDB and Redis, which behave as the official images do as far
// as environment, initdb scripts and commands go. program is the application, built.
func (e *Engine) InvoiceNinja(program string) {
	e.t.Helper()
	for _, tool := range []string{"mariadbd", "mariadb", "redis-server", "redis-cli"} {
		_, err := lookServer(tool)
		Need(e.t, tool, err == nil)
	}
	e.ImageOf(ApplicationImage, ImageSpec{
		Binaries: map[string]string{"/usr/bin/application": program},
		Files:    map[string]string{"/usr/bin/php": "#!/bin/sh\nexec application worker\n"},
		Changes:  []string{`CMD ["application", "serve"]`, "ENV PATH=/usr/bin:/bin"},
	})
	e.ImageOf(RedisImage, ImageSpec{
		Programs: []string{"redis-server", "redis-cli"},
		Changes:  []string{`CMD ["redis-server"]`, "ENV PATH=/usr/bin:/bin"},
	})
	const share = "/usr/share/mysql/"
	e.ImageOf(MariaDBImage, ImageSpec{
		Programs: []string{"mariadbd", "mariadb"},
		Folders: []string{
			share + "charsets", share + "english", share + "mysql_system_tables.sql", share + "mysql_performance_tables.sql",
			share + "mysql_system_tables_data.sql",
		},
		Files:   map[string]string{"/usr/bin/docker-entrypoint.sh": mariadbEntrypoint, "/etc/passwd": "root:x:0:0::/:/bin/sh\n"},
		Changes: []string{`ENTRYPOINT ["docker-entrypoint.sh"]`, `CMD ["mariadbd"]`, "VOLUME /var/lib/mysql", "ENV PATH=/usr/bin:/bin"},
	})
}

// mariadbEntrypoint makes the database at the first start, as the official image
// does.
const mariadbEntrypoint = `#!/bin/sh
set -e
case "$1" in mariadbd) shift ;; esac
data=/var/lib/mysql
set -- --no-defaults --user=root --datadir=$data --socket=/run/mysqld.sock --lc-messages-dir=/usr/share/mysql \
	--innodb-buffer-pool-size=16M --innodb-log-file-size=8M --innodb-flush-log-at-trx-commit=0 --key-buffer-size=1M "$@"
if [ ! -d $data/mysql ]; then
	(
		printf 'CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n' # a line each
		cd /usr/share/mysql
		cat mysql_system_tables.sql mysql_performance_tables.sql mysql_system_tables_data.sql
	) | mariadbd "$@" --bootstrap --log-warnings=0 >/dev/null
	docker_process_sql() { cat >>/tmp/init.sql; }
	docker_process_sql <<EOSQL
CREATE DATABASE $MARIADB_DATABASE;
CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY '$MARIADB_PASSWORD';
GRANT ALL ON $MARIADB_DATABASE.* TO '$MARIADB_USER'@'%';
CREATE TABLE $MARIADB_DATABASE.invoices (id INT PRIMARY KEY AUTO_INCREMENT, paid INT NOT NULL);
INSERT INTO $MARIADB_DATABASE.invoices (paid) VALUES (0), (1);
EOSQL
	for script in /docker-entrypoint-initdb.d/*.sh; do
		if [ -f "$script" ]; then . "$script"; fi
	done
	set -- "$@" --init-file=/tmp/init.sql
fi
exec mariadbd "$@"
`

// Compose is docker-compose (or docker compose) in this folder, with a file and
// variables more than those of the test. It returns what that prints.
func (e *Engine) Compose(file string, env []string, args ...string) string {
	e.t.Helper()
	name, head := "docker-compose", []string{}
	if _, err := exec.LookPath(name); err != nil {
		Need(e.t, "docker-compose", exec.Command("docker", "compose", "version").Run() == nil)
		name, head = "docker", []string{"compose"}
	}
	cmd := exec.Command(name, append(append(head, "--file", file), args...)...)
	cmd.Dir = filepath.Dir(file)
	cmd.Env = append(append(os.Environ(), "DOCKER_HOST="+e.Host, "DOCKER_CONTEXT=", "DOCKER_TLS_VERIFY=", "HOME="+e.dir), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		e.t.Fatalf("testenv: %s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(bytes.TrimSpace(out))
}
