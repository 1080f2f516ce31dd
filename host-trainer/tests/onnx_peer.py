"""Holds an exported network against the ONNX checker and ONNX Runtime.

usage: onnx_peer.py MODEL INPUT.f32 EXPECTED.f32

INPUT is one image in the model's own shape, EXPECTED the embedding that the door computed from
it; both are raw little-endian f32. Prints one JSON object; exits non-zero if the model is not
valid ONNX or the sizes do not fit.
"""

import json
import sys

import numpy
import onnx
import onnxruntime


def main(model_path, input_path, expected_path):
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model_path, options, providers=["CPUExecutionProvider"]
    )
    (model_input,) = session.get_inputs()
    # A free batch size is shown as a name or as None.
    shape = [size if isinstance(size, int) else 1 for size in model_input.shape]
    image = numpy.fromfile(input_path, dtype="<f4").reshape(shape)
    expected = numpy.fromfile(expected_path, dtype="<f4").astype(numpy.float64)
    found = session.run(None, {model_input.name: image})[0].reshape(-1).astype(numpy.float64)
    if found.shape != expected.shape:
        sys.exit(f"{expected_path}: {expected.size} values, the model gives {found.size}")

    norms = numpy.linalg.norm(found) * numpy.linalg.norm(expected)
    (opset,) = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    result = {
        "cosine": float(found @ expected / norms),
        "max_abs_diff": float(numpy.abs(found - expected).max()),
        "opset": opset,
        "ir_version": model.ir_version,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
