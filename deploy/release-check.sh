#!/usr/bin/env bash
# Builds the release of HEAD twice, in clones in different folders, with different
# users' settings, the second from nothing, and fails if a byte differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
second=$work/a/folder/elsewhere
git clone --quiet . "$work/first"
git clone --quiet . "$second"

(cd "$work/first" && umask 077 && TZ=Asia/Tokyo make --no-print-directory release)
mkdir "$work/home" "$work/cache"
modules=$(go env GOMODCACHE)
(cd "$second" && GOMODCACHE=$modules HOME=$work/home GOCACHE=$work/cache LANG=C.UTF-8 make --no-print-directory release)
diff "$work/first/dist/SHA256SUMS" "$second/dist/SHA256SUMS"
echo 'the same, byte by byte'
