"""Measures ONNX Runtime on one thread: the peer of the embedding benchmark.

usage: onnx_runtime_peer.py [--seconds S] [--int8] [--layers] MODEL...

Prints one JSON object: the peer's name, and the median of a run in milliseconds for each model,
by the file's name without its suffix. With --int8 also that of the peer's own static quantization
of each float model, as NAME/int8: it is calibrated on noise, which is good enough for a time. With
--layers also the median of each node, as the peer's profiler has it.
"""

import argparse
import collections
import json
import pathlib
import statistics
import tempfile
import time

import numpy
import onnxruntime

WARM_UP_S = 0.5
MEASURE_S = 3.0
MIN_RUNS = 20
CALIBRATION_IMAGES = 8
PROFILED_RUNS = 100


def session_of(path, profile=None):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )


def image_for(session, seed=1):
    (model_input,) = session.get_inputs()
    # A free batch size is shown as a name or as None.
    shape = [size if isinstance(size, int) else 1 for size in model_input.shape]
    # Pixels as the network sees them; zeros would make denormals or shortcuts possible.
    image = numpy.random.default_rng(seed).uniform(-1, 1, shape)
    return {model_input.name: image.astype(numpy.float32)}


def median_ms(path, seconds):
    session = session_of(path)
    feed = image_for(session)
    end = time.perf_counter() + min(WARM_UP_S, seconds)
    while time.perf_counter() < end:
        session.run(None, feed)
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < MIN_RUNS:
        start = time.perf_counter()
        session.run(None, feed)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def is_float(path):
    import onnx

    nodes = onnx.load(path).graph.node
    return not any("Integer" in n.op_type or "QLinear" in n.op_type for n in nodes)


def quantized(path, folder):
    """The path of the peer's own 8-bit form: weights by channel, activations unsigned."""
    from onnxruntime import quantization

    class Noise(quantization.CalibrationDataReader):
        def __init__(self):
            session = session_of(path)
            images = range(CALIBRATION_IMAGES)
            self.feeds = iter([image_for(session, seed) for seed in images])

        def get_next(self):
            return next(self.feeds, None)

    out = folder / f"{path.stem}.onnx"
    quantization.quantize_static(
        path,
        out,
        Noise(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return out


def layers(path, folder):
    session = session_of(path, folder / path.stem)
    feed = image_for(session)
    for _ in range(PROFILED_RUNS):
        session.run(None, feed)
    times, operators = collections.defaultdict(list), {}
    for event in json.loads(pathlib.Path(session.end_profiling()).read_text()):
        name = event.get("name", "")
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            name = name.removesuffix("_kernel_time")
            times[name].append(event["dur"] / 1000)
            operators[name] = event["args"]["op_name"]
    return [
        {"name": name, "operator": operators[name], "ms": statistics.median(all_times)}
        for name, all_times in times.items()
    ]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=MEASURE_S)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--layers", action="store_true")
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    said = {"peer": f"ONNX Runtime {onnxruntime.__version__}"}
    said["median_ms"] = {path.stem: median_ms(path, args.seconds) for path in args.models}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if args.int8:
            for path in filter(is_float, args.models):
                int8 = median_ms(quantized(path, folder), args.seconds)
                said["median_ms"][f"{path.stem}/int8"] = int8
        if args.layers:
            said["layers"] = {path.stem: layers(path, folder) for path in args.models}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
