"""Does with a plate what it is told to: one line `what folder argument` in, one line of milliseconds out."""

import json
import logging
import pathlib
import sys
import time
import warnings

import tensorstore
import zarr
from polystore.disk import DiskStorageBackend
from polystore.filemanager import FileManager
from polystore.virtual_workspace import VirtualWorkspaceBackend
from polystore.zarr import ZarrStorageBackend

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
backends = {"disk": DiskStorageBackend(), "zarr": ZarrStorageBackend()}
files = FileManager(backends)
workspaces = {}
one = {"limit": 1}
single = tensorstore.Context({"data_copy_concurrency": one, "file_io_concurrency": one})
many = tensorstore.Context({})


def workspace(folder):
    if folder not in workspaces:
        workspaces[folder] = FileManager({**backends, "work": VirtualWorkspaceBackend(pathlib.Path(folder))})
    return workspaces[folder]


def listing(manager, folder, backend, options):
    extensions = set(options["extensions"]) if "extensions" in options else None
    return manager.list_files(
        folder, backend, options.get("pattern"), extensions=extensions, recursive=options.get("recursive", False)
    )


def tensorstores(folder, arrays, context):
    spec = {"driver": "zarr", "recheck_cached_data": False}
    opened = [
        tensorstore.open({**spec, "kvstore": {"driver": "file", "path": f"{folder}/{path}/"}}, context=context, read=True)
        for path in arrays
    ]
    return [read.result() for read in [array.result().read() for array in opened]]


def prepare(what, folder):
    if what in ["workspace", "list-workspace"]:
        workspace(folder)


def run(what, folder, argument):
    if what == "workspace":
        return workspace(folder).load_batch(argument, "work")
    if what == "open":
        return FileManager({**backends, "work": VirtualWorkspaceBackend(pathlib.Path(folder))})
    if what == "list":
        return listing(files, folder, "disk", argument)
    if what == "list-workspace":
        return listing(workspace(folder), argument.get("folder", ""), "work", argument)
    if what == "zarr":
        return files.load_batch([f"{folder}/{path}" for path in argument], "zarr")
    if what == "zarr-python":
        return [zarr.open_array(f"{folder}/{path}", mode="r")[:] for path in argument]
    return tensorstores(folder, argument, single if what == "tensorstore-one" else many)


for line in sys.stdin:
    told = json.loads(line)
    prepare(*told[:2])
    start = time.perf_counter()
    result = run(*told)
    print((time.perf_counter() - start) * 1000, flush=True)
    assert result is not None
