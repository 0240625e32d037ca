#!/bin/bash
# Runs the tests of the samplers with other versions of their servers than the one
# that is installed, as root: each in a chroot that debootstrap makes, with a folder
# of wrappers that goes to the front of the PATH.
#
#   agent/testenv/versions.sh            all of them
#   agent/testenv/versions.sh sid valkey9
#
# VERSIONS_ROOTS is where the chroots are kept (.testenv/roots; 1 GB each),
# TESTFLAGS goes to go test. It ends with a table, and with 1 where a test failed.
set -euo pipefail

cd "$(dirname "$0")/../.."
roots=${VERSIONS_ROOTS:-$PWD/.testenv/roots}
all=(jammy trixie sid valkey8 valkey9)
work='' # wrappers and logs
mounted=()
rows=()
failed=0

die() {
	echo "versions: $1" >&2
	exit 1
}

# shellcheck disable=SC2317 # the trap calls it
cleanup() {
	local i
	for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do
		umount "${mounted[i]}" || umount --lazy "${mounted[i]}" || true
	done
	[ -z "$work" ] || rm -rf "${work:?}/bin"
}
trap cleanup EXIT

# suite VERSIONS: the chroot that has them
suite() {
	case $1 in
	jammy | trixie | sid) echo "$1" ;;
	valkey8) echo trixie ;;
	valkey9) echo sid ;;
	*) die "$1 is none of: ${all[*]}" ;;
	esac
}

# packages SUITE: what is installed there
packages() {
	case $1 in
	jammy) echo mysql-server-8.0 postgresql redis-server ;;
	trixie) echo mariadb-server postgresql redis-server valkey-server ;;
	sid) echo mysql-server mysql-client postgresql valkey-server ;;
	esac
}

# installed SUITE: it has its servers
installed() {
	local root=$roots/$1 other=/usr/bin/valkey-server
	[ "$1" != jammy ] || other=/usr/bin/redis-server
	[ -x "$root/usr/sbin/mysqld" ] && [ -x "$root$other" ] && compgen -G "$root/usr/lib/postgresql/*/bin/postgres" >/dev/null
}

# bind PATH ROOT: has a folder or file in the chroot, until the end
bind() {
	! findmnt "$2$1" >/dev/null || return 0
	mount --bind "$1" "$2$1"
	mounted+=("$2$1")
	mount --make-private "$2$1"
}

# bootstrap SUITE ROOT: makes the chroot, without its servers
bootstrap() {
	local keys=/usr/share/keyrings/ubuntu-archive-keyring.gpg pocket
	if [ "$1" != jammy ]; then
		debootstrap --variant=minbase "$1" "$2.part" && mv "$2.part" "$2"
		return
	fi
	if [ ! -f $keys ]; then
		echo "versions: jammy is left out: $keys is missing, of the package ubuntu-archive-keyring" >&2
		return 1
	fi
	debootstrap --variant=minbase --keyring=$keys --components=main,universe jammy "$2.part" || return 1
	for pocket in updates security; do # servers have their later versions there
		sed -n "s/ jammy / jammy-$pocket /p" "$2.part/etc/apt/sources.list" | head -1
	done >>"$2.part/etc/apt/sources.list.new"
	cat "$2.part/etc/apt/sources.list.new" >>"$2.part/etc/apt/sources.list"
	mv "$2.part" "$2"
}

# prepare SUITE: has the chroot with its servers, and what they need of this machine
prepare() {
	local root=$roots/$1
	rm -rf --one-file-system "$root.part"
	[ -d "$root/usr/bin" ] || bootstrap "$1" "$root" || return 1
	bind /proc "$root" && bind /dev "$root" || return 1
	if ! installed "$1"; then
		printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # none is started
		chmod 755 "$root/usr/sbin/policy-rc.d"
		cp /etc/resolv.conf "$root/etc/resolv.conf"
		# shellcheck disable=SC2046 # they are words
		chroot "$root" apt-get update -qq &&
			chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(packages "$1") || return 1
	fi
	# Servers drop root, and the tests' files are theirs by number. Packages need
	# the users of the chroot, so that these come back.
	bind /etc/passwd "$root" && bind /etc/group "$root" && bind /tmp "$root"
}

