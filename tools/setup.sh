#!/bin/sh
# Makes this machine ready: Debian packages, npm packages, the addon. Says nothing when all is there.
#   sh tools/setup.sh start    what the daemon and the lab need
#   sh tools/setup.sh test     that, and what the tests need
set -eu

# Each word is package:probe. A probe is a command, or a file pattern when it has a slash.
for_start="iproute2:ip nftables:nft libatomic1:/usr/lib/*/libatomic.so.1"
for_build="gcc:gcc libc6-dev:/usr/include/stdio.h"
for_test="tcpdump:tcpdump iputils-arping:arping iputils-ping:ping ndisc6:ndisc6 procps:ps util-linux:unshare keepalived:keepalived"
minimum_node=20

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
addon=packages/linux/build/holdfast.node
node=node_modules/node/bin/node
log=

# What went wrong, why, what to do: one line each.
die() {
  printf 'holdfast set-up: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

say() { printf 'set-up: %s\n' "$1" >&2; }

check_machine() {
  [ "$(uname -s)" = Linux ] || die "this is $(uname -s), not Linux" "holdfast works on the Linux kernel's interfaces; use a Debian 12 or 13 machine, real or virtual"
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) die "no pinned Node for the architecture $(uname -m)" "x86_64 and aarch64 are supported; use a machine of one of these" ;;
  esac
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    die "node or npm is missing" "both start the set-up; the daemon runs on the Node that set-up installs" "install them: sudo apt-get install nodejs npm   (Debian 13; on Debian 12 take Node $minimum_node or later from nodejs.org)"
  fi
}

