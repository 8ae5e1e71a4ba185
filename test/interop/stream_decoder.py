"""Reads messages of a stream, written from docs/stream-wire-format.md alone. Standard library only.

Takes a file with one message in hex a line; prints a JSON list of what is in them, with the elements of arrays as text,
so that 64-bit integers stay exact.
"""
import json
import math
import struct
import sys

LETTERS = {
    "bool": "?", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}


def decode(message):
    magic, version, length = struct.unpack_from("<3sBI", message)
    if magic != b"SLW" or version != 1:
        raise ValueError("not a message of version 1")
    if length > 2**20 or 8 + length > len(message) or length % 8:
        raise ValueError("the header is too long")
    header = json.loads(message[8 : 8 + length].decode("utf-8"))
    payload = message[8 + length :]
    if header["type"] != "item":
        if payload:
            raise ValueError("a payload that nobody announced")
        return header
    kind = header["value"]
    if kind == "array":
        count = math.prod(header["shape"])
        order = {"little": "<", "big": ">"}[header["byteOrder"]]
        layout = f"{order}{count}{LETTERS[header['dtype']]}"
        if struct.calcsize(layout) != len(payload):
            raise ValueError("the payload has another length than the shape")
        header["data"] = [repr(element) for element in struct.unpack(layout, payload)]
    elif kind == "bytes":
        header["data"] = payload.hex()
    else:
        text = payload.decode("utf-8")
        header["data"] = json.loads(text) if kind == "json" else text
    return header


with open(sys.argv[1], encoding="ascii") as lines:
    print(json.dumps([decode(bytes.fromhex(line)) for line in lines if line.strip()]))
