"""What a `.tflite` file holds: tensors, operators, subgraphs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tflite_bench.errors import ModelFileError
from tflite_bench.model.flatbuffer import OptionValue

ByteView = np.ndarray[Any, np.dtype[np.uint8]]

# Types whose elements numpy cannot hold, with the bits that one element takes in the file.
_PACKED_BITS = {"int4": 4, "uint4": 4, "int2": 2, "bfloat16": 16, "float8_e4m3fn": 8, "float8_e5m2": 8}
_UNSIZED = ("string", "variant")
# What an interpreter keeps of a resource is its number.
_RESOURCE_BYTES = 4


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of a model.

    Attributes:
        index: Position in `ModelInfo.tensors`.
        name: As in the file; may be empty.
        shape: Dimensions as stored, the batch included; `()` for a scalar.
        shape_signature: The same with -1 where a dimension may change at run time; equal to `shape` if none may.
        dtype: Element type as numpy spells it (`"int8"`, `"float32"`), or `"int4"`, `"string"` and the like.
        buffer: Index of the buffer in the file that holds a constant's bytes; 0 for none.
        is_variable: True for a state that survives from one inference to the next.
        is_sparse: True if `data` holds a compressed form.
        scales: Quantization scales: none, one per tensor, or one per index of `quantized_dimension`.
        zero_points: The matching zero points.
        quantized_dimension: The dimension that the scales run along.
        data: Bytes of a constant, a read-only view into the file; None for everything else.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    dtype: str
    buffer: int = 0
    is_variable: bool = False
    is_sparse: bool = False
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantized_dimension: int = 0
    data: ByteView | None = field(default=None, repr=False, compare=False)

    @property
    def constant(self) -> bool:
        """True for weights, biases and other values that the file holds."""
        return self.data is not None

    @property
    def constant_bytes(self) -> int:
        """Bytes that the constant takes in the file; 0 if there is none."""
        return 0 if self.data is None else len(self.data)

    @property
    def num_scales(self) -> int:
        """Number of quantization scales: 0 unquantized, 1 per tensor, else one per channel."""
        return len(self.scales)

    @property
    def num_elements(self) -> int:
        """Product of the dimensions; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int | None:
        """Bytes of the tensor's contents; None where the type does not say (strings)."""
        if self.dtype in _UNSIZED:
            return None
        if self.dtype == "resource":
            return self.num_elements * _RESOURCE_BYTES
        bits = _PACKED_BITS.get(self.dtype)
        return self.num_elements * np.dtype(self.dtype).itemsize if bits is None else -(-self.num_elements * bits // 8)

    def array(self) -> "np.ndarray[Any, Any]":
        """Return a constant in its shape and type, without copying.

        Raises:
            ModelFileError: The tensor is no constant, or numpy cannot hold its elements; `data` has the raw bytes.
        """
        if self.data is None or self.num_bytes is None or self.dtype in _PACKED_BITS or self.is_sparse:
            kind = "no constant" if self.data is None else f"a constant of {self.dtype} in a form that numpy lacks"
            raise ModelFileError(f"tensor {self.index} ({self.name!r}) is {kind}; use `data` for raw bytes")
        return self.data[: self.num_bytes].view(self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class OpInfo:
    """One operator of a model.

    Attributes:
        index: Position in the order of execution.
        name: TFLite's name, e.g. `"CONV_2D"`, or the code of a custom operator.
        custom: True for a custom operator.
        version: Version of the operator that the file asks for.
        inputs: Indices into `ModelInfo.tensors`; -1 for an absent optional one.
        outputs: Indices into `ModelInfo.tensors`.
        options: The operator's settings under the schema's names in snake case, e.g. `stride_h`, `dilation_w_factor`,
            `filter_height`, `depth_multiplier`, `axis`; `padding` (`"SAME"`, `"VALID"`) and `fused_activation`
            (`"NONE"`, `"RELU"`, ...) are names.
    """

    index: int
    name: str
    custom: bool
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, OptionValue] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class SubgraphInfo:
    """One subgraph of a `.tflite` file, a network of its own.

    Attributes:
        tensors: Its tensors, by index.
        ops: Its operators in the order of execution.
        inputs: Indices of the tensors that the caller fills.
        outputs: Indices of the tensors that the caller reads.
    """

    tensors: tuple[TensorInfo, ...]
    ops: tuple[OpInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class ModelInfo:
    """What a `.tflite` file holds: its first subgraph, which is what runs, its other ones, and facts about the file.

    Attributes:
        size_bytes: Size of the file.
        sha256: Hash of the file, in hexadecimal.
        description: Free text that the converter left, e.g. `"MLIR Converted."`.
        schema_version: Version of the file format; 3 today.
        tensors: All tensors, by index.
        ops: All operators in the order of execution.
        inputs: Indices of the tensors that the caller fills.
        outputs: Indices of the tensors that the caller reads.
        others: The other subgraphs in the file's order: what control flow calls, and other signatures.
        metadata: Names of the metadata entries.
        signatures: Keys of the signatures.
    """

    size_bytes: int
    sha256: str
    description: str
    schema_version: int
    tensors: tuple[TensorInfo, ...]
    ops: tuple[OpInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    others: tuple[SubgraphInfo, ...] = ()
    metadata: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()

    @property
    def subgraphs(self) -> tuple[SubgraphInfo, ...]:
        """All subgraphs in the file's order."""
        return (SubgraphInfo(self.tensors, self.ops, self.inputs, self.outputs), *self.others)

    @property
    def num_subgraphs(self) -> int:
        """Number of subgraphs; more than 1 for models with control flow or several signatures."""
        return 1 + len(self.others)

    @property
    def input_tensors(self) -> tuple[TensorInfo, ...]:
        """The tensors that the caller fills."""
        return tuple(self.tensors[i] for i in self.inputs)

    @property
    def output_tensors(self) -> tuple[TensorInfo, ...]:
        """The tensors that the caller reads."""
        return tuple(self.tensors[i] for i in self.outputs)
