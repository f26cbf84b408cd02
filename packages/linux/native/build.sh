#!/bin/sh
# Builds the addon with the C compiler alone, from the Node headers inside the pinned npm package `node`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)

headers=
for candidate in "${NODE_HEADERS:-}" "$root"/node_modules/node/node_modules/node-*/include/node \
  "$root"/node_modules/node-*/include/node "$root"/node_modules/node-bin-*/include/node; do
  if [ -n "$candidate" ] && [ -f "$candidate/node_api.h" ]; then
    headers=$candidate
    break
  fi
done
if [ -z "$headers" ]; then
  echo "build.sh: no node_api.h under $root/node_modules; run npm ci, or set NODE_HEADERS to a directory that has it" >&2
  exit 1
fi

mkdir -p "$here/../build"
target=$here/../build/holdfast.node
"${CC:-gcc}" -std=gnu17 -O2 -g -fPIC -shared -fvisibility=hidden -Wall -Wextra -Werror \
  -I "$headers" -o "$target.new" "$here"/*.c
mv "$target.new" "$target"
