"""Scans through blissdata's own DataStore, on a server with RedisJSON and RediSearch.

`read URL KEY` tells what a client sees of a scan; `follow URL` waits for the next scan and follows it to its end;
`write URL` makes a scan; `delete URL KEY` deletes one.
"""

import json
import sys

import numpy as np
from blissdata.exceptions import EndOfStream, ScanNotFoundError
from blissdata.redis_engine.scan import ScanState
from blissdata.redis_engine.store import DataStore
from blissdata.streams import CursorGroup
from blissdata.streams.default import Stream

command, url, *rest = sys.argv[1:]
# Its searches expect replies of the second version of the protocol.
store = DataStore(url + "?protocol=2", init_db=command == "init")


def told(scan):
    return {
        "key": scan.key,
        "state": scan.state.name,
        "name": scan.name,
        "number": scan.number,
        "session": scan.session,
        "info": scan.info,
        "streams": sorted(scan.streams),
    }


if command == "init":
    answer = "ready"
elif command == "read":
    (key,) = rest
    scan = store.load_scan(key)
    values = {name: stream[:] for name, stream in scan.streams.items() if type(stream).__name__ == "Stream"}
    answer = told(scan) | {
        "values": {name: list(map(float, v)) if isinstance(v, np.ndarray) else v for name, v in values.items()},
        "broken": sorted(name for name, stream in scan.streams.items() if "Broken" in str(type(stream).__mro__)),
        "found": store.search_existing_scans(name=scan.name, number=scan.number)[1],
        "prefix": store.search_existing_scans(name=scan.name[:2] + "*")[1],
        "states": {k: s.name for k, s in store.get_scans_state([key]).items()},
        "last": store.get_last_scan()[1],
    }
elif command == "follow":
    print(json.dumps("waiting"), flush=True)
    _, key = store.get_next_scan(since="0-0")
    scan = store.load_scan(key)
    while scan.state < ScanState.PREPARED:
        scan.update()
    # It reads the document before the state: a scan that was prepared in between has no streams yet.
    scan = store.load_scan(key)
    cursors = CursorGroup([stream for stream in scan.streams.values()])
    values = {name: [] for name in scan.streams}
    try:
        while True:
            for stream, view in cursors.read().items():
                data = view.get_data()
                values[stream.name] += data.tolist() if isinstance(data, np.ndarray) else data
    except EndOfStream:
        pass
    while scan.state < ScanState.CLOSED:
        scan.update()
    answer = told(scan) | {"values": values}
elif command == "write":
    scan = store.create_scan({"name": "theirs", "number": 9, "data_policy": "none"})
    stream = scan.create_stream(Stream.make_definition("ramp", dtype="float64"))
    scan.prepare()
    scan.start()
    stream.send(np.arange(5.0))
    scan.stop()
    scan.close()
    answer = {"key": stream.key}
else:
    (key,) = rest
    store.delete_scan(key, force=True)
    try:
        store.load_scan(key)
        answer = "there"
    except ScanNotFoundError:
        answer = "deleted"
print(json.dumps(answer))
