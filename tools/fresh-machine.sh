#!/bin/sh
# Proves the two commands on a machine on which nothing was installed by hand: a Debian 13 made by debootstrap with
# nodejs and npm only, a bare clone of this repository's HEAD in it, and `npm start` or `npm test` run there.
#   sudo sh tools/fresh-machine.sh CACHE_DIR start|test|full|setup
# CACHE_DIR keeps the untouched Debian (about 1 GB); the machine itself is made from it anew each time and removed.
# EXTRA_CA=FILE adds a certificate authority, for a network that has one of its own.
set -eu

fail() {
  echo "fresh-machine: $1" >&2
  exit 1
}

suite=trixie
mirror=${MIRROR:-http://deb.debian.org/debian}
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cache=${1:-}
case ${2:-} in
  start) run="npm start" ;;
  test) run="npm test" ;;
  full) run="npm run test:full" ;;
  setup) run="sh tools/setup.sh test" ;;
  *) fail "usage: sudo sh tools/fresh-machine.sh CACHE_DIR start|test|full|setup" ;;
esac
[ "$(id -u)" -eq 0 ] || fail "debootstrap and mounts need root; run it with sudo"
for tool in debootstrap git unshare pivot_root; do
  command -v "$tool" >/dev/null || fail "missing $tool; run: apt-get install --no-install-recommends debootstrap git util-linux"
done

mkdir -p "$cache"
cache=$(CDPATH='' cd -- "$cache" && pwd -P)
pristine=$cache/$suite-nodejs-npm
if [ ! -e "$pristine/.complete" ]; then
  echo "fresh-machine: making Debian $suite with nodejs and npm in $pristine"
  rm -rf "$pristine"
  # apt-get, not debootstrap's own resolver, brings npm: it has some four hundred dependencies.
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$pristine" "$mirror" >"$cache/debootstrap.log" 2>&1 ||
    fail "debootstrap failed; see $cache/debootstrap.log"
  cp /etc/resolv.conf "$pristine/etc/resolv.conf"
  chroot "$pristine" sh -c 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install nodejs npm && apt-get clean' \
    >>"$cache/debootstrap.log" 2>&1 || fail "installing nodejs and npm failed; see $cache/debootstrap.log"
  : >"$pristine/.complete"
fi

machine=$(mktemp -d "$cache/machine.XXXXXX")
# --one-file-system: should anything still be mounted below, it is not ours to delete.
trap 'rm -rf --one-file-system "$machine"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cp -a "$pristine/." "$machine/"
cp /etc/resolv.conf "$machine/etc/resolv.conf"
if [ -n "${EXTRA_CA:-}" ]; then
  cp "$EXTRA_CA" "$machine/usr/local/share/ca-certificates/extra.crt"
  chroot "$machine" update-ca-certificates >/dev/null 2>&1
fi
git clone -q --no-local "$here" "$machine/srv/holdfast"
echo "fresh-machine: $run, at $(git -C "$here" rev-parse --short HEAD), on Debian $(cat "$machine/etc/debian_version")"

# Namespaces of its own: what is mounted goes with the last process, and so do the daemons of a lab that was left running.
started=$(date +%s)
status=0
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
  ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
  ${EXTRA_CA:+NODE_EXTRA_CA_CERTS=/usr/local/share/ca-certificates/extra.crt} \
  MACHINE="$machine" RUN="$run" \
  unshare --mount --pid --uts --ipc --fork --kill-child sh -eu -c '
    mount --make-rprivate /
    mount --bind "$MACHINE" "$MACHINE"
    mount -t proc proc "$MACHINE/proc"
    mount -t sysfs sysfs "$MACHINE/sys"
    mount --rbind /dev "$MACHINE/dev"
    mount -t tmpfs tmpfs "$MACHINE/tmp"
    mount -t tmpfs tmpfs "$MACHINE/run"
    # pivot_root, not chroot: below a chroot the kernel refuses the mounts of a network namespace, and user namespaces.
    cd "$MACHINE"
    mkdir -p mnt/host
    pivot_root . mnt/host
    umount -l /mnt/host
    cd /srv/holdfast
    exec $RUN
  ' || status=$?
echo "fresh-machine: $run ended with exit code $status after $(($(date +%s) - started)) s"
exit "$status"
