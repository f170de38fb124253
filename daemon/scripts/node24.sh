#!/usr/bin/env bash
# Runs a command under the Node 24 that Cordon ships with (npm package node-linux-<arch>).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
case "$(uname -m)" in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) echo "cordon: no Node 24 package for $(uname -m); Cordon runs on x86_64 and aarch64" >&2; exit 1 ;;
esac
node="$root/node_modules/node-linux-$arch/bin/node"
[ -x "$node" ] || { echo "cordon: $node is missing; run: npm run setup" >&2; exit 1; }
export PATH="$(dirname "$node"):$PATH"
exec "$node" "$@"