# wrap VERSIONS NAME PROGRAM: makes NAME run a program of the chroot
wrap() {
	local root
	root=$roots/$(suite "$1")
	[ -x "$root$3" ] || die "$root$3 is missing"
	printf '#!/bin/sh\nexec "%s" "%s" "%s" "$@"\n' "$work/bin/chroot" "$root" "$3" >"$work/bin/$1/$2"
	chmod 755 "$work/bin/$1/$2"
}

wrappers() {
	local root program
	root=$roots/$(suite "$1")
	mkdir -p "$work/bin/$1"
	case $1 in
	valkey*)
		wrap "$1" redis-server /usr/bin/valkey-server
		wrap "$1" redis-cli /usr/bin/valkey-cli
		return
		;;
	jammy | sid)
		wrap "$1" mysqld /usr/sbin/mysqld
		wrap "$1" mysql /usr/bin/mysql
		;;
	trixie)
		wrap "$1" mysqld /usr/sbin/mariadbd
		wrap "$1" mysql /usr/bin/mariadb
		wrap "$1" mariadb-install-db /usr/bin/mariadb-install-db
		;;
	esac
	if [ "$1" != sid ]; then # its Redis is that of trixie
		wrap "$1" redis-server /usr/bin/redis-server
		wrap "$1" redis-cli /usr/bin/redis-cli
	fi
	for program in "$root"/usr/lib/postgresql/*/bin/*; do
		wrap "$1" "${program##*/}" "${program#"$root"}"
	done
}

# version PROGRAM: what it is, as MySQL 8.0.46
version() {
	local text number
	text=$("$1" --version)
	number=$(grep -oE '[0-9]+(\.[0-9]+)+' <<<"$text" | head -1)
	case $text in
	*MariaDB*) echo "MariaDB $number" ;;
	*mysqld*) echo "MySQL $number" ;;
	*PostgreSQL*) echo "PostgreSQL $number" ;;
	Redis*) echo "Redis $number" ;;
	*) echo "Valkey $number" ;;
	esac
}

# try VERSIONS PACKAGE PROGRAM: tests a package, and has a row for the table
try() {
	local bin=$work/bin/$1 log=$work/$1.$2.log is result=ok
	[ -x "$bin/$3" ] || return 0
	is=$(version "$bin/$3")
	echo "versions: $1: ./collectors/$2 with $is"
	# shellcheck disable=SC2086 # they are words
	if ! PATH=$bin:$PATH go test -count 1 -timeout 60m -v ${TESTFLAGS:-} "./collectors/$2" >"$log" 2>&1; then
		result=FAIL
		failed=1
		grep -E '^ *[a-z_]+_test\.go:|^--- FAIL|^panic' "$log" | cut -c1-300 >&2 || true
	fi
	rows+=("$(printf '%-8s %-20s %-20s %-5s %4d passed %3d failed %3d skipped' "$1" "$is" "collectors/$2" "$result" \
		"$(grep -c '^--- PASS' "$log")" "$(grep -c '^--- FAIL' "$log")" "$(grep -c '^--- SKIP' "$log")")")
}

[ "$(id -u)" = 0 ] || die 'it makes chroots: run it as root'
for tool in debootstrap setcap findmnt go; do
	command -v $tool >/dev/null || die "$tool is missing; install the package of that name (setcap: libcap2-bin)"
done
[ $# -gt 0 ] || set -- "${all[@]}"
for name in "$@"; do
	suite "$name" >/dev/null
done
mkdir -p "$roots"
chmod 755 "$roots"
# Below /tmp, for the servers' users have to get to it.
work=$(mktemp -d /tmp/logkeel-versions.XXXXXX)
mkdir "$work/bin"
chmod 755 "$work" "$work/bin"
# PostgreSQL runs as its own user from the start, who may use this chroot alone.
install -m 755 "$(command -v chroot)" "$work/bin/chroot"
setcap cap_sys_chroot+ep "$work/bin/chroot"
unset TMPDIR # the chroots have this machine's /tmp

for name in "$@"; do
	if ! prepare "$(suite "$name")"; then
		rows+=("$(printf '%-8s left out: no chroot with its servers' "$name")")
		failed=1
		continue
	fi
	wrappers "$name"
	try "$name" mysql mysqld
	try "$name" redis redis-server
	try "$name" postgres postgres
done
echo
printf '%s\n' "${rows[@]}"
echo "versions: what the tests said is in $work/*.log"
exit $failed
