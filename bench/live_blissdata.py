"""The same as the readers and the writer of live-redis.mjs and live-frames.mjs, with blissdata's own client.

`write URL BYTES COUNT PER_SECOND`: makes a scan, prints the key of the scan, and writes when a line comes. PER_SECOND 0 is
as fast as it takes them. `read URL KEY READERS BYTES COUNT`: follows with a cursor in a thread each, and prints "ready" once
all are there. Both print when they ended, by the monotonic clock, which is that of all processes.
"""

import json
import sys
import threading
import time

import numpy as np
from blissdata.redis_engine.store import DataStore
from blissdata.streams.default import Stream

command, url, *rest = sys.argv[1:]
store = DataStore(url + "?protocol=2", init_db=command == "init")

if command == "write":
    size, count, per_second = map(int, rest)
    scan = store.create_scan({"name": "bench", "number": 1, "data_policy": "none"})
    stream = scan.create_stream(Stream.make_definition("events", dtype="uint8", shape=(size,)))
    scan.prepare()
    scan.start()
    print(json.dumps(scan.key), flush=True)
    sys.stdin.readline()
    payload = np.full(size, 7, dtype="uint8")
    start = time.monotonic_ns()
    for index in range(count):
        due = start + index * 1_000_000_000 // per_second if per_second else 0
        while (left := due - time.monotonic_ns()) >= 1_000_000:
            time.sleep(left / 1e9)
        payload = payload.copy()
        payload[:8] = np.frombuffer(np.uint64(time.monotonic_ns()).tobytes(), dtype="uint8")
        stream.send(payload)
    stream.seal()
    written = time.monotonic_ns()
    scan.stop()
    scan.close()
    print(json.dumps({"start": str(start), "written": str(written)}), flush=True)
elif command == "read":
    key, readers, size, count = rest[0], *map(int, rest[1:])
    took = []
    ready = threading.Barrier(readers + 1)

    def follow():
        cursor = store.load_scan(key).streams["events"].cursor()
        ready.wait()
        seen = 0
        while seen < count:
            data = cursor.read().get_data()
            now = time.monotonic_ns()
            sent = np.ascontiguousarray(data[:, :8]).view("uint64")[:, 0]
            took.extend((now - sent) / 1e6)
            seen += len(data)

    threads = [threading.Thread(target=follow) for _ in range(readers)]
    for thread in threads:
        thread.start()
    ready.wait()
    print(json.dumps("ready"), flush=True)
    for thread in threads:
        thread.join()
    p50, p99 = np.percentile(took, [50, 99])
    print(json.dumps({"end": str(time.monotonic_ns()), "p50": p50, "p99": p99}), flush=True)
