"""Operator specification: what is known of a TFLite operator beside its name, one `OpSpec` per operator."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol

from tflite_bench.errors import ConfigError

# Classes of operators that share costs in a device profile.
KERNEL_CLASSES = ("conv", "pointwise", "depthwise", "dense", "pool", "elementwise", "softmax", "copy")
GROUPED = "CONV_2D_GROUPED"
BROADCAST = "BROADCAST"
DTYPE_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "bool": 1,
        "int8": 1,
        "uint8": 1,
        "int4": 1,
        "int2": 1,
        "int16": 2,
        "uint16": 2,
        "bfloat16": 2,
        "float16": 2,
        "int32": 4,
        "uint32": 4,
        "float32": 4,
        "resource": 4,
        "int64": 8,
        "uint64": 8,
        "float64": 8,
    }
)


class TensorLike(Protocol):
    """What the rules of operators ask of a tensor: `TensorInfo` has it, and `kd_edge.ir.graph.Tensor`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions, the batch included."""

    @property
    def dtype(self) -> str:
        """Element type as numpy spells it."""

    @property
    def constant(self) -> bool:
        """True for weights, biases and arguments that the file holds."""

    @property
    def num_scales(self) -> int:
        """Number of quantization scales."""

    @property
    def num_elements(self) -> int:
        """Product of the dimensions."""

    @property
    def num_bytes(self) -> int | None:
        """Bytes of the contents; None where the type does not say."""


class _Absent(NamedTuple):
    """Stands for an optional operand that an op does without: a constant of no elements."""

    shape: tuple[int, ...] = (0,)
    dtype: str = "int8"
    constant: bool = True
    num_scales: int = 0
    num_elements: int = 0
    num_bytes: int = 0


ABSENT = _Absent()


Flags = tuple[int, ...]


class Operands(NamedTuple):
    """One op with its tensors in the place of their indices.

    Attributes:
        kind: TFLite's name of the operator, e.g. `"CONV_2D"`.
        inputs: Its inputs in TFLite's order; `ABSENT` for an optional one that is missing.
        outputs: Its outputs.
        flags: Options that a rule needs beside the tensors: of BATCH_MATMUL whether each matrix is transposed.
    """

    kind: str
    inputs: tuple[TensorLike, ...]
    outputs: tuple[TensorLike, ...]
    flags: Flags = ()

    @property
    def weights(self) -> tuple[int, ...]:
        """Shape of input 1: the filters of a convolution, the weights of a dense layer."""
        return self.inputs[1].shape


def operands_of(
    tensors: Sequence[TensorLike], kind: str, inputs: Sequence[int], outputs: Sequence[int], flags: Flags = ()
) -> Operands:
    """Return an op with its tensors.

    Args:
        tensors: All tensors of the network.
        kind: The op's name.
        inputs: Indices of its inputs; -1 for an absent one.
        outputs: Indices of its outputs.
        flags: See `Operands`.
    """
    read = tuple([tensors[i] if i >= 0 else ABSENT for i in inputs])
    return Operands(kind, read, tuple([tensors[i] if i >= 0 else ABSENT for i in outputs]), flags)


@dataclass(frozen=True, slots=True)
class Blocks:
    """How many channels kernels take at once: a layer of fewer takes as long as one of that many.

    Vector instructions work so. Kernels for microcontrollers have no blocks that matter; XNNPACK's have.

    Attributes:
        inputs: Input channels of convolutions and dense layers.
        filters: Filters of them.
        depthwise: Channels of depthwise convolutions.
        window: Input channels that each position of a convolution's window costs beside its own.
    """

    inputs: int = 1
    filters: int = 1
    depthwise: int = 1
    window: int = 0


NO_BLOCKS = Blocks()

# Bytes of a structure: the same everywhere, or on a 64-bit host, on a microcontroller, and there with CMSIS-NN.
LayoutBytes = int | tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class OpSpec:
    """What is known of one operator; the defaults are those of an operator that moves data and that TFLM lacks.

    Attributes:
        kind: TFLite's name of the operator, or the code of a custom one.
        kernel: One of `KERNEL_CLASSES`, whose costs a device profile has, or a rule that tells it.
        macs: Multiply-accumulates; None: it has none.
        variant: Name under which a profile may have costs of its own for an op; None: its kind.
        gathers: Whether it gathers a patch of inputs for every position of its output, once for all filters (the first
            dimension of its weights); else it reads its inputs once.
        blocks: What kernels round up to their blocks: `"channels"` of inputs and filters, `"depthwise"`, or nothing.
        steps: What the outer loop goes by: `"rows"` or `"pixels"` of the output, or pixels of the `"largest"` tensor.
        least_inputs: How many inputs its cost is computed from; an op with fewer, or without an output, is refused.
        weights_rank: Rank of input 1; None: any.
        op_data_bytes: TFLM's OpData, allocated when the kernel is initialised.
        parsed_options_bytes: TFLM's parsed options (Tf...Params), allocated when the model is read.
        parsed_options_alignment: Their alignment; None: 4 for whole words, else 1.
        prepared_bytes: What TFLM's kernel allocates when it is prepared; None: a kernel that never does.
        scratch_bytes: Scratch buffers of the reference kernel.
        cmsis_scratch_bytes: Those of CMSIS-NN's kernel where it asks for others.
        file_options_bytes: Its options in the file, on average.
        kernel_code_bytes: Machine code of TFLM's reference kernel, for all dtypes, on x86-64.
        flags: Names of the options that are the `Operands.flags` of such an op.

    Raises:
        ConfigError: The class is unknown.
    """

    kind: str
    kernel: "str | Callable[[Operands], str]" = "copy"
    macs: Callable[[Operands], int] | None = None
    variant: Callable[[Operands], str] | None = None
    gathers: bool = False
    blocks: str = ""
    steps: str = "largest"
    least_inputs: int = 0
    weights_rank: int | None = None
    op_data_bytes: LayoutBytes = 0
    parsed_options_bytes: LayoutBytes = 0
    parsed_options_alignment: LayoutBytes | None = None
    prepared_bytes: Callable[[Operands], tuple[LayoutBytes, ...]] | None = None
    scratch_bytes: Callable[[Operands], tuple[int, ...]] | None = None
    cmsis_scratch_bytes: Callable[[Operands], tuple[int, ...]] | None = None
    file_options_bytes: int = 0
    kernel_code_bytes: int = 0
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        known = {
            "kernel": KERNEL_CLASSES,
            "blocks": ("", "channels", "depthwise"),
            "steps": ("rows", "pixels", "largest"),
        }
        for name, values in known.items():
            value = getattr(self, name)
            if isinstance(value, str) and value not in values:
                expected = ", ".join(map(repr, values))
                raise ConfigError(f"bad operator {self.kind}: expected {name} of {expected}, received {value!r}")
