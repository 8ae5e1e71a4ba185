#!/bin/bash
# Stops the server that start-postgres.sh started in DIR, and no other. Its data stays. MODE is that of pg_ctl: "fast",
# unless "immediate" is asked for, which is a crash.
set -u
dir=${1:?usage: stop-postgres.sh DIR [MODE]}
case ${2:-fast} in
fast) signal=INT ;;
immediate) signal=QUIT ;;
*)
  echo "stop-postgres: no mode ${2}" >&2
  exit 1
  ;;
esac
file="$dir/data/postmaster.pid"
[ -f "$file" ] || exit 0
pid=$(head -1 "$file")
kill -"$signal" "$pid" 2>/dev/null || exit 0
for _ in $(seq 100); do
  kill -0 "$pid" 2>/dev/null || exit 0
  sleep 0.1
done
kill -9 "$pid" 2>/dev/null
exit 0
