"""PolyStore's side: reads what lies in ROOT/ours as its request says, writes into ROOT/theirs, and prints what it saw.

Usage: with_polystore.py ROOT. ROOT/request.json has the plates of ours; theirs.json on stdout describes what is new.
"""

import hashlib
import json
import logging
import pathlib
import sys
import warnings

import numpy as np
from polystore.config import ZarrChunkStrategy, ZarrCompressor, ZarrConfig
from polystore.disk import DiskStorageBackend
from polystore.filemanager import FileManager
from polystore.metadata_writer import AtomicMetadataWriter
from polystore.ome_zarr_storage import OmeZarrArrayRef, OmeZarrStorageBackend
from polystore.roi import ROI, EllipseShape, PointShape, PolygonShape, PolylineShape
from polystore.virtual_workspace import VirtualWorkspaceBackend
from polystore.zarr import ZarrStorageBackend
from polystore.zarr_batch import ZarrBatchAxis, ZarrBatchAxisRole, ZarrBatchLayout

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
root = pathlib.Path(sys.argv[1])
ours, theirs = root / "ours", root / "theirs"
request = json.loads((root / "request.json").read_text())
files = FileManager({"disk": DiskStorageBackend(), "zarr": ZarrStorageBackend(), "ome_zarr": OmeZarrStorageBackend()})


def ramp(shape, dtype):
    """As `ramp` of test/support/arrays.ts."""
    values = np.arange(np.prod(shape)) * 37 % 251
    return ((values - 100) / 8 if np.dtype(dtype).kind == "f" else values).astype(dtype).reshape(shape)


def seen(value):
    if not isinstance(value, np.ndarray):
        return value
    little = np.ascontiguousarray(value.astype(value.dtype.newbyteorder("<")))
    return {"dtype": str(value.dtype), "shape": list(value.shape), "sha": hashlib.sha256(little.tobytes()).hexdigest()}


def read_disk():
    names = [pathlib.Path(path).name for path in files.list_files(ours / "disk", "disk")]
    return {name: seen(files.load(ours / "disk" / name, "disk")) for name in names}


def write_disk():
    folder = theirs / "disk"
    folder.mkdir(parents=True)
    for dtype in ["uint8", "uint16", "int32", "float32", "float64"]:
        files.save(ramp((3, 4), dtype), folder / f"{dtype}.npy", "disk")
        files.save(ramp((2, 3, 4), dtype), folder / f"{dtype}.tif", "disk")
    files.save(ramp((3, 4), "float16"), folder / "float16.npy", "disk")
    files.save(ramp((3, 4), "uint16"), folder / "image.png", "disk")
    files.save({"wells": 384, "rows": ["A", "B"], "µ": None}, folder / "plate.json", "disk")
    files.save([{"well": "A01", "dose, nM": 1.5}, {"well": "A02", "dose, nM": 3}], folder / "table.csv", "disk")
    files.save("zwei\nLinien µ\n", folder / "note.txt", "disk")
    corners = np.array([[2.5, 1.5], [2.5, 8.25], [7.0, 8.25]])
    shapes = [PolygonShape(corners), PolylineShape(corners), PointShape(3.5, 4.25), EllipseShape(10, 20, 3, 5)]
    files.save([ROI([shape], {"area": 12.5}) for shape in shapes], folder / "regions.roi.zip", "disk")


def layout(fields, channels):
    field = ZarrBatchAxis("field", tuple(str(i + 1) for i in range(fields)), ZarrBatchAxisRole.HCS_IMAGE)
    channel = ZarrBatchAxis("c", tuple(f"w{i + 1}" for i in range(channels)))
    return ZarrBatchLayout((field, channel), tuple((i, j) for i in range(fields) for j in range(channels)))


def write_plates():
    made = {}
    for strategy in ZarrChunkStrategy:
        for compressor in ZarrCompressor:
            backend = ZarrStorageBackend(ZarrConfig(compressor, 3, strategy))
            plate = theirs / f"{strategy.value}-{compressor.value}"
            for row, column in [("A", "01"), ("AA", "02"), ("R01", "C02")]:
                items = [(f, c) for f in (1, 2) for c in (1, 2)]
                paths = [plate / f"{row}{column}_s{f}_w{c}.tif" for f, c in items]
                images = [ramp((16, 20), "uint16") + 10 * f + c for f, c in items]
                well = {"chunk_name": row + column, "row": row, "col": column}
                backend.save_batch(images, paths, batch_layout=layout(2, 2), **well)
            made[plate.name] = {
                pathlib.Path(path).name: seen(backend.load(path)) for path in backend.list_files(plate)
            }
    return made


def read_plates():
    """Arrays of plates by their place, and images of those by name whose wells say their names as PolyStore does."""
    read = {}
    for place in request["arrays"]:
        address = OmeZarrArrayRef(ours / place["store"], place["array"]).to_backend_address()
        read[f"{place['store']}/{place['array']}"] = seen(files.load(address, "ome_zarr"))
    for plate in request["plates"]:
        # It answers with the paths as they were saved, which here are relative.
        paths = [ours / plate / path for path in files.list_files(ours / plate, "zarr")]
        images = files.load_batch(paths, "zarr")
        read[plate] = {path.name: seen(image) for path, image in zip(paths, images, strict=True)}
    for path in request["flat"]:
        read[path] = seen(files.load(ours / path, "zarr"))
    return read


def metadata():
    writer = AtomicMetadataWriter()
    updates = {"images": {"available_backends": {"zarr": True}, "main": False}}
    for name in ["ours", "theirs"]:
        writer.merge_subdirectory_metadata(root / name / "polystore_metadata.json", updates)


def workspace():
    folder = theirs / "workspace"
    folder.mkdir()
    files.save(ramp((3, 4, 5), "uint16"), folder / "stack.npy", "disk")
    ref = {"backend": "disk", "backend_address": "stack.npy"}
    mapping = {f"A01/z{i}.npy": {**ref, "source_axis_indices": [i]} for i in range(3)}
    mapping["A01/all.npy"] = {**ref, "source_axis_indices": []}
    described = {"subdirectories": {".": {"workspace_mapping": mapping, "available_backends": {"disk": True}}}}
    (folder / "polystore_metadata.json").write_text(json.dumps(described))
    read = {}
    for name in ["ours", "theirs"]:
        opened = FileManager({"disk": DiskStorageBackend(), "work": VirtualWorkspaceBackend(root / name / "workspace")})
        paths = opened.list_files("A01", "work")
        found = [str(pathlib.Path(path).relative_to(root / name / "workspace")) for path in paths]
        read[name] = {path: seen(image) for path, image in zip(found, opened.load_batch(paths, "work"), strict=True)}
    return read


write_disk()
flat = theirs / "flat" / "A01.tif"
files.save(ramp((3, 4), "uint16"), flat, "zarr")
files.save({"gain": 1.5}, theirs / "flat" / "settings.json", "zarr")
report = {"disk": read_disk(), "plates": write_plates(), "read": read_plates(), "workspace": workspace()}
metadata()
print(json.dumps(report))
