#!/bin/bash
# Starts a throwaway PostgreSQL on 127.0.0.1, with all its state in DIR. Where root starts it, it runs as the user
# "postgres" (SLUICE_POSTGRES_USER), since it refuses root. Needs Debian's package postgresql, or its programs on the PATH.
# Prints a URL. DIR of an earlier run is started again as it was.
#
#   scripts/start-postgres.sh DIR [PORT]      scripts/stop-postgres.sh DIR
#
# Whoever connects gives a password, as anywhere else: SLUICE_POSTGRES_PASSWORD, or "testing".
set -euo pipefail
dir=${1:?usage: start-postgres.sh DIR [PORT]}
port=${2:-7432}
password=${SLUICE_POSTGRES_PASSWORD:-testing}

# Debian keeps the programs of the server off the PATH, a folder for each version.
programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ -z "$programs" ] && command -v initdb >/dev/null; then
  programs=$(dirname "$(readlink -f "$(command -v initdb)")")
fi
if [ -z "$programs" ]; then
  echo "start-postgres: no PostgreSQL; apt-get install postgresql" >&2
  exit 1
fi
if [ -e "$dir" ] && [ ! -e "$dir/data/PG_VERSION" ] && [ -n "$(ls -A "$dir")" ]; then
  echo "start-postgres: $dir is not empty and holds no earlier run" >&2
  exit 1
fi
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
as_owner=()
if [ "$(id -u)" -eq 0 ]; then
  user=${SLUICE_POSTGRES_USER:-postgres}
  chown "$user" "$dir"
  as_owner=(setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups --)
fi
cd "$dir"

if [ ! -e data/PG_VERSION ]; then
  printf '%s' "$password" >"$dir/password"
  [ "${#as_owner[@]}" -eq 0 ] || chown "$user" "$dir/password"
  "${as_owner[@]}" "$programs/initdb" --pgdata="$dir/data" --username=sluice --pwfile="$dir/password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1 || {
    cat "$dir/initdb.log" >&2
    exit 1
  }
  rm "$dir/password"
fi
options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=60"
"${as_owner[@]}" "$programs/pg_ctl" start --wait --timeout=60 --silent --pgdata="$dir/data" \
  --log="$dir/server.log" --options="$options" </dev/null >/dev/null 2>&1 || {
  cat "$dir/server.log" >&2
  exit 1
}
echo "postgres://sluice:$password@127.0.0.1:$port/postgres"
