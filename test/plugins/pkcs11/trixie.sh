#!/bin/sh
# Unpacks Debian 13's programs of PKCS#11 with all that they load into a directory, to be run there by chroot; nothing is installed.
# The signatures are checked with the keys of this machine's debian-archive-keyring. Usage: trixie.sh DIRECTORY [SUITE]
set -eu
root=$1
suite=${2:-trixie}
host=${DEBIAN_HOST:-deb.debian.org}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$root/usr/lib" "$root/usr/lib64" "$root/usr/bin" "$root/dev" "$root/tmp" "$work/lists/partial" "$work/archives/partial" "$work/etc"
for name in lib lib64 bin; do [ -e "$root/$name" ] || ln -s "usr/$name" "$root/$name"; done
[ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
[ -e "$root/dev/urandom" ] || mknod -m 666 "$root/dev/urandom" c 1 9
: >"$work/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://$host/debian $suite main" >"$work/etc/sources.list"
get() {
  apt-get -qq -o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::State::lists="$work/lists" \
    -o Dir::Cache="$work" -o Dir::Cache::archives="$work/archives" -o Dir::Etc::sourcelist="$work/etc/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}
get update
get install --download-only --yes --no-install-recommends opensc p11-kit p11-kit-modules pkcs11-provider openssl >/dev/null
for package in "$work"/archives/*.deb; do dpkg-deb --extract "$package" "$root"; done
