#!/bin/sh
# Installs the servers that the tests start: as root, by apt, and one package by
# npm. It does nothing where all is there. Where something cannot be installed it
# says which tests will be skipped; with CI=true that is a failure.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
modules=${LOGKEEL_NODE_MODULES:-$root/.testenv/node_modules} # the folder's name has to be node_modules
logger=$(sed -n 's/.*"@fluent-org\/logger": "\(.*\)".*/\1/p' "$here/node/package.json")
failed=0
guard=''

cleanup() { [ -z "$guard" ] || rm -f "$guard"; }
trap cleanup EXIT

have() { command -v "$1" >/dev/null 2>&1; }

# missing WHAT CONSEQUENCE
missing() {
	echo "testenv: MISSING: $1: $2 will be skipped" >&2
	failed=1
}

static_busybox() {
	have busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1
}

have_compose() {
	have docker-compose || docker compose version >/dev/null 2>&1
}

# The list is made from what is there, not from what was installed as a package:
# an engine or a node from elsewhere serves as well.
packages() {
	have dockerd && have docker || echo docker.io
	have containerd || echo containerd
	have runc || echo runc
	have iptables || echo iptables
	have_compose || echo docker-compose
	static_busybox || echo busybox-static
	have prometheus && have promtool || echo prometheus
	have_alertmanager || echo prometheus-alertmanager
	for exporter in mysqld redis blackbox node postgres; do
		have "prometheus-$exporter-exporter" || echo "prometheus-$exporter-exporter"
	done
	have_postgres || echo postgresql
	have_mariadb || echo mariadb-server
	have redis-server && have redis-cli || echo redis-server
	have systemd-analyze || echo systemd
	have_exim || echo exim4-daemon-light
	have node || echo nodejs
	have npm || have_modules || echo npm
	have curl || echo curl
	have_chromium || echo chromium
	have prometheus-blackbox-exporter || echo prometheus-blackbox-exporter
	[ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

have_mariadb() {
	{ have mariadbd || [ -x /usr/sbin/mariadbd ]; } && have mariadb && have mariadb-install-db
}

have_postgres() {
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || have initdb
}

have_alertmanager() {
	have alertmanager || have prometheus-alertmanager
}

have_exim() {
	have exim4 || [ -x /usr/sbin/exim4 ]
}

have_chromium() {
	have chromium || have chromium-browser || have google-chrome
}

have_modules() {
	grep -qs "\"version\": \"$logger\"" "$modules/@fluent-org/logger/package.json"
}

apt_install() {
	if [ ! -e /usr/sbin/policy-rc.d ]; then # keeps the packages from starting their services
		guard=/usr/sbin/policy-rc.d
		printf '#!/bin/sh\nexit 101\n' >"$guard"
		chmod +x "$guard"
	fi
	DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >&2
}

# shellcheck disable=SC2046 # one word a package
set -- $(packages)
if [ $# -gt 0 ] && [ "$(id -u)" = 0 ] && have apt-get; then
	echo "testenv: installing $*" >&2
	# Without package lists, or with old ones, the first try fails.
	apt_install "$@" || { apt-get update -qq >&2 && apt_install "$@"; } || echo "testenv: apt-get install failed" >&2
fi

if ! have_modules && have npm; then
	into=$(dirname "$modules")
	mkdir -p "$into"
	[ "$into" != "$root/.testenv" ] || echo '*' >"$into/.gitignore"
	cp "$here/node/package.json" "$here/node/package-lock.json" "$into/"
	npm ci --prefix "$into" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || echo "testenv: npm ci failed" >&2
fi

if [ "$(id -u)" != 0 ]; then
	missing "root" "the tests with a Docker engine"
fi
for tool in dockerd docker containerd runc; do
	have "$tool" || missing "$tool (docker.io)" "the tests with a Docker engine"
done
static_busybox || missing "a static busybox (busybox-static)" "the tests with containers"
have_compose || missing "docker compose (docker-compose)" "the test of the Compose file"
{ have prometheus && have promtool; } || missing "prometheus" "the tests with Prometheus"
have_alertmanager || missing "Alertmanager (prometheus-alertmanager)" "the tests of the alertmanager output"
for exporter in mysqld redis blackbox node postgres; do
	have "prometheus-$exporter-exporter" || missing "prometheus-$exporter-exporter" "the comparison with it"
done
have_postgres || missing "PostgreSQL (postgresql)" "the tests of the postgres sampler"
have_mariadb || missing "MariaDB (mariadb-server)" "the tests of the mysql sampler"
{ have redis-server && have redis-cli; } || missing "Redis (redis-server)" "the tests of the redis sampler"
have_exim || missing "Exim (exim4-daemon-light)" "the tests of the email output"
have node || missing "node (nodejs)" "the tests with a Forward receiver"
have_chromium || missing "a browser (chromium)" "the tests of the status page in a browser"
have curl || missing "curl" "the comparison of HTTP times with it"
have_modules || missing "@fluent-org/logger (npm) in $modules" "the tests with a Forward receiver"

[ "$failed" = 0 ] || echo "testenv: on Debian and Ubuntu, running this as root installs what is missing" >&2
if [ "$failed" != 0 ] && [ "${CI:-}" = true ]; then
	exit 1
fi
