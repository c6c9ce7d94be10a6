"""The machine code of TFLM's interpreter and kernels: flash that a network needs beside its file.

No release of TFLM states it per op. Known are two ends. Above: the code of the reference kernels, for all dtypes, in
the `tflite-micro` wheel (0.dev20261023, x86-64), read by `tools/profiles/measure_kernels.py`. Below: TensorFlow's
documentation, 16 kB for the interpreter on a Cortex-M3 and 22 kB together with what its keyword model needs, in one
dtype.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tflite_bench.model.operators.registry import spec_of
from tflite_bench.provenance import Given

_PUBLISHED_CORE_BYTES = 16_000
_PUBLISHED_KEYWORD_BYTES = 22_000
_KEYWORD_KINDS = ("DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX", "RESHAPE")
_CORE_BYTES = 23_875
_SOURCE = (
    "from what TensorFlow publishes for a Cortex-M3, scaled to these ops, up to the code of the reference kernels of "
    "all dtypes, measured on x86-64; not measured on a microcontroller: link your firmware and read its map file"
)


@dataclass(frozen=True, slots=True)
class RuntimeFlash:
    """Flash that the interpreter and the kernels of a network's ops take, apart from the model.

    Attributes:
        low_bytes: With kernels for one dtype, optimized for size.
        high_bytes: With reference kernels for all dtypes.
        source: Where the figures come from.
    """

    low_bytes: Given[int]
    high_bytes: Given[int]
    source: str


def runtime_flash(kinds: Iterable[str]) -> RuntimeFlash:
    """Return what the runtime takes for a set of ops.

    Args:
        kinds: Kinds of ops, e.g. `{"CONV_2D", "RESHAPE"}`; what TFLM has no kernel for counts nothing.

    Returns:
        `low = 16,000 + (22,000 - 16,000) x kernels / kernels of the keyword model`, `high = core + kernels`, both with
        the kernels' bytes measured on x86-64.
    """
    kernels = _kernel_bytes(kinds)
    scale = (_PUBLISHED_KEYWORD_BYTES - _PUBLISHED_CORE_BYTES) / _kernel_bytes(_KEYWORD_KINDS)
    return RuntimeFlash(round(_PUBLISHED_CORE_BYTES + scale * kernels), _CORE_BYTES + kernels, _SOURCE)


def _kernel_bytes(kinds: Iterable[str]) -> int:
    return sum(spec_of(kind).kernel_code_bytes for kind in set(kinds))
