"""What PolyStore does where Sluice does something else: one line of JSON, by the names of the table in docs/seeds.md.

Usage: polystore_habits.py FOLDER, an empty one. A failure is answered as the name of its class.
"""

import json
import logging
import os
import pathlib
import shutil
import sys
import warnings

import numpy as np
from polystore.config import ZarrChunkStrategy, ZarrCompressor, ZarrConfig
from polystore.disk import DiskStorageBackend
from polystore.filemanager import FileManager
from polystore.memory import MemoryStorageBackend
from polystore.metadata_writer import AtomicMetadataWriter
from polystore.roi import ROI, MaskShape, PolygonShape
from polystore.utils import natural_sort
from polystore.virtual_workspace import VirtualWorkspaceBackend
from polystore.zarr import ZarrStorageBackend
from polystore.zarr_batch import ZarrBatchAxis, ZarrBatchAxisRole, ZarrBatchLayout

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
root = pathlib.Path(sys.argv[1])
disk, memory = DiskStorageBackend(), MemoryStorageBackend()
files = FileManager({"disk": disk, "memory": memory})
image = np.arange(20, dtype=np.uint16).reshape(4, 5)
plates = ZarrStorageBackend(ZarrConfig(ZarrCompressor.NONE, 1, ZarrChunkStrategy.FILE))


def attempt(run):
    try:
        return run()
    except Exception as error:  # What it is, is the answer.
        return type(error).__name__


def save_well(images, names, column="01"):
    values = tuple(str(i + 1) for i in range(len(images)))
    layout = ZarrBatchLayout((ZarrBatchAxis("c", values),), tuple((i,) for i in range(len(images))))
    well = {"chunk_name": "well", "batch_layout": layout, "row": "A", "col": column}
    plates.save_batch(images, [root / "plate" / name for name in names], **well)


def replaced():
    disk.save(image, root / "o.npy")
    disk.save(image + 1, root / "o.npy")
    memory.ensure_directory("m")
    others = [(memory, "m/o.npy"), (plates, root / "flat" / "o.npy")]
    for backend, path in others:
        backend.save(image, path)
    again = [attempt(lambda b=backend, p=path: b.save(image, p)) for backend, path in others]
    return [int(disk.load(root / "o.npy")[0, 0]), *again]


def text_as_tiff():
    disk.save("hello", root / "x.tif")
    return (root / "x.tif").read_text()


def npz():
    (root / "npz").mkdir()
    disk.save(image, root / "npz" / "q.npz")
    return os.listdir(root / "npz")


def not_a_number():
    disk.save({"a": float("nan")}, root / "n.json")
    return (root / "n.json").read_text()


def rows():
    disk.save([[1, 2], [3, 4]], root / "r.csv")
    return disk.load(root / "r.csv")


def links():
    (root / "links").mkdir()
    (root / "links" / "a.tif").write_text("")
    (root / "links" / "self").symlink_to(root / "links")
    return len(disk.list_files(root / "links", recursive=True))


def folder_not_there():
    workspace = open_workspace("empty", {".": {"a": ref("a")}})
    return [attempt(lambda: disk.list_files(root / "no")), workspace.list_files("no", "work")]


def no_extensions():
    memory.save(image, "m/b.npy")
    listed = [backend.list_files(folder, extensions=set()) for backend, folder in [(disk, root), (memory, "m")]]
    return [len(paths) > 0 for paths in listed]


def broken_link():
    (root / "broken").symlink_to("nothing")
    return attempt(lambda: disk.delete(root / "broken"))


def alias():
    memory.ensure_directory("m")
    memory.save(image, "m/a.npy")
    return memory.load("m/a.npy") is image


def nothing_in_memory():
    memory.save(None, "m/none")
    return memory.stat("m/none")["type"]


def into_itself():
    memory.ensure_directory("a/b")
    memory.move("a/b", "a/b/c")
    return [memory.exists("a/b"), memory.exists("a/b/c")]


def mixed():
    save_well([image.astype(np.uint8), np.full((4, 5), 300, np.uint16)], ["m1.tif", "m2.tif"])
    return int(plates.load(root / "plate" / "m2.tif")[0, 0])


def fewer():
    save_well([image, image + 1], ["A01_w1.tif", "A01_w2.tif"])
    save_well([image + 2], ["A01_w1.tif"])
    return attempt(lambda: plates.load(root / "plate" / "A01_w2.tif"))


def exists():
    save_well([image], ["A02_w1.tif"], "02")
    return [plates.exists(root / "plate" / "A02_w1.tif"), len(plates.list_files(root / "plate", "A02*"))]


def moved():
    shutil.copytree(root / "plate", root / "elsewhere")
    return str(plates.list_files(root / "elsewhere", "A02*")[0].relative_to(root))


def damaged_neighbour():
    """Of two planes in chunks of their own, the second is damaged and the first is wanted."""
    plates.config = ZarrConfig(ZarrCompressor.ZSTD, 1, ZarrChunkStrategy.FILE)
    save_well([image, image], ["A03_w1.tif", "A03_w2.tif"], "03")
    (root / "plate" / "A" / "03" / "0" / "0" / "1" / "0" / "0").write_bytes(b"?")
    return attempt(lambda: seen_sum(plates.load(root / "plate" / "A03_w1.tif")))


