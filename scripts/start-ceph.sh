#!/bin/bash
# Starts a throwaway Ceph object gateway (S3) on loopback: one monitor, one OSD in memory, one radosgw, no systemd, no
# state outside DIR. Needs root and the packages ceph-mon, ceph-osd, radosgw and ceph-common. Prints the endpoint.
#
#   scripts/start-ceph.sh DIR [PORT]      scripts/stop-ceph.sh DIR
#
# It holds 2 GiB, or SLUICE_CEPH_BYTES.
set -euo pipefail
dir=${1:?usage: start-ceph.sh DIR [PORT]}
port=${2:-7480}

for program in ceph-mon ceph-osd radosgw radosgw-admin ceph curl; do
  command -v "$program" >/dev/null || {
    echo "start-ceph: no $program; apt-get install ceph-mon ceph-osd radosgw ceph-common" >&2
    exit 1
  }
done
if [ -e "$dir" ] && [ ! -e "$dir/ceph.conf" ] && [ -n "$(ls -A "$dir")" ]; then
  echo "start-ceph: $dir is not empty and holds no earlier run" >&2
  exit 1
fi
rm -rf "$dir"
mkdir -p "$dir"/{mon,osd,rgw,log,run}
dir=$(cd "$dir" && pwd)
trap 'code=$?; if [ "$code" -ne 0 ]; then echo "start-ceph: failed; logs are in $dir/log" >&2; "$(dirname "$0")/stop-ceph.sh" "$dir"; fi' EXIT

export CEPH_CONF="$dir/ceph.conf"
fsid=$(cat /proc/sys/kernel/random/uuid)
monitors="[v2:127.0.0.1:$((port + 2)),v1:127.0.0.1:$((port + 3))]"
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = $monitors
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 0
mon data avail warn = 1
# Without these two, every change of a map waits for a second: 14 s to start instead of 2.
paxos propose interval = 0.05
paxos min wait = 0.01
run dir = $dir/run
pid file = $dir/run/\$name.pid
admin socket = $dir/run/\$name.asok
log file = $dir/log/\$name.log
crash dir = $dir/log
keyring = $dir/keyring
osd objectstore = memstore
memstore device bytes = ${SLUICE_CEPH_BYTES:-2147483648}
[mon]
mon data = $dir/mon
[osd]
osd data = $dir/osd
[client.rgw]
# Without authentication there are no keys, and the gateway's own default (secure) would wait for them for ever.
ms mon client mode = crc
ms mon service mode = crc
ms mon cluster mode = crc
# Without tcp_nodelay, every answer with a small body waits 40 ms for an acknowledgement.
rgw frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw data = $dir/rgw
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
rgw run sync thread = false
rgw gc processor period = 30
rgw gc obj min wait = 30
CONF

# Answers when the command does, or gives up after 20 s.
await() {
  for _ in $(seq 200); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "start-ceph: no answer from: $*" >&2
  return 1
}
osd_is_up() { timeout 5 ceph osd stat | grep -q "1 up"; }

ceph-authtool "$dir/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
monmaptool --create --addv a "$monitors" --fsid "$fsid" "$dir/monmap" >/dev/null
ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
ceph-mon -i a
await timeout 5 ceph -s
osd=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$osd" >/dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$osd" >>"$dir/log/osd.out" 2>&1
# Below root=default, or the placement rule finds no disk and nothing ever becomes active.
ceph osd crush add osd.0 1.0 root=default host="$(hostname -s)" >>"$dir/log/osd.out" 2>&1
ceph-osd -i 0 >>"$dir/log/osd.out" 2>&1
await osd_is_up
radosgw-admin user create --uid=test --display-name=test --access-key=testing --secret-key=testing123 \
  -n client.rgw >"$dir/log/user.json" 2>"$dir/log/user.err"
radosgw -n client.rgw 2>>"$dir/log/rgw.err"
await curl -s -o /dev/null "http://127.0.0.1:$port/"
echo "http://127.0.0.1:$port"
