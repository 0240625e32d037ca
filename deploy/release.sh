#!/usr/bin/env bash
# Makes what a release is: dist/logkeel-VERSION-linux-ARCH.tar.gz and SHA256SUMS.
# The same commit and the same Go make the same bytes, wherever and whenever.
#
#   deploy/release.sh                              # what is checked out, into dist/
#   VERSION=v1.2.0 ARCHES=arm64 deploy/release.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

arches=${ARCHES:-amd64 arm64}
version=${VERSION:-$(git describe --tags --always --abbrev=12)}
commit=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
date=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

case $version in
'' | *[!A-Za-z0-9._+-]*)
	echo "VERSION is $version; a version has letters, digits and . _ + - only" >&2
	exit 2
	;;
esac
if [ -n "$(git status --porcelain)" ]; then
	git status --short >&2
	echo 'there are changes that no commit has; commit them, or put them away (git stash -u)' >&2
	exit 1
fi

# Nothing of who builds gets in: no folder, zone, locale, umask or setting of Go's.
export LC_ALL=C TZ=UTC CGO_ENABLED=0 GOOS=linux GOFLAGS=-mod=readonly GOEXPERIMENT='' GOWORK=off
export GOAMD64=v1 GOARM64=v8.0
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # ARCH FILE
	GOARCH=$1 go build -trimpath -buildvcs=false -o "$2" -ldflags "-s -w -buildid= \
		-X main.version=$version -X main.commit=$commit -X main.date=$date" ./cmd/logkeel
}

# licenses prints those of everything that is in the binary.
licenses() { # ARCH
	printf '== Go, %s\n\n' "$(go env GOVERSION)"
	cat "$(go env GOROOT)/LICENSE"
	GOARCH=$1 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/logkeel |
		sort -u | while read -r path v dir; do
		printf '\n== %s %s\n' "$path" "$v"
		find "$dir" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort >"$work/found"
		if [ ! -s "$work/found" ]; then
			echo "$path has no license file" >&2
			exit 1
		fi
		while read -r file; do
			echo
			cat "$file"
		done <"$work/found"
	done
}

build "$(go env GOHOSTARCH)" "$work/host"
rm -rf dist
mkdir dist
for arch in $arches; do
	name=logkeel-$version-linux-$arch
	into=$work/$name
	mkdir -p "$into/completions"
	build "$arch" "$into/logkeel"
	licenses "$arch" >"$into/LICENSES-of-others.txt"
	cp LICENSE CHANGELOG.md agent.yaml "$into"
	git ls-files deploy | grep -v -e '_test\.go$' -e '/testdata/' -e '\.sh$' -e '/rules_test\.yml$' |
		tar --create --files-from=- | tar --extract --directory="$into"
	git ls-files deploy/invoiceninja | grep '\.sh$' | # what Compose mounts into a container
		tar --create --files-from=- | tar --extract --directory="$into"
	for shell in bash zsh fish; do
		"$work/host" completion "$shell" >"$into/completions/logkeel.$shell"
	done
	tar --create --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
		--mode='u=rwX,go=rX' --directory="$work" "$name" | gzip -9 --no-name >"dist/$name.tar.gz"
done
cd dist
sha256sum ./*.tar.gz | sed 's| \./| |' >SHA256SUMS
cat SHA256SUMS
