"""Operator registry: looks up what is known of an operator by its name, and takes new ones."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from tflite_bench.errors import ConfigError
from tflite_bench.model.operators.macs import weights_kernel, weights_per_position
from tflite_bench.model.operators.spec import OpSpec
from tflite_bench.model.operators.table import OPS
from tflite_bench.model.tflm_kernels import CUSTOM_KERNELS

_SPECS = {spec.kind: spec for spec in OPS}
_TABLE = frozenset(_SPECS)
_UNKNOWN = OpSpec("")
# Recurrent layers and the like multiply with all of their constants, whatever else they do.
_UNKNOWN_WITH_WEIGHTS = OpSpec("", kernel=weights_kernel, macs=weights_per_position)
_USES_WEIGHTS = re.compile("LSTM|RNN")

# Operators without a row that multiply no matrices: they move, compare or map values one by one.
_NO_MACS = frozenset(
    [
        "ATAN2",
        "BITCAST",
        "BITWISE_XOR",
        "BUCKETIZE",
        "COMPLEX_ABS",
        "DENSIFY",
        "DILATE",
        "EMBEDDING_LOOKUP_SPARSE",
        "FAKE_QUANT",
        "GELU",
        "HASHTABLE",
        "HASHTABLE_FIND",
        "HASHTABLE_IMPORT",
        "HASHTABLE_LOOKUP",
        "HASHTABLE_SIZE",
        "IMAG",
        "LOCAL_RESPONSE_NORMALIZATION",
        "MATRIX_DIAG",
        "MATRIX_SET_DIAG",
        "MULTINOMIAL",
        "NON_MAX_SUPPRESSION_V4",
        "NON_MAX_SUPPRESSION_V5",
        "ONE_HOT",
        "POW",
        "RANDOM_STANDARD_NORMAL",
        "RANDOM_UNIFORM",
        "RANGE",
        "RANK",
        "REAL",
        "REDUCE_ANY",
        "REDUCE_PROD",
        "RELU_0_TO_1",
        "RELU_N1_TO_1",
        "REVERSE_SEQUENCE",
        "RIGHT_SHIFT",
        "SCATTER_ND",
        "SEGMENT_SUM",
        "SELECT",
        "SIGN",
        "SPARSE_TO_DENSE",
        "TILE",
        "TOPK_V2",
        "UNIQUE",
        "UNSORTED_SEGMENT_MAX",
        "UNSORTED_SEGMENT_MIN",
        "UNSORTED_SEGMENT_PROD",
        "UNSORTED_SEGMENT_SUM",
        "WHERE",
    ]
)

REGISTERED: Mapping[str, OpSpec] = MappingProxyType(_SPECS)


def spec_of(kind: str) -> OpSpec:
    """Return what is known of an operator; one of an unknown name moves data, or multiplies as recurrent layers do.

    Args:
        kind: TFLite's name of the operator, or the code of a custom one.
    """
    return _SPECS.get(kind) or (_UNKNOWN_WITH_WEIGHTS if _USES_WEIGHTS.search(kind) else _UNKNOWN)


def is_own(kind: str) -> bool:
    """Return whether an operator was registered from outside: its kernel is one that a firmware brings along."""
    return kind in _SPECS and kind not in _TABLE


def knows_macs(kind: str) -> bool:
    """Return whether the multiply-accumulates of an operator are known, be it that it has none.

    Args:
        kind: TFLite's name of the operator, or the code of a custom one.
    """
    return kind in _SPECS or kind in _NO_MACS or bool(_USES_WEIGHTS.search(kind))


def knows_memory(kind: str) -> bool:
    """Return whether what a kernel keeps in the arena is known: of TFLM's custom ones those with a row for its data.

    Args:
        kind: TFLite's name of the operator, or the code of a custom one.
    """
    if kind in CUSTOM_KERNELS and not is_own(kind):
        return bool(spec_of(kind).op_data_bytes)
    return knows_macs(kind)


def register_op(spec: OpSpec) -> None:
    """Make an operator known to the cost model and to calibrations.

    A `CostModel` remembers what it costed before, so register first.

    Args:
        spec: The operator; what its defaults leave out costs nothing in TFLM.

    Raises:
        ConfigError: The operator is known already.

    Example:

    ```python
    register_op(OpSpec("MY_CONV", "dense", macs=lambda op: op.outputs[0].num_elements * op.weights[-1]))
    ```
    """
    if spec.kind in _SPECS:
        raise ConfigError(f"cannot register operator {spec.kind!r}: expected a new name, received a known one")
    _SPECS[spec.kind] = spec
