"""How fast a file is on this computer."""

from pathlib import Path

from kd_edge.stages.bench import measure_here
from tflite_bench.model.writer import pack, unpack

RESIDUAL = Path(__file__).parents[2] / "data" / "residual_int8.tflite"


def test_a_file_that_xnnpack_refuses_is_measured_without_it(tmp_path):
    model = unpack(RESIDUAL.read_bytes())
    tensors = model.subgraphs[0].tensors
    first = next(op for op in model.subgraphs[0].operators if len(op.inputs) == 3)
    read, weights, written = (tensors[i].quantization for i in (*first.inputs[:2], *first.outputs))
    # XNNPACK takes at most 256 steps of the output for one of a product (xnn_define_convolution_2d).
    written.scale = [read.scale[0] * float(max(weights.scale)) / 1e5]
    (tmp_path / "dead.tflite").write_bytes(pack(model))
    assert "without XNNPACK" in measure_here(tmp_path / "dead.tflite").note
    assert "XNNPACK where it applies" in measure_here(RESIDUAL).note