# Only when npm has work to do: starting the machine's Node takes longer than all other checks.
check_node() {
  found=$(node --version 2>/dev/null) || die "the machine's node does not start" "$(node --version 2>&1 | head -n 1)" "reinstall it: sudo apt-get install --reinstall nodejs"
  major=${found#v}
  major=${major%%.*}
  [ "$major" -ge "$minimum_node" ] || die "Node $found is too old to start the set-up" "it needs Node $minimum_node or later" "install it from Debian 13 or nodejs.org, then run this again"
}

present() {
  case $1 in
    */*)
      for file in $1; do [ -e "$file" ] && return 0; done
      return 1
      ;;
    # Debian keeps administrators' commands out of other users' PATH.
    *) command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] ;;
  esac
}

# Debian packages. Nothing is asked of apt-get when every probe finds something.
install_debian_packages() {
  wanted=$for_start
  addon_is_current || wanted="$wanted $for_build"
  [ "$1" = start ] || wanted="$wanted $for_build $for_test"
  missing=
  for word in $wanted; do
    package=${word%%:*}
    case " $missing " in *" $package "*) continue ;; esac
    present "${word#*:}" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    die "missing:$missing (Debian's names)" "this machine has no apt-get, so set-up cannot install them" "install them with this system's own tool, then run this again"
  fi
  if [ "$(id -u)" -ne 0 ]; then
    die "missing Debian packages:$missing" "only root may install them" "run: sudo apt-get install --no-install-recommends$missing" "then run this again"
  fi
  say "installing Debian packages:$missing"
  forbid_services
  log=$(mktemp)
  # The package lists may be absent or old: ask for them only when the first try fails.
  # shellcheck disable=SC2086
  apt_get install $missing || { apt_get update && apt_get install $missing; } || apt_failed "$missing"
  allow_services
  rm -f "$log"
}

apt_get() {
  verb=$1
  shift
  DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -y -q -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
    --no-install-recommends "$verb" "$@" >>"$log" 2>&1 9<&-
}

apt_failed() {
  allow_services
  tail -n 20 "$log" >&2
  why=$(reason "$log")
  rm -f "$log"
  die "apt-get could not install:$1" "$why" "set right what it says above, or run it yourself: apt-get update && apt-get install --no-install-recommends$1"
}

# Packages must not start daemons on this machine. Debian's maintainer scripts ask /usr/sbin/policy-rc.d before they
# start anything, and 101 means no; an administrator's own policy is put aside meanwhile and comes back.
policy=/usr/sbin/policy-rc.d
policy_mark="# Written by holdfast's set-up for the time of one apt-get; safe to delete."

forbid_services() {
  if [ -e "$policy" ] && ! grep -qxF "$policy_mark" "$policy"; then mv "$policy" "$policy.before-holdfast"; fi
  trap allow_services EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
}

allow_services() {
  trap - EXIT INT TERM HUP
  rm -f "$policy"
  if [ -e "$policy.before-holdfast" ]; then mv "$policy.before-holdfast" "$policy"; fi
}

# What a log of npm or apt-get says, in words.
reason() {
  if grep -qE 'ENOSPC|[Nn]o space left|enough free space' "$1"; then
    echo "the disk is full: $(df -Ph "$root" | awk 'NR == 2 { print $4 " free on " $6 }')"
  elif grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|Temporary failure resolving|Could not (resolve|connect)|Cannot initiate the connection' "$1"; then
    echo "the network or the package server cannot be reached (a proxy? npm config get proxy; apt-config dump Acquire)"
  elif grep -qE 'EACCES|EPERM|EROFS|Permission denied|Read-only file system' "$1"; then
    echo "no right to write here: $root belongs to $(ls -ld "$root" | awk '{ print $3 }'), and this is $(id -un)"
  elif grep -qE 'CERT_|SELF_SIGNED|self-signed|certificate verification failed' "$1"; then
    echo "the package server's certificate is not trusted; with a certificate authority of your own: export NODE_EXTRA_CA_CERTS=FILE"
  elif grep -qE 'EINTEGRITY' "$1"; then
    echo "a package does not have the checksum of package-lock.json; do not go on before you know why"
  else
    echo "the last lines above say why"
  fi
}

# npm packages: exactly those of package-lock.json. The stamp holds what they were installed for.
install_npm_packages() {
  stamp=node_modules/.holdfast-set-up
  wanted="$(cksum <package-lock.json) $(uname -m)"
  if [ -x "$node" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return 0; fi
  check_node
  say "installing npm packages (about 300 MB with the pinned Node)"
  log=$(mktemp)
  # Node's binary comes by an install script. npm may be told not to run any, so what it left is looked at below.
  npm ci --include=dev --include=optional --no-audit --no-fund --loglevel=error >"$log" 2>&1 9<&- || npm_failed "npm ci"
  pinned=$(sed -n 's/^ *"node": "\([0-9.]*\)",*$/\1/p' package.json)
  if [ ! -x "$node" ]; then
    (cd node_modules/node && node installArchSpecificPackage.js) >"$log" 2>&1 9<&- || npm_failed "the install script of the npm package node"
  fi
  if ! found=$("$node" --version 2>"$log"); then npm_failed "the pinned Node"; fi
  [ "$found" = "v$pinned" ] || die "node_modules holds Node $found, package.json pins $pinned" "an interrupted installation, or another package wrote there" "run: rm -rf node_modules, then this again"
  printf '%s' "$wanted" >"$stamp"
  rm -f "$log"
}

npm_failed() {
  tail -n 20 "$log" >&2
  why=$(reason "$log")
  rm -f "$log"
  die "$1 failed" "$why" "set it right and run this again; nothing half-installed is used"
}

# The stamp of the addon is its own time: every file of native/ and the pinned Node must be older.
addon_is_current() {
  [ -f "$addon" ] && [ -f "$node" ] && [ -z "$(find packages/linux/native package-lock.json -newer "$addon" -print | head -n 1)" ]
}

build_addon() {
  addon_is_current && return 0
  say "building the addon"
  log=$(mktemp)
  if ! sh packages/linux/native/build.sh >"$log" 2>&1 9<&-; then
    tail -n 30 "$log" >&2
    why=$(reason "$log")
    rm -f "$log"
    die "the addon did not build" "$why" "gcc and libc6-dev must work, and node_modules must be whole: rm -rf node_modules, then run this again"
  fi
  rm -f "$log"
  [ -f "$addon" ] || die "packages/linux/native/build.sh made no $addon" "this is a fault of that script" "report it with the output of: sh packages/linux/native/build.sh"
}

# The daemon as one file a process. Without esbuild (an installation without development packages) it runs from the sources.
make_bundle() {
  manifest=build/bundle/manifest.json
  [ -f "$manifest" ] && [ -z "$(find packages tools/bundle.ts package-lock.json \( -name '*.ts' -o -name '*.json' -o -name holdfast.node \) -newer "$manifest" -print | head -n 1)" ] && return 0
  [ -d node_modules/esbuild ] || return 0
  "$node" tools/bundle.ts || return 0
}

# A warm compile cache makes every start of the daemon quick and small; without it only the first one is neither.
warm_cache() {
  stamp=build/compile-cache/warm
  [ -f "$stamp" ] && [ -z "$(find packages package-lock.json build/bundle -name '*.[tj]s' -newer "$stamp" -print | head -n 1)" ] && return 0
  "$node" packages/agent/warm.ts || return 0
  : >"$stamp"
}

case ${1:-} in
  start | test) ;;
  *)
    echo "usage: sh tools/setup.sh start|test" >&2
    exit 2
    ;;
esac
check_machine
# Two set-ups at once in one tree would delete each other's node_modules: the second waits, and then finds all done.
exec 9<package-lock.json
! command -v flock >/dev/null || flock 9
install_debian_packages "$1"
install_npm_packages
build_addon
make_bundle
warm_cache
