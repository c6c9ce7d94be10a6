"""Operator registry: looks up what is known of an operator by its name, and takes new ones."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from tflite_bench.errors import ConfigError
from tflite_bench.model.op_macs import weights_kernel, weights_per_position
from tflite_bench.model.op_spec import OpSpec
from tflite_bench.model.op_table import OPS

_SPECS = {spec.kind: spec for spec in OPS}
_UNKNOWN = OpSpec("")
# Recurrent layers and the like multiply with all of their constants, whatever else they do.
_UNKNOWN_WITH_WEIGHTS = OpSpec("", kernel=weights_kernel, macs=weights_per_position)
_USES_WEIGHTS = re.compile("LSTM|RNN")

REGISTERED: Mapping[str, OpSpec] = MappingProxyType(_SPECS)


def spec_of(kind: str) -> OpSpec:
    """Return what is known of an operator; one of an unknown name moves data, or multiplies as recurrent layers do.

    Args:
        kind: TFLite's name of the operator, or the code of a custom one.
    """
    return _SPECS.get(kind) or (_UNKNOWN_WITH_WEIGHTS if _USES_WEIGHTS.search(kind) else _UNKNOWN)


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
