"""Registry of operators: what is known of them, and new ones."""

import pytest
from ai_edge_litert.schema_py_generated import BuiltinOperator

from tflite_bench.errors import ConfigError
from tflite_bench.model.info import TensorInfo
from tflite_bench.model.operators.registry import knows_memory, register_op, spec_of
from tflite_bench.model.operators.spec import ABSENT, OpSpec, operands_of
from tflite_bench.model.operators.table import OPS
from tflite_bench.model.operators.work import macs_of, op_work
from tflite_bench.model.tflm_kernels import CUSTOM_KERNELS, KERNELS

# Kernels of TFLM that no version of TFLite's schema numbers, and that no file calls by these names.
INTERNAL = {"BASIC_CLASSIFIER", "ETHOSU", "L2NORM_REF"}


def tensor(*shape: int, constant: bool = False) -> TensorInfo:
    return TensorInfo(0, "", shape, shape, "float32", data=memoryview(b"") if constant else None)


def test_the_operators_of_the_table_are_those_of_tflite_or_tflm() -> None:
    assert {spec.kind for spec in OPS if not hasattr(BuiltinOperator, spec.kind)} <= INTERNAL | CUSTOM_KERNELS
    assert len({spec.kind for spec in OPS}) == len(OPS)


def test_the_memory_of_a_custom_kernel_is_known_only_where_its_row_has_its_data() -> None:
    known = {spec.kind for spec in OPS if spec.kind in CUSTOM_KERNELS and spec.op_data_bytes}
    assert known == {"CIRCULAR_BUFFER", "TFLite_Detection_PostProcess"}
    assert {kind for kind in CUSTOM_KERNELS if knows_memory(kind)} == known
    assert all(knows_memory(kind) for kind in KERNELS)
    assert not any(knows_memory(kind) for kind in ("edgetpu-custom-op", "STABLEHLO_COMPOSITE"))


def test_an_operator_of_an_unknown_name_moves_data() -> None:
    op = operands_of([tensor(1, 5), tensor(1, 5)], "NO_SUCH_OP", (0, -1), (1,))
    assert op.inputs[1] is ABSENT
    assert op_work(op) == ("copy", 0, 4 * (5 + 5), 1)
    assert spec_of("NO_SUCH_OP").kernel_code_bytes == 0


def test_a_recurrent_operator_of_an_unknown_name_multiplies_with_its_weights_at_every_step() -> None:
    op = operands_of([tensor(1, 5, 3), tensor(4, 3, constant=True), tensor(1, 5, 4)], "SOME_RNN", (0, 1), (2,))
    assert macs_of(op) == 5 * 4 * 3
    assert op_work(op).kernel == "dense"


def test_a_registered_operator_has_its_own_rules() -> None:
    register_op(OpSpec("TEST_SCALE", "elementwise", macs=lambda op: op.outputs[0].num_elements, steps="pixels"))
    op = operands_of([tensor(1, 6, 2), tensor(1, 6, 2)], "TEST_SCALE", (0,), (1,))
    assert op_work(op) == ("elementwise", 12, 4 * 24, 6)


def test_a_known_operator_cannot_be_registered_again() -> None:
    with pytest.raises(ConfigError, match="cannot register operator 'CONV_2D': expected a new name"):
        register_op(OpSpec("CONV_2D"))


@pytest.mark.parametrize(
    ("field", "expected"), [("kernel", "'conv', 'pointwise'"), ("steps", "'rows', 'pixels'"), ("blocks", "'channels'")]
)
def test_a_specification_with_a_word_that_nothing_knows_is_refused(field: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"bad operator MY_OP: expected {field} of .*{expected}.*, received 'other'"):
        OpSpec("MY_OP", **{field: "other"})
