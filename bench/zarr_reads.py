"""Reads parts of Zarr arrays when told to: one line `reader array selection` in, one line of milliseconds out."""
import json
import sys
import time

import tensorstore
import zarr

root = sys.argv[1]
one = {"limit": 1}
context = tensorstore.Context(
    {"data_copy_concurrency": one, "file_io_concurrency": one, "cache_pool": {"total_bytes_limit": 0}}
)
arrays = {}


def open_array(reader, name):
    if reader == "zarr-python":
        return zarr.open_array(f"{root}/{name}", mode="r")
    kvstore = {"driver": "file", "path": f"{root}/{name}/"}
    return tensorstore.open({"driver": "zarr3", "kvstore": kvstore}, context=context, read=True).result()


print("ready", flush=True)
for line in sys.stdin:
    reader, name, selection = json.loads(line)
    array = arrays.get((reader, name))
    if array is None:
        array = arrays[reader, name] = open_array(reader, name)
    key = tuple(part if isinstance(part, int) else slice(*part) for part in selection)
    start = time.perf_counter()
    if reader == "zarr-python":
        array[key]
    else:
        array[key].read().result()
    print((time.perf_counter() - start) * 1000, flush=True)
