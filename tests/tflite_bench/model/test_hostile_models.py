"""read_model() on broken and hostile files: a one-line ModelFileError, in bounded time and memory."""

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mutations import SMALL, mutated_models

from tflite_bench.errors import ModelFileError
from tflite_bench.model.reader import read_model


def refusal(content: bytes) -> str | None:
    try:
        read_model(content)
    except ModelFileError as error:
        return str(error)
    return None


def read_or_refuse(content: bytes) -> None:
    """Read the model and walk over all of it, or see it refused with one line."""
    if (reason := refusal(content)) is not None:
        assert "\n" not in reason
        assert len(reason) < 1000
        return
    model = read_model(content)
    for op in model.ops:
        assert all(-1 <= i < len(model.tensors) for i in (*op.inputs, *op.outputs))
        assert op.name.isprintable()
    for tensor in model.tensors:
        assert tensor.num_elements < 2**31
        if tensor.constant and tensor.num_bytes is not None and not tensor.is_sparse:
            assert tensor.constant_bytes >= tensor.num_bytes


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated_models(SMALL))
def test_a_mutated_model_is_read_or_refused(content: bytes) -> None:
    read_or_refuse(content)


@pytest.mark.shared
def test_mutated_models_of_others_are_read_or_refused(shared_path: Path) -> None:
    names = ("mlperf_kws_ref_model", "tflm_mnist_lstm_int8", "tflm_micro_speech_quantized")
    originals = [(shared_path / "models" / f"{name}.tflite").read_bytes() for name in names]

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated_models(originals))
    def check(content: bytes) -> None:
        read_or_refuse(content)

    check()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
@example(b"")
def test_random_bytes_after_the_identifier_are_refused(content: bytes) -> None:
    read_or_refuse(content[:4].ljust(4, b"\x08") + b"TFL3" + content[4:])


