"""Measures ONNX Runtime on one thread: the peer of the embedding benchmark.

usage: onnx_runtime_peer.py MODEL...

Prints one JSON object: the peer's name, and the median of a run in milliseconds for each model,
by the file's name without its suffix.
"""

import json
import pathlib
import statistics
import sys
import time

import numpy
import onnxruntime

WARM_UP_S = 0.5
MEASURE_S = 3.0
MIN_RUNS = 20


def median_ms(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    session = onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
    (model_input,) = session.get_inputs()
    # A free batch size is shown as a name or as None.
    shape = [size if isinstance(size, int) else 1 for size in model_input.shape]
    # Pixels as the network sees them; zeros would make denormals or shortcuts possible.
    image = numpy.random.default_rng(1).uniform(-1, 1, shape).astype(numpy.float32)
    feed = {model_input.name: image}

    end = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < end:
        session.run(None, feed)
    times = []
    end = time.perf_counter() + MEASURE_S
    while time.perf_counter() < end or len(times) < MIN_RUNS:
        start = time.perf_counter()
        session.run(None, feed)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main(paths):
    medians = {path.stem: median_ms(path) for path in map(pathlib.Path, paths)}
    peer = f"ONNX Runtime {onnxruntime.__version__}"
    print(json.dumps({"peer": peer, "median_ms": medians}))


if __name__ == "__main__":
    main(sys.argv[1:])
