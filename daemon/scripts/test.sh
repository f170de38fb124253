#!/usr/bin/env bash
# Installs what the tests need, checks types, lint and format, builds, and runs every test.
# Ends with a line: N passed, N failed, N skipped
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# A sandbox has a /tmp, /var/tmp and /run of its own: a checkout there is given another place for the tests, in a mount
# namespace of their own.
case "$PWD/" in
  /tmp/* | /var/tmp/* | /run/*)
    if [ "$(id -u)" = 0 ]; then
      mkdir -p /opt/cordon-checkout
      exec unshare -m --propagation private bash -c \
        'mount --bind "$1" /opt/cordon-checkout && cd /opt/cordon-checkout && shift && exec bash daemon/scripts/test.sh "$@"' -- "$PWD" "$@"
    fi
    ;;
esac
bash daemon/scripts/setup.sh --with-tests || exit 1
node24() { bash daemon/scripts/node24.sh "$@"; }
if [ -d test/e2e/agents ] && ! cmp -s test/e2e/agents/package-lock.json test/e2e/agents/node_modules/.cordon-installed; then
  echo "==> installing the real agents that test/e2e drives"
  (cd test/e2e/agents && npm ci --no-audit --no-fund --loglevel=error) && cp test/e2e/agents/package-lock.json test/e2e/agents/node_modules/.cordon-installed || exit 1
fi
checks=0
echo "==> types";  node24 node_modules/typescript/bin/tsc -p tsconfig.json || checks=1
echo "==> lint";   node24 node_modules/eslint/bin/eslint.js -c .config/eslint.config.js . || checks=1
echo "==> format"; node24 node_modules/prettier/bin/prettier.cjs --config .config/prettier.json --check --log-level warn daemon native-bindings test profiles .config || checks=1
echo "==> tests"
log=$(mktemp)
node24 node_modules/.bin/tap --reporter=tap "$@" | tee "$log" | node24 daemon/scripts/tap-summary.ts
status=${PIPESTATUS[0]}
rm -f "$log"
[ "$checks" = 0 ] || { echo "types, lint or format failed (see above)"; exit 1; }
exit "$status"