@pytest.mark.parametrize("size", [0, 7, 8, 40, 400, 1000, 3000])
def test_a_file_that_was_cut_off_is_refused(size: int, model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(ModelFileError, match="cannot read the model: "):
        read_model(model_bytes("residual_int8")[:size])


def test_another_kind_of_file_is_refused() -> None:
    with pytest.raises(ModelFileError, match=r"expected a \.tflite file .* received 15 bytes"):
        read_model(b"PK\x03\x04 archive...")


def rebuilt(content: bytes, change: Callable[[Any, Any], object]) -> bytes:
    """Return a well-formed file of the same model after `change(model, first subgraph)`."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(content)))
    change(model, model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def last_to_first(_: Any, graph: Any) -> None:
    graph.operators[0].inputs[0] = graph.operators[-1].outputs[0]


def own_output(_: Any, graph: Any) -> None:
    graph.operators[1].inputs[0] = graph.operators[1].outputs[0]


def write_twice(_: Any, graph: Any) -> None:
    graph.operators[1].outputs[0] = graph.operators[0].outputs[0]


def write_constant(_: Any, graph: Any) -> None:
    graph.operators[0].outputs[0] = graph.operators[0].inputs[1]


def dangling_input(_: Any, graph: Any) -> None:
    graph.operators[2].inputs[0] = 10_000


def negative_input(_: Any, graph: Any) -> None:
    graph.operators[2].inputs[0] = -2


def dangling_output(_: Any, graph: Any) -> None:
    graph.outputs[0] = len(graph.tensors)


def unwritten_output(_: Any, graph: Any) -> None:
    graph.operators.pop()


def dangling_code(_: Any, graph: Any) -> None:
    graph.operators[0].opcodeIndex = 99


def dangling_buffer(_: Any, graph: Any) -> None:
    graph.tensors[0].buffer = 99


def unknown_op(model: Any, _: Any) -> None:
    model.operatorCodes[0].builtinCode = 9_999


def unknown_type(_: Any, graph: Any) -> None:
    graph.tensors[0].type = 99


def unknown_padding(_: Any, graph: Any) -> None:
    graph.operators[0].builtinOptions.padding = 9


def negative_shape(_: Any, graph: Any) -> None:
    graph.tensors[0].shape = [1, -12, 8, 3]


def overflowing_shape(_: Any, graph: Any) -> None:
    graph.tensors[0].shape = [2**16, 2**16, 2**16, 2**16]


def too_many_dimensions(_: Any, graph: Any) -> None:
    graph.tensors[0].shape = [1] * 33


def short_buffer(model: Any, graph: Any) -> None:
    weights = graph.tensors[graph.operators[0].inputs[1]]
    model.buffers[weights.buffer].data = model.buffers[weights.buffer].data[:-1]


def buffer_behind_the_end(model: Any, graph: Any) -> None:
    weights = graph.tensors[graph.operators[0].inputs[1]]
    model.buffers[weights.buffer].data = None
    model.buffers[weights.buffer].offset = 4000
    model.buffers[weights.buffer].size = 2**63


def infinite_scale(_: Any, graph: Any) -> None:
    graph.tensors[graph.operators[0].inputs[0]].quantization.scale = [float("inf")]


def too_many_scales(_: Any, graph: Any) -> None:
    graph.tensors[graph.operators[0].inputs[1]].quantization.scale = [1.0] * 7


def no_subgraph(model: Any, _: Any) -> None:
    model.subgraphs = []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (last_to_first, r"op 0 \(CONV_2D\) reads tensor \d+ before any op writes it"),
        (own_output, r"op 1 \(DEPTHWISE_CONV_2D\) reads tensor \d+ before any op writes it"),
        (write_twice, r"op 1 \(DEPTHWISE_CONV_2D\) writes tensor \d+, which already has its value"),
        (write_constant, r"op 0 \(CONV_2D\) writes tensor \d+, which already has its value"),
        (dangling_input, r"op 2 \(CONV_2D\) uses a tensor outside 0 to \d+"),
        (negative_input, r"op 2 \(CONV_2D\) uses a tensor outside 0 to \d+"),
        (dangling_output, r"inputs or outputs name a tensor outside 0 to \d+"),
        (unwritten_output, r"output, tensor \d+, is written by no op"),
        (dangling_code, "op 0 uses code 99"),
        (dangling_buffer, "tensor 0 uses buffer 99"),
        (unknown_op, "BuiltinOperator 9999 is unknown"),
        (unknown_type, "TensorType 99 is unknown"),
        (unknown_padding, "Padding 9 is unknown"),
        (negative_shape, r"tensor 0 has the shape \(1, -12, 8, 3\)"),
        (overflowing_shape, "at most 2147483647 elements"),
        (too_many_dimensions, "and 32 dimensions"),
        (short_buffer, r"tensor \d+ needs 216 bytes, but its buffer holds 215"),
        (buffer_behind_the_end, r"buffer \d+ ends at byte 9223372036854779808"),
        (infinite_scale, "scale that is negative or not finite"),
        (too_many_scales, r"7 scales for the shape \(8, 3, 3, 3\)"),
        (no_subgraph, "holds no subgraph"),
    ],
)
def test_a_model_that_contradicts_itself_is_refused(
    change: Callable[[Any, Any], object], message: str, model_bytes: Callable[[str], bytes]
) -> None:
    original = model_bytes("residual_int8")
    assert len(read_model(rebuilt(original, lambda model, graph: None)).ops) == 6
    with pytest.raises(ModelFileError, match=message):
        read_model(rebuilt(original, change))


def test_a_vector_longer_than_the_file_is_refused(model_bytes: Callable[[str], bytes]) -> None:
    content = bytearray(model_bytes("residual_int8"))
    graph = schema.Model.GetRootAs(content).Subgraphs(0)
    first_input = graph._tab.Vector(graph._tab.Offset(6))
    struct.pack_into("<I", content, first_input - 4, 2**32 - 1)
    with pytest.raises(ModelFileError, match=r"Inputs states 4294967295 entries, but the file has \d+ bytes"):
        read_model(bytes(content))


def one_op_listed_many_times(*, num_ops: int, num_inputs: int) -> bytes:
    """Return a file whose operators are all the same table, with one long list of inputs."""
    builder = flatbuffers.Builder(1024)

    def vector(start: Callable[..., Any], values: list[int], prepend: Callable[[int], Any]) -> int:
        start(builder, len(values))
        for value in reversed(values):
            prepend(value)
        return builder.EndVector()

    inputs = vector(schema.OperatorStartInputsVector, [0] * num_inputs, builder.PrependInt32)
    schema.OperatorStart(builder)
    schema.OperatorAddInputs(builder, inputs)
    op = schema.OperatorEnd(builder)
    ops = vector(schema.SubGraphStartOperatorsVector, [op] * num_ops, builder.PrependUOffsetTRelative)
    schema.TensorStart(builder)
    tensors = vector(schema.SubGraphStartTensorsVector, [schema.TensorEnd(builder)], builder.PrependUOffsetTRelative)
    graph_inputs = vector(schema.SubGraphStartInputsVector, [0], builder.PrependInt32)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    schema.SubGraphAddInputs(builder, graph_inputs)
    schema.SubGraphAddOperators(builder, ops)
    graph = schema.SubGraphEnd(builder)
    schema.OperatorCodeStart(builder)
    codes = vector(
        schema.ModelStartOperatorCodesVector, [schema.OperatorCodeEnd(builder)], builder.PrependUOffsetTRelative
    )
    graphs = vector(schema.ModelStartSubgraphsVector, [graph], builder.PrependUOffsetTRelative)
    schema.ModelStart(builder)
    schema.ModelAddOperatorCodes(builder, codes)
    schema.ModelAddSubgraphs(builder, graphs)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_parts_that_overlap_do_not_multiply_the_work() -> None:
    assert len(read_model(one_op_listed_many_times(num_ops=3, num_inputs=3)).ops) == 3
    content = one_op_listed_many_times(num_ops=20_000, num_inputs=20_000)  # 160 kB that state 1.6 GB of inputs
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match="parts overlap"):
            read_model(content)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(content)
    finally:
        tracemalloc.stop()


def test_a_million_references_to_one_table_are_refused() -> None:
    content = one_op_listed_many_times(num_ops=200_000, num_inputs=1)
    with pytest.raises(ModelFileError, match="200000 operators: expected at most 100000"):
        read_model(content)
