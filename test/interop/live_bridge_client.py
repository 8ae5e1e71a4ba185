"""Follows streams through a live bridge, written from docs/live-bridge.md alone; the WebSocket is that of aiohttp.

Takes the address of a bridge, a token, and names of streams of the newest scan; prints a JSON object with what came of
each stream. With `--decode` and a file of messages in hex, one a line, prints what is in them.
"""
import asyncio
import json
import struct
import sys

LETTERS = {
    "bool": "?", "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I",
    "int64": "q", "uint64": "Q", "float16": "e", "float32": "f", "float64": "d",
}


def elements(dtype, payload):
    size = struct.calcsize("<" + LETTERS[dtype])
    return list(struct.unpack(f"<{len(payload) // size}{LETTERS[dtype]}", payload))


def decode(message):
    magic, version, length = struct.unpack_from("<3sBI", message)
    if magic != b"SLW" or version != 1 or length % 8:
        raise ValueError("not a message of version 1")
    header = json.loads(message[8 : 8 + length].decode("utf-8"))
    payload = message[8 + length :]
    if header["type"] in ("scan", "stream"):
        header[header["type"]] = json.loads(payload.decode("utf-8"))
    elif header["type"] == "points" and header["value"] == "array":
        if header["byteOrder"] != "little":
            raise ValueError("points are little-endian")
        header["data"] = elements(header["dtype"], payload)
    elif header["type"] == "points" and header["value"] == "json":
        header["data"] = json.loads(payload.decode("utf-8"))
    elif payload:
        raise ValueError("a payload that nobody announced")
    return header


async def follow(url, token, names):
    import aiohttp

    found = {name: [] for name in names}
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as session:
        async with session.ws_connect(f"{url}/v1/socket", max_msg_size=0) as socket:
            await socket.send_json({"type": "hello", "version": 1})
            ids, received, open_streams = {}, {}, len(names)
            async for frame in socket:
                message = decode(frame.data)
                kind, number = message["type"], message.get("id")
                if number is not None:
                    received[number] = received.get(number, 0) + len(frame.data)
                    await socket.send_json({"type": "ack", "id": number, "bytes": received[number]})
                if kind == "hello":
                    await socket.send_json({"type": "scans", "id": 0, "since": "latest"})
                elif kind == "scan":
                    for i, name in enumerate(names, 1):
                        ids[i] = name
                        request = {"scan": message["scan"]["key"], "stream": name, "from": "start"}
                        await socket.send_json({"type": "stream", "id": i, **request})
                elif kind == "error":
                    raise RuntimeError(message["error"]["message"])
                elif kind == "points":
                    if message["value"] == "url":
                        async with session.get(f"{url}{message['url']}/{message['index']}?format=raw") as answer:
                            dtype = answer.headers["x-sluice-dtype"]
                            message["data"] = elements(dtype, await answer.read())
                    found[ids[number]] += message["data"]
                elif kind == "end":
                    open_streams -= 1
                    if open_streams == 0:
                        break
    return found


if sys.argv[1] == "--decode":
    with open(sys.argv[2], encoding="ascii") as lines:
        print(json.dumps([decode(bytes.fromhex(line)) for line in lines if line.strip()]))
else:
    print(json.dumps(asyncio.run(follow(sys.argv[1], sys.argv[2], sys.argv[3:]))))
