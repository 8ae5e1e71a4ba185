#!/usr/bin/env bash
# Runs the conformance checks of buckets against a second service, moto, in the Python environment that
# scripts/python-venv.sh makes. Needs a package index the first time.
#
#   scripts/second-s3.sh [PORT]
set -euo pipefail
cd "$(dirname "$0")/.."
port=${1:-7595}
moto="moto[s3,server]==5.2.1"

if ! .venv/bin/pip show --quiet moto 2>/dev/null; then
  .venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: "$moto"
fi
log=$(mktemp)
.venv/bin/python -m moto.server -p "$port" >"$log" 2>&1 &
server=$!
trap 'kill "$server"; rm -f "$log"' EXIT
for _ in $(seq 100); do
  if curl -s -o /dev/null "http://127.0.0.1:$port/"; then break; fi
  if ! kill -0 "$server" 2>/dev/null; then
    echo "second-s3: moto did not start" >&2
    cat "$log" >&2
    exit 1
  fi
  sleep 0.2
done
export SLUICE_TEST_S3="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing123
npx vitest run test/conformance/s3.test.ts
