"""Model inspection: what a `.tflite` file holds, as `tflite-bench inspect` shows it."""

from dataclasses import dataclass, fields

from tflite_bench.model.info import ModelInfo, OpInfo, TensorInfo
from tflite_bench.provenance import Computed, Given, Measured


@dataclass(frozen=True)
class TensorContents:
    """A tensor without its values; see `TensorInfo` for the fields."""

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    dtype: str
    buffer: int
    is_variable: bool
    is_sparse: bool
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_dimension: int
    constant: bool
    constant_bytes: int


@dataclass(frozen=True)
class ModelContents:
    """A model; see `ModelInfo` for the fields. What the file states is given.

    Attributes:
        constant_bytes: Bytes of all constants, of every subgraph; a buffer that several tensors share counts once.
        ops: Operators of the first subgraph, which is what runs.
        tensors: Its tensors.
    """

    size_bytes: Measured[int]
    sha256: str
    description: str
    schema_version: Given[int]
    num_subgraphs: Given[int]
    metadata: tuple[str, ...]
    signatures: tuple[str, ...]
    inputs: Given[tuple[int, ...]]
    outputs: Given[tuple[int, ...]]
    constant_bytes: Computed[int]
    ops: Given[tuple[OpInfo, ...]]
    tensors: Given[tuple[TensorContents, ...]]


def contents_of(model: ModelInfo) -> ModelContents:
    """Return what a model holds, without the values of its constants."""
    return ModelContents(
        size_bytes=model.size_bytes,
        sha256=model.sha256,
        description=model.description,
        schema_version=model.schema_version,
        num_subgraphs=model.num_subgraphs,
        metadata=model.metadata,
        signatures=model.signatures,
        inputs=model.inputs,
        outputs=model.outputs,
        constant_bytes=constant_bytes(model),
        ops=model.ops,
        tensors=tuple(_tensor(tensor) for tensor in model.tensors),
    )


def constant_bytes(model: ModelInfo) -> int:
    """Return the bytes of all constants, of every subgraph; a buffer that several tensors share counts once."""
    tensors = (tensor for graph in model.subgraphs for tensor in graph.tensors)
    return sum({tensor.buffer: tensor.constant_bytes for tensor in tensors if tensor.constant}.values())


def _tensor(tensor: TensorInfo) -> TensorContents:
    return TensorContents(**{part.name: getattr(tensor, part.name) for part in fields(TensorContents)})