def seen_sum(array):
    return int(array.sum())


def pixel_size():
    attributes = json.loads((root / "plate" / "A" / "02" / "0" / ".zattrs").read_text())["multiscales"][0]
    scale = attributes["datasets"][0]["coordinateTransformations"][0]["scale"]
    return {"scale": scale, "units": [axis.get("unit") for axis in attributes["axes"]]}


def open_workspace(name, subdirectories):
    (root / name).mkdir()
    described = {"subdirectories": {key: {"workspace_mapping": value} for key, value in subdirectories.items()}}
    (root / name / "polystore_metadata.json").write_text(json.dumps(described))
    return FileManager({"disk": disk, "work": VirtualWorkspaceBackend(root / name)})


def ref(address, *axes):
    return {"backend": "disk", "backend_address": address, "source_axis_indices": list(axes)}


def rivals():
    opened = open_workspace("rivals", {".": {"a.npy": ref("s.npy", 0)}, "x": {"a.npy": ref("s.npy", 2)}})
    disk.save(np.arange(3), root / "rivals" / "s.npy")
    return int(opened.load("a.npy", "work"))


def outside():
    opened = open_workspace("inside", {".": {"a.npy": ref("../o.npy")}})
    return list(opened.load("a.npy", "work").shape)


def shared():
    opened = open_workspace("shared", {".": {"a.npy": ref("s.npy", 0), "b.npy": ref("s.npy")}})
    disk.save(np.arange(6).reshape(2, 3), root / "shared" / "s.npy")
    a, b = opened.load_batch(["a.npy", "b.npy"], "work")
    return bool(np.shares_memory(a, b))


def damaged_metadata():
    path = root / "damaged.json"
    path.write_text('{"subdirectories": {"x": {"main": true')
    AtomicMetadataWriter().merge_subdirectory_metadata(path, {"y": {"main": True}})
    return json.loads(path.read_text())


def mode():
    path = root / "mode.json"
    path.write_text("{}")
    path.chmod(0o664)
    AtomicMetadataWriter().merge_subdirectory_metadata(path, {"y": {"main": True}})
    return oct(path.stat().st_mode & 0o777)


def mask():
    region = ROI([MaskShape(np.ones((3, 3), bool), (0, 0, 3, 3))])
    return attempt(lambda: disk.save([region], root / "mask.roi.zip"))


def plain_regions():
    """An archive without PolyStore's own member in it, as ImageJ saves one."""
    import zipfile

    disk.save([ROI([PolygonShape(np.array([[0, 0], [0, 9], [9, 9]]))])], root / "own.roi.zip")
    with zipfile.ZipFile(root / "own.roi.zip") as own, zipfile.ZipFile(root / "plain.roi.zip", "w") as plain:
        plain.writestr("0001.roi", own.read("0001.roi"))
    return attempt(lambda: len(disk.load(root / "plain.roi.zip")))


def hidden():
    (root / "mac").mkdir()
    for name in ["a.tif", "._a.tif"]:
        (root / "mac" / name).write_text("")
    return files.list_files(root / "mac", "disk") == [str(root / "mac" / "a.tif")]


def missing():
    manager = attempt(lambda: files.load(root / "no.npy", "disk"))
    return [attempt(lambda: disk.load(root / "no.npy")), attempt(lambda: memory.load("no.npy")), manager]


def size_of(path):
    return sorted(disk.stat(path))


habits = {
    "a save over a file": replaced,
    "a text under `.tif`": text_as_tiff,
    "an array under `.npz`": npz,
    "NaN in JSON": not_a_number,
    "rows without a header as CSV": rows,
    "a load of what is not there": missing,
    "a save below a folder that is not there": lambda: attempt(lambda: disk.save(image, root / "no" / "o.npy")),
    "a listing of a folder that is not there": folder_not_there,
    "a question about a file that is not there": lambda: attempt(lambda: disk.is_file(root / "no.npy")),
    "what `stat` says of a file": lambda: size_of(root / "o.npy"),
    "extensions without a dot": lambda: disk.list_files(root, extensions={"npy"}),
    "no extensions at all": no_extensions,
    "a link to its own folder, listed through": links,
    "a broken link, deleted": broken_link,
    "names like `._a.tif` in a listing": hidden,
    "a name with a digit that is no number": lambda: attempt(lambda: natural_sort(["²"])),
    "an array that is loaded from memory": alias,
    "nothing, saved in memory": nothing_in_memory,
    "a directory moved into itself": into_itself,
    "images of several types in a well": mixed,
    "a well saved again, with fewer images": fewer,
    "an image of a well, asked for by its path": exists,
    "a plate that was moved": moved,
    "one plane, beside a damaged one": damaged_neighbour,
    "the size of a pixel": pixel_size,
    "two mappings for one path": rivals,
    "an address outside of the plate": outside,
    "parts of one value in a batch": shared,
    "a merge into damaged metadata": damaged_metadata,
    "the mode of a metadata file": mode,
    "a mask as a region": mask,
    "an archive of regions from ImageJ": plain_regions,
}
print(json.dumps({name: attempt(run) for name, run in habits.items()}))
