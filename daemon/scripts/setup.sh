#!/usr/bin/env bash
# Everything a fresh Debian 12 machine with Node 20 and npm needs: Debian packages, npm packages, the native
# part of node-pty, and the bundles in dist/. Idempotent; says what it does.
#   setup.sh [--with-tests]   also what the tests and benchmarks use
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain"; }
packages=(python3 make g++ util-linux libcap2-bin iproute2 ca-certificates git
  libtss2-tctildr0 libtss2-tcti-device0 libtss2-rc0)
[ "${1:-}" = --with-tests ] && packages+=(bubblewrap gcc libc6-dev tmux netcat-openbsd curl openssl procps socat ripgrep
  nats-server strace swtpm swtpm-tools tpm2-tools libtss2-tcti-swtpm0 golang-go golang-golang-x-mod-dev)
missing=()
for p in "${packages[@]}"; do dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p"); done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || { echo "cordon: these Debian packages are missing: ${missing[*]}; install them, or run this as root" >&2; exit 1; }
  say "installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
stamp=node_modules/.cordon-installed
if ! [ -f "$stamp" ] || ! cmp -s package-lock.json "$stamp"; then
  say "installing npm packages"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  say "building node-pty against Node 24's headers"
  arch=$([ "$(uname -m)" = aarch64 ] && echo arm64 || echo x64)
  headers="$root/node_modules/node-linux-$arch"
  gyp=$(dirname "$(command -v npm)")/../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js
  [ -f "$gyp" ] || gyp=$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js
  (cd node_modules/node-pty && env -u npm_config_nodedir "$headers/bin/node" "$gyp" rebuild --nodedir="$headers" --loglevel=error >"$root/node_modules/.node-pty-build.log" 2>&1) ||
    { cat "$root/node_modules/.node-pty-build.log" >&2; exit 1; }
  say "preparing tap"
  bash daemon/scripts/node24.sh node_modules/.bin/tap build >/dev/null 2>&1
  cp package-lock.json "$stamp"
fi
say "bundling into dist/"
bash daemon/scripts/node24.sh daemon/scripts/build.ts
