"""Packs a RecordIO folder by MXNet's published layout (dmlc-core src/recordio.cc and
python/mxnet/recordio.py) and InsightFace's order of records: images from key 1, a record for each
person, and at key 0 the range of those.

usage: pack.py FOLDER < {"property": str, "header": bool, "images": [[[label, ...], path], ...]}
"""

import json
import os
import struct
import sys

MAGIC = struct.pack("<I", 0xCED7230A)


def header(labels, key):
    if len(labels) == 1:
        return struct.pack("<IfQQ", 0, labels[0], key, 0)
    return struct.pack("<IfQQ", len(labels), 0, key, 0) + struct.pack(f"<{len(labels)}f", *labels)


class Writer:
    def __init__(self, folder):
        self.rec = open(os.path.join(folder, "train.rec"), "wb")
        self.idx = open(os.path.join(folder, "train.idx"), "w")

    def write(self, key, payload):
        self.idx.write(f"{key}\t{self.rec.tell()}\n")
        start, parts = 0, []
        for at in range(0, len(payload) // 4 * 4, 4):
            if payload[at : at + 4] == MAGIC:
                parts.append(payload[start:at])
                start = at + 4
        parts.append(payload[start:])
        for number, part in enumerate(parts):
            first, last = number == 0, number == len(parts) - 1
            which = {(True, True): 0, (True, False): 1, (False, False): 2, (False, True): 3}
            word = which[first, last] << 29 | len(part)
            self.rec.write(MAGIC + struct.pack("<I", word) + part)
        self.rec.write(bytes(-len(payload) % 4))


spec = json.load(sys.stdin)
writer = Writer(sys.argv[1])
ranges = {}
for key, (labels, path) in enumerate(spec["images"], start=1 if spec["header"] else 0):
    with open(path, "rb") as image:
        writer.write(key, header(labels, key) + image.read())
    begin, _ = ranges.get(labels[0], (key, key))
    ranges[labels[0]] = (begin, key + 1)
if spec["header"]:
    first = key + 1
    for key, bounds in enumerate(ranges.values(), start=first):
        writer.write(key, header(bounds, key))
    # InsightFace writes it last: it knows the range only now.
    writer.write(0, header([first, key + 1], 0))
with open(os.path.join(sys.argv[1], "property"), "w") as file:
    file.write(spec["property"])
