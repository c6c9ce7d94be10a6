"""read_model() on good files: everything it says must be what the real runtime says."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tflite_bench.errors import ModelFileError
from tflite_bench.model.flatbuffer import FlatbufferReader
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model

NAMES = ["residual_int8", "residual_float", "dense_hybrid", "atan2", "two_in_two_out", "endless_loop"]


def interpreter(content: bytes) -> Interpreter:
    kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    loaded = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kernels)
    loaded.allocate_tensors()
    return loaded


def assert_same_as_runtime(model: ModelInfo, runtime: Interpreter) -> None:
    details = {entry["index"]: entry for entry in runtime.get_tensor_details()}
    assert [op.name for op in model.ops] == [op["op_name"] for op in runtime._get_ops_details()]
    assert list(model.inputs) == [entry["index"] for entry in runtime.get_input_details()]
    assert list(model.outputs) == [entry["index"] for entry in runtime.get_output_details()]
    for tensor in model.tensors:
        entry = details[tensor.index]
        assert (tensor.name, tensor.shape, tensor.dtype) == (
            entry["name"],
            tuple(entry["shape"]),
            np.dtype(entry["dtype"]).name,
        )
        assert tensor.shape_signature == tuple(entry["shape_signature"])
        np.testing.assert_array_equal(tensor.scales, entry["quantization_parameters"]["scales"])
        np.testing.assert_array_equal(tensor.zero_points, entry["quantization_parameters"]["zero_points"])
        if tensor.constant:
            np.testing.assert_array_equal(tensor.array(), runtime.get_tensor(tensor.index))


@pytest.mark.parametrize("name", NAMES)
def test_ops_tensors_and_constants_are_those_of_the_runtime(name: str, model_bytes: Callable[[str], bytes]) -> None:
    assert_same_as_runtime(read_model(model_bytes(name)), interpreter(model_bytes(name)))


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "mlperf_ad01_int8",
        "mlperf_kws_ref_model",
        "mlperf_pretrainedResnet_quant",
        "mlperf_vww_96_int8",
        "tflm_hello_world_float",
        "tflm_micro_speech_quantized",
        "tflm_mnist_lstm_int8",
    ],
)
def test_models_of_others_read_as_the_runtime_reads_them(name: str, shared_path: Path) -> None:
    content = (shared_path / "models" / f"{name}.tflite").read_bytes()
    assert_same_as_runtime(read_model(content), interpreter(content))


@pytest.mark.shared
def test_states_of_a_recurrent_model_are_variables(shared_path: Path) -> None:
    model = read_model(shared_path / "models" / "tflm_mnist_lstm_int8.tflite")
    # One hidden and one cell state of 20 units.
    assert [tensor.shape for tensor in model.tensors if tensor.is_variable] == [(1, 20), (1, 20)]


def test_facts_about_the_file(model_path: Callable[[str], Path], model_bytes: Callable[[str], bytes]) -> None:
    content = model_bytes("residual_int8")
    model = read_model(model_path("residual_int8"))
    assert (model.size_bytes, model.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (model.schema_version, model.num_subgraphs, model.description) == (3, 1, "MLIR Converted.")
    assert model.signatures == ("serving_default",)
    assert "min_runtime_version" in model.metadata
    assert model == read_model(content)


def test_the_loop_model_has_a_subgraph_for_condition_and_body(model_bytes: Callable[[str], bytes]) -> None:
    model = read_model(model_bytes("endless_loop"))
    assert model.num_subgraphs == 3
    assert [op.name for op in model.ops] == ["WHILE"]


def test_options_are_plain_values_with_names_for_padding_and_activation(model_bytes: Callable[[str], bytes]) -> None:
    ops = {op.index: op for op in read_model(model_bytes("residual_int8")).ops}
    convolution, depthwise, _, add, pooling, dense = (ops[i].options for i in range(6))
    assert convolution == {
        "padding": "SAME",
        "stride_w": 2,
        "stride_h": 2,
        "fused_activation": "RELU",
        "dilation_w_factor": 1,
        "dilation_h_factor": 1,
        "quantized_bias_type": 0,
    }
    assert (depthwise["depth_multiplier"], depthwise["stride_h"]) == (1, 1)
    assert add["fused_activation"] == "RELU"
    assert (pooling["filter_height"], pooling["filter_width"], pooling["padding"]) == (6, 4, "VALID")
    assert (dense["fused_activation"], dense["keep_num_dims"]) == ("NONE", False)


def test_weights_are_quantized_per_channel(model_bytes: Callable[[str], bytes]) -> None:
    model = read_model(model_bytes("residual_int8"))
    weights, depthwise_weights = (model.tensors[model.ops[i].inputs[1]] for i in range(2))
    assert (weights.shape, len(weights.scales), weights.quantized_dimension) == ((8, 3, 3, 3), 8, 0)
    assert (depthwise_weights.shape, len(depthwise_weights.scales)) == ((1, 3, 3, 8), 8)
    assert depthwise_weights.quantized_dimension == 3
    assert weights.zero_points == (0,) * 8


def test_constant_bytes_are_the_bytes_of_the_parameters(model_bytes: Callable[[str], bytes]) -> None:
    model = read_model(model_bytes("residual_int8"))
    used = {i for op in model.ops for i in op.inputs if model.tensors[i].constant}
    # Filters of 1 byte: 3x3x3x8, 3x3x8, 8x8 and 8x5; biases of 4, without the dense layer's, which the converter leaves
    # out because it is zero.
    assert sum(model.tensors[i].constant_bytes for i in used) == (216 + 72 + 64 + 40) + 4 * (8 + 8 + 8)
    assert all(model.tensors[i].num_bytes == model.tensors[i].constant_bytes for i in used)


def test_constants_are_views_that_cannot_be_written(model_bytes: Callable[[str], bytes]) -> None:
    model = read_model(model_bytes("residual_int8"))
    constant = next(tensor for tensor in model.tensors if tensor.constant)
    with pytest.raises(ValueError, match="read-only"):
        constant.array()[...] = 0


def test_an_activation_has_no_array(model_bytes: Callable[[str], bytes]) -> None:
    model = read_model(model_bytes("residual_int8"))
    with pytest.raises(ModelFileError, match="no constant"):
        model.input_tensors[0].array()


def test_names_become_printable() -> None:
    assert FlatbufferReader(b"0123456789").text(b"a\x1b[2J\n\xff") == "a\ufffd[2J\ufffd\ufffd"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ModelFileError, match=r"cannot read nowhere\.tflite: .* found no file"):
        read_model("nowhere.tflite")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"expected a \.tflite file, found a folder there"):
        read_model(tmp_path)


def test_reading_imports_no_framework_and_no_interpreter(model_path: Callable[[str], Path]) -> None:
    code = (
        "import sys, tflite_bench; assert 'numpy' not in sys.modules; "
        f"tflite_bench.read_model({str(model_path('residual_int8'))!r}); "
        "print([m for m in ('tensorflow', 'keras', 'ai_edge_litert.interpreter') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
