"""Lowering and costs of broken and hostile files: an error of one line or a cost, in bounded time and memory."""

import copy
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import DATA, SMALL, mutated_models

from kd_edge.cost.devices import KernelCost, KernelCosts, load_device
from kd_edge.cost.model import Cost, CostModel
from kd_edge.errors import KdEdgeError, ModelError
from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.lowering import lower
from tflite_bench.errors import ModelFileError
from tflite_bench.model.operators.spec import Blocks

BOARD = load_device("nucleo-l4r5zi")
MODEL = CostModel(BOARD)
_OWN = dict.fromkeys(("CONV_2D_GROUPED", "BROADCAST", "MEAN"), KernelCost(1.0, 1.0, 1.0, 1.0))
_STEPPING = KernelCosts(*([KernelCost(1.0, 1.0, 1.0, 1.0)] * 8))
# As a calibration makes it.
CALIBRATED = CostModel(
    replace(
        BOARD,
        int8=_STEPPING,
        float32=_STEPPING,
        int8_ops=_OWN,
        float32_ops=_OWN,
        int8_blocks=Blocks(8, 8, 8, 4),
        float32_blocks=Blocks(1, 8, 8),
        int8_inference_cycles=5.0,
    )
)


def cost_or_refuse(content: bytes) -> Cost | None:
    """Return what a file costs, or see it refused with one line."""
    try:
        graph = lower(content)
        cost = MODEL.estimate(graph)
        rows = MODEL.per_op(graph)
        assert math.isfinite(CALIBRATED.estimate(graph).latency_ms)
    except (KdEdgeError, ModelFileError) as error:
        reason = str(error)
        cost = None
    if cost is None:
        assert "\n" not in reason
        assert len(reason) < 1000
        return None
    assert cost.macs is not None or "MACs" in graph.unknown_macs
    assert all(math.isfinite(value) and value >= 0 for value in (cost.latency_ms, cost.macs or 0, cost.flash_bytes))
    assert cost.arena_bytes == cost.arena_persistent_bytes + cost.arena_nonpersistent_bytes
    assert len(rows) == len(graph.ops)
    return cost


@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated_models(SMALL))
def test_a_mutated_model_has_a_cost_or_is_refused(content: bytes) -> None:
    cost_or_refuse(content)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=600))
def test_random_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"expected a \.tflite file"):
        lower(content)


@pytest.mark.shared
def test_mutated_models_of_others_have_a_cost_or_are_refused(shared_path: Path) -> None:
    names = ("mlperf_kws_ref_model", "tflm_mnist_lstm_int8", "tflm_micro_speech_quantized")
    originals = [(shared_path / "models" / f"{name}.tflite").read_bytes() for name in names]

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated_models(originals))
    def check(content: bytes) -> None:
        cost_or_refuse(content)

    check()


def test_every_truncation_of_a_model_is_refused() -> None:
    content = (DATA / "residual_int8.tflite").read_bytes()
    whole = cost_or_refuse(content)
    assert whole is not None
    for length in range(0, len(content) - 64, 97):
        cost_or_refuse(content[:length])


def rebuilt(change: Callable[[Any], object]) -> bytes:
    """Return a small model after a change of its first subgraph."""
    model = schema.ModelT.InitFromPackedBuf((DATA / "residual_int8.tflite").read_bytes(), 0)
    change(model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def no_weights(graph: Any) -> None:
    graph.operators[0].inputs = graph.operators[0].inputs[:1]


def flat_weights(graph: Any) -> None:
    graph.tensors[graph.operators[0].inputs[1]].shape = [8, 27]


def scalar_image(graph: Any) -> None:
    graph.tensors[graph.operators[0].inputs[0]].shape = []


def flat_result(graph: Any) -> None:
    graph.tensors[graph.operators[0].outputs[0]].shape = [1, 8]


def no_output(graph: Any) -> None:
    graph.operators[-1].outputs = []
    graph.outputs = graph.inputs


def text(graph: Any) -> None:
    graph.tensors[0].type = schema.TensorType.STRING


def long_chain(graph: Any) -> None:
    """Let 4097 ops pass one small tensor on."""
    (source,) = graph.inputs
    relu = graph.operators[0]
    graph.operators = []
    for _ in range(4097):
        tensor = copy.copy(graph.tensors[source])
        graph.tensors.append(tensor)
        op = copy.copy(relu)
        op.inputs = [source]
        op.outputs = [source := len(graph.tensors) - 1]
        graph.operators.append(op)
    graph.outputs = [source]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_weights, r"op 0 \(CONV_2D\): expected at least 2 inputs and an output, received 1 and 1"),
        (flat_weights, r"op 0 \(CONV_2D\): expected weights of rank 4, received \(8, 27\)"),
        (scalar_image, r"op 0 \(CONV_2D\): expected images of rank 4, received \(\)"),
        (flat_result, r"op 0 \(CONV_2D\): expected images of rank 4, received \(1, 8\)"),
        (no_output, r"op 5 \(FULLY_CONNECTED\): expected at least 2 inputs and an output, received 2 and 0"),
        (text, "cannot lower tensor 0: expected a type of bool, int8, .*, received string"),
        (long_chain, "expected at most 4096 ops, received 4097"),
    ],
)
def test_a_model_whose_cost_means_nothing_is_refused(change: Callable[[Any], object], message: str) -> None:
    assert cost_or_refuse(rebuilt(lambda graph: None)) is not None
    with pytest.raises(ModelError, match=message):
        lower(rebuilt(change))


def test_huge_tensors_cost_no_memory_to_plan() -> None:
    side = 2**15
    tensors = tuple(Tensor((1, side, side, 1)) for _ in range(1000))
    ops = tuple(Op("RELU", (i,), (i + 1,)) for i in range(999))
    tracemalloc.start()
    try:
        cost = MODEL.estimate(Graph(tensors, ops, (0,), (999,)))
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()
    assert cost.arena_nonpersistent_bytes == 2 * side * side
