"""Which infos blissdata's own schema takes. Reads a list of infos, prints a list of verdicts."""

import json
import sys

import numpy
from blissdata.schemas import scan_info
from pydantic import ConfigDict, TypeAdapter, ValidationError

# One member is an array of NumPy, which is a list in JSON.
scan_info.DeviceDict.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
adapter = TypeAdapter(scan_info.ScanInfoDict)


def with_arrays(info):
    devices = info.get("devices")
    for device in devices.values() if isinstance(devices, dict) else []:
        if isinstance(device, dict) and isinstance(device.get("xaxis_array"), list):
            device["xaxis_array"] = numpy.array(device["xaxis_array"], dtype=object)
    return info


def verdict(info):
    try:
        adapter.validate_python(with_arrays(info), strict=True)
        return True
    except ValidationError:
        return False


with open(sys.argv[1]) as file:
    print(json.dumps([verdict(info) for info in json.load(file)]))
