"""How exact the landmarks of a landmarks.csv are that YuNet made, by YuNet itself.

python3 label_noise.py yunet-320.onnx LFW/images LFW/landmarks.csv [ours.csv]

Needs onnxruntime, numpy and Pillow. Each photograph is laid into YuNet's 320x320 at its own size and
at others. Distances are means over the five landmarks, in distances between the eyes of the
alignment's template at the face's size.
"""

import csv
import random
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

PHOTOGRAPHS = 400
# Scale, left, top.
OWN_SIZE = (1.0, 64, 64)
OTHERS = [(1.25, 10, 20), (1.5, 3, 5), (1.5, 20, 30), (0.75, 37, 51), (1.66, 0, 0)]
TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)


def table(path):
    with open(path) as file:
        return {
            row["path"]: np.array([float(v) for v in list(row.values())[2:12]]).reshape(5, 2)
            for row in csv.DictReader(file)
        }


def eyes(points):
    template = TEMPLATE - TEMPLATE.mean(0)
    return 35.24 * np.sqrt(((points - points.mean(0)) ** 2).sum() / (template**2).sum())


def apart(a, b):
    return np.linalg.norm(a - b, axis=1).mean() / eyes(b)


class YuNet:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options)
        self.names = [output.name for output in self.session.get_outputs()]

    def landmarks(self, canvas):
        pixels = np.asarray(canvas, np.float32)[:, :, ::-1].transpose(2, 0, 1)[None]
        fed = {self.session.get_inputs()[0].name: np.ascontiguousarray(pixels)}
        out = dict(zip(self.names, self.session.run(None, fed)))
        best = (-1.0, None)
        for stride in (8, 16, 32):
            score = out[f"cls_{stride}"][0, :, 0] * out[f"obj_{stride}"][0, :, 0]
            cell = score.argmax()
            if score[cell] > best[0]:
                row, column = divmod(cell, 320 // stride)
                points = out[f"kps_{stride}"][0, cell].reshape(5, 2) + (column, row)
                best = (score[cell], points * stride)
        return best[1]

    def laid(self, image, scale, left, top):
        size = tuple(round(side * scale) for side in image.size)
        canvas = Image.new("RGB", (320, 320))
        canvas.paste(image.resize(size, Image.BILINEAR) if scale != 1 else image, (left, top))
        return canvas, lambda points: (points - (left, top)) / (size[0] / image.size[0])


def main(model, images, labels, ours=None):
    yunet, labels = YuNet(model), table(labels)
    ours = table(ours) if ours else {}
    random.seed(1)
    label_off, ours_off, ours_label_off, sums = [], [], [], []
    for path in random.sample(sorted(labels), PHOTOGRAPHS):
        image = Image.open(f"{images}/{path}").convert("RGB")
        found = [back(yunet.landmarks(canvas)) for canvas, back in (yunet.laid(image, *p) for p in OTHERS)]
        mean = np.mean(found, axis=0)
        canvas, _ = yunet.laid(image, *OWN_SIZE)
        there, mirrored = yunet.landmarks(canvas), yunet.landmarks(ImageOps.mirror(canvas))
        if apart(labels[path], mean) > 0.5:
            continue
        label_off.append(apart(labels[path], mean))
        if abs((there + mirrored[[1, 0, 2, 4, 3]])[:, 0].mean() - 320) < 6:
            sums.append((there + mirrored[[1, 0, 2, 4, 3]])[:, 0].mean())
        if path in ours:
            ours_off.append(apart(ours[path], mean))
            ours_label_off.append(apart(ours[path], labels[path]))
    error = np.std(sums) / len(sums) ** 0.5
    print(f"{len(label_off)} photographs")
    print(f"labels off the mean of {len(OTHERS)} placements: {100 * np.mean(label_off):.2f} %")
    print(f"a place and its mirror image's: {np.mean(sums):.2f} +- {error:.2f} of 320 (319 if the first pixel's middle is 0)")
    if ours_off:
        print(f"ours off that mean: {100 * np.mean(ours_off):.2f} %, off the labels: {100 * np.mean(ours_label_off):.2f} %")


main(*sys.argv[1:])
