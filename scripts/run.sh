#!/bin/sh
# Runs the fairlead command from source: run.sh node|bun [ARGS...]
#
# Sets up first, then *becomes* the command (exec): no process stays in between, so signals, the exit code and
# the process id are the command's own, stdout carries nothing else, and there is nothing to leave behind.
set -eu
cd "$(dirname "$0")/.."

runtime=$1
shift

node scripts/setup.mjs

# Bun's binary needs a newer kernel or CPU than some machines have. Only the demo may run on the other runtime:
# who asks for Bun by name wants Bun.
if [ "$runtime" = bun ] && [ "${1-}" = demo ] && ! node_modules/.bin/bun --version >/dev/null 2>&1; then
  echo 'fairlead: Bun does not run on this machine, using Node instead' >&2
  runtime=node
fi

exec "node_modules/.bin/$runtime" src/cli/main.ts "$@"
