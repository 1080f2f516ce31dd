"""Pickles an evaluation set as InsightFace does: (list of images' bytes, list of bool).

usage: pack.py FILE < {"protocol": int, "images": [path], "same": any, "python2": bool, "odd": str}
"""

import json
import os
import pickle
import struct
import sys


class Malicious:
    def __reduce__(self):
        return os.system, (f"touch {sys.argv[1]}.executed",)


def python2(images, same):
    """What Python 2 writes: its strings are bytes, and every object gets a number."""
    out = b"\x80\x02]q\x01("
    for number, image in enumerate(images):
        out += b"T" + struct.pack("<i", len(image)) + image + b"r" + struct.pack("<i", number + 2)
    return out + b"e]r\0\1\0\0(" + b"".join(b"\x88" if s else b"\x89" for s in same) + b"e\x86."


spec = json.load(sys.stdin)
images = [open(path, "rb").read() for path in spec["images"]]
same = spec["same"]
whole = {
    "": lambda: (images, same),
    "malicious": lambda: (images, [Malicious()]),
    "list": lambda: [images, same],
    "nested": lambda: (images, [same]),
    "array": lambda: ([bytearray(image) for image in images], same),
    "text": lambda: ([image.hex() for image in images], same),
    "set": lambda: (images, set(same)),
    "twice": lambda: ([images[0], images[0]], same),
}[spec.get("odd", "")]
with open(sys.argv[1], "wb") as file:
    if spec.get("python2"):
        file.write(python2(images, same))
    else:
        pickle.dump(whole(), file, protocol=spec["protocol"])
