#!/bin/bash
# Stops the daemons that start-ceph.sh started in DIR, and no other. The gateway first: it hangs if what is below it goes.
set -u
dir=${1:?usage: stop-ceph.sh DIR}
for name in client.rgw osd.0 mon.a; do
  file="$dir/run/$name.pid"
  [ -f "$file" ] || continue
  pid=$(cat "$file")
  kill "$pid" 2>/dev/null || continue
  for _ in $(seq 50); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null
done
exit 0
