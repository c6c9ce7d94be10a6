"""Reads a `.tflite` file without TensorFlow and without running it."""

import functools
import hashlib
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from tflite_bench.errors import ConfigError, ModelFileError
from tflite_bench.model.flatbuffer import READ_ERRORS, FlatbufferReader, OptionValue, enum_name
from tflite_bench.model.info import ByteView, ModelInfo, OpInfo, SubgraphInfo, TensorInfo
from tflite_bench.model.operators.registry import spec_of

# Kernels of TFLite and TFLM count the elements of a tensor in a C int (RuntimeShape::FlatSize).
_MAX_ELEMENTS = 2**31 - 1
_MAX_RANK = 32
# Far above any model for a phone; keeps a hostile file's listing of one table a million times short.
_MAX_PARTS = 100_000
_MAX_FILE_BYTES = 2**32 - 1


def read_model(source: str | Path | bytes, *, name: str | None = None) -> ModelInfo:
    """Read a `.tflite` file: its operators, tensors and constants.

    The file may come from anywhere: every offset, index, shape and length is checked, and time and memory stay
    proportional to its size. A model that reads well can still be refused or crashed on by a runtime.

    Args:
        source: Path of the file, or its bytes.
        name: What errors call it; the path by default.

    Returns:
        The model. Constants are views into the bytes.

    Raises:
        ModelFileError: The file is missing, cut off, no `.tflite` file, or contradicts itself.
        ConfigError: The source is neither a path nor bytes.

    Example:

    ```python
    model = read_model("model.tflite")
    print([op.name for op in model.ops], model.input_tensors[0].shape)
    ```
    """
    content = source if isinstance(source, bytes) else read_file(source)
    name = name or ("the model" if isinstance(source, bytes) else str(source))
    try:
        return _read(content)
    except ModelFileError as error:
        raise ModelFileError(f"cannot read {name}: {error}") from None
    except READ_ERRORS as error:
        raise ModelFileError(
            f"cannot read {name}: expected a .tflite file, received {len(content)} bytes whose offsets lead nowhere; "
            "the file may be cut off"
        ) from error


def read_file(path: str | Path) -> bytes:
    """Return the bytes of a model file.

    Raises:
        ModelFileError: There is no such file, it is too large for the format, or it cannot be read.
        ConfigError: What was handed over is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"expected the path or the bytes of a .tflite file, received {type(path).__name__}")
    try:
        if not Path(path).is_file():
            found = "a folder" if Path(path).is_dir() else "a device or pipe" if Path(path).exists() else "no file"
            raise ModelFileError(f"cannot read {path}: expected a .tflite file, found {found} there")
        if Path(path).stat().st_size > _MAX_FILE_BYTES:
            raise ModelFileError(f"cannot read {path}: expected at most {_MAX_FILE_BYTES} bytes, the format's limit")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _check_header(content: bytes) -> None:
    if content[4:8] != b"TFL3":
        raise ModelFileError(
            f"expected a .tflite file ('TFL3' at byte 4), received {len(content)} bytes with {content[4:8]!r} there"
        )


@functools.lru_cache(maxsize=1)  # one command asks several times about one file
def _read(content: bytes) -> ModelInfo:
    _check_header(content)
    return _Assembler(content).model()


class _Assembler:
    """Turns the flatbuffer's tables into a ModelInfo."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._reader = FlatbufferReader(content)
        self._root = schema.Model.GetRootAs(content)

    def model(self) -> ModelInfo:
        reader, root = self._reader, self._root
        if not root.SubgraphsLength():
            raise ModelFileError("the file holds no subgraph")
        buffers = self._buffers()
        codes = [self._op_code(table) for table in _limited(root, "OperatorCodes", reader)]
        first, *others = (self._subgraph(table, buffers, codes) for table in _limited(root, "Subgraphs", reader))
        for number, subgraph in enumerate((first, *others)):
            _check_indices(subgraph, number)
            _check_order(subgraph, number)
        return ModelInfo(
            size_bytes=len(self._content),
            sha256=hashlib.sha256(self._content).hexdigest(),
            description=reader.text(root.Description()),
            schema_version=root.Version(),
            tensors=first.tensors,
            ops=first.ops,
            inputs=first.inputs,
            outputs=first.outputs,
            others=tuple(others),
            metadata=tuple(reader.text(entry.Name()) for entry in reader.tables(root, "Metadata")),
            signatures=tuple(reader.text(entry.SignatureKey()) for entry in reader.tables(root, "SignatureDefs")),
        )

    def _subgraph(self, graph: Any, buffers: list[ByteView | None], codes: list[tuple[str, bool, int]]) -> SubgraphInfo:
        reader = self._reader
        tensors = (
            self._tensor(index, table, buffers) for index, table in enumerate(_limited(graph, "Tensors", reader))
        )
        return SubgraphInfo(
            tensors=tuple(tensors),
            ops=tuple(self._ops(graph, codes)),
            inputs=reader.numbers(graph, "Inputs"),
            outputs=reader.numbers(graph, "Outputs"),
        )

    def _buffers(self) -> list[ByteView | None]:
        """Return the bytes of every buffer; large models keep them behind the flatbuffer, by offset and size."""
        buffers: list[ByteView | None] = []
        for index, table in enumerate(_limited(self._root, "Buffers", self._reader)):
            view = self._reader.view(table, "Data")
            offset, size = table.Offset(), table.Size()
            if view is None and offset > 1:
                if offset + size > len(self._content):
                    raise ModelFileError(f"buffer {index} ends at byte {offset + size} of {len(self._content)}")
                view = np.frombuffer(self._content, np.uint8, count=size, offset=offset)
            buffers.append(view)
        return buffers

    def _tensor(self, index: int, table: Any, buffers: list[ByteView | None]) -> TensorInfo:
        shape = self._reader.numbers(table, "Shape")
        if len(shape) > _MAX_RANK or min(shape, default=0) < 0 or math.prod(shape) > _MAX_ELEMENTS:
            raise ModelFileError(
                f"tensor {index} has the shape {_short(shape)}: expected sizes of 0 or more, "
                f"at most {_MAX_ELEMENTS} elements and {_MAX_RANK} dimensions"
            )
        if table.Buffer() >= max(1, len(buffers)):
            raise ModelFileError(f"tensor {index} uses buffer {table.Buffer()}, but the file has {len(buffers)}")
        # Buffer 0 is the empty one by convention, whatever it holds.
        data = buffers[table.Buffer()] if table.Buffer() else None
        tensor = TensorInfo(
            index=index,
            name=self._reader.text(table.Name()),
            shape=shape,
            shape_signature=self._reader.numbers(table, "ShapeSignature") or shape,
            dtype=enum_name("TensorType", table.Type()).lower(),
            buffer=table.Buffer(),
            is_variable=table.IsVariable(),
            is_sparse=table.Sparsity() is not None,
            data=data,
            **self._quantization(index, table.Quantization(), shape),
        )
        expected = tensor.num_bytes
        if data is not None and expected is not None and not tensor.is_sparse and len(data) < expected:
            raise ModelFileError(f"tensor {index} needs {expected} bytes, but its buffer holds {len(data)}")
        return tensor

    def _quantization(self, index: int, table: Any, shape: tuple[int, ...]) -> dict[str, Any]:
        if table is None:
            return {}
        scales = self._reader.numbers(table, "Scale")
        zero_points = self._reader.numbers(table, "ZeroPoint")
        dimension = table.QuantizedDimension()
        if not all(math.isfinite(scale) and scale >= 0 for scale in scales):
            raise ModelFileError(f"tensor {index} has a quantization scale that is negative or not finite")
        # Some files give a bias its filter's dimension, so only the count can be held against the shape.
        if len(scales) > 1 and len(scales) not in shape:
            raise ModelFileError(f"tensor {index} has {len(scales)} scales for the shape {_short(shape)}")
        if len(zero_points) not in (0, 1, len(scales)):
            raise ModelFileError(f"tensor {index} has {len(scales)} scales but {len(zero_points)} zero points")
        return {"scales": scales, "zero_points": zero_points, "quantized_dimension": dimension}

    def _ops(self, graph: Any, codes: list[tuple[str, bool, int]]) -> "list[OpInfo]":
        ops = []
        for index, table in enumerate(_limited(graph, "Operators", self._reader)):
            if table.OpcodeIndex() >= len(codes):
                raise ModelFileError(f"op {index} uses code {table.OpcodeIndex()}, but the file has {len(codes)}")
            name, custom, version = codes[table.OpcodeIndex()]
            inputs, outputs = (self._reader.numbers(table, side) for side in ("Inputs", "Outputs"))
            options = self._custom_options(table, name) if custom else self._options(table)
            ops.append(OpInfo(index, name, custom, version, inputs, outputs, options))
        return ops

    def _op_code(self, table: Any) -> tuple[str, bool, int]:
        # Old files have only the 8-bit field, new ones hold its largest value there.
        name = enum_name("BuiltinOperator", max(table.BuiltinCode(), table.DeprecatedBuiltinCode()))
        custom = name == "CUSTOM"
        # A custom operator may lack its code; one without a name would vanish from lists of names.
        return (self._reader.text(table.CustomCode()) or name) if custom else name, custom, table.Version()

    def _options(self, table: Any) -> dict[str, OptionValue]:
        options: dict[str, OptionValue] = {}
        for union in ("BuiltinOptions", "BuiltinOptions2"):
            kind = enum_name(union, getattr(table, f"{union}Type")())
            value = getattr(table, union)()
            if kind != "NONE" and value is not None:
                options |= self._reader.options(kind, value)
        return options

    def _custom_options(self, table: Any, name: str) -> dict[str, OptionValue]:
        """Return those options of a custom operator that its cost depends on: they are a flexbuffer's map."""
        flags = spec_of(name).flags
        content = bytes(self._reader.numbers(table, "CustomOptions")) if flags else b""
        if not content:
            return {}
        try:
            options = flexbuffers.GetRoot(content).AsMap
            found = {flag: _option(options, flag) for flag in flags}
        except KeyError as error:  # a width of numbers that does not exist
            raise ModelFileError(f"the options of {name} are no map of a flexbuffer") from error
        return {flag: value for flag, value in found.items() if value is not None}


def _option(options: flexbuffers.Map, name: str) -> int | None:
    try:
        return int(options[name].AsInt)
    except KeyError as error:
        if error.args == (name,):
            return None
        raise


def _limited(owner: Any, name: str, reader: FlatbufferReader) -> Any:
    length = getattr(owner, f"{name}Length")()
    if length > _MAX_PARTS:
        raise ModelFileError(f"the file states {length} {name.lower()}: expected at most {_MAX_PARTS}")
    return reader.tables(owner, name)


def _check_indices(graph: SubgraphInfo, number: int) -> None:
    count = len(graph.tensors)
    for op in graph.ops:
        if any(not -1 <= i < count for i in (*op.inputs, *op.outputs)):
            raise ModelFileError(f"{_place(op, number)} uses a tensor outside 0 to {count - 1}")
    if any(not 0 <= i < count for i in (*graph.inputs, *graph.outputs)):
        raise ModelFileError(f"the {_owner(number)} inputs or outputs name a tensor outside 0 to {count - 1}")


def _check_order(graph: SubgraphInfo, number: int) -> None:
    """Check that every op reads only what is there by then: the op order of the file is the order of execution."""
    ready = {t.index for t in graph.tensors if t.constant or t.is_variable or t.num_elements == 0}
    ready.update(graph.inputs, [-1])
    written: set[int] = set()
    for op in graph.ops:
        # A custom op may have working memory among its inputs, which nothing writes before.
        for index in () if op.custom else op.inputs:
            if index not in ready:
                raise ModelFileError(f"{_place(op, number)} reads tensor {index} before any op writes it")
        for index in op.outputs:
            if index in written or (index >= 0 and graph.tensors[index].constant):
                raise ModelFileError(f"{_place(op, number)} writes tensor {index}, which already has its value")
        written.update(i for i in op.outputs if i >= 0 and not graph.tensors[i].is_variable)
        ready.update(op.outputs)
    for index in graph.outputs:
        if index not in ready:
            raise ModelFileError(f"the {_owner(number)} output, tensor {index}, is written by no op")


def _place(op: OpInfo, subgraph: int) -> str:
    where = f" of subgraph {subgraph}" if subgraph else ""
    return f"op {op.index} ({op.name}){where}"


def _owner(subgraph: int) -> str:
    return f"subgraph {subgraph}'s" if subgraph else "model's"


def _short(shape: tuple[int, ...]) -> str:
    return str(shape) if len(shape) <= 8 else f"{str(shape[:8])[:-1]}, ...)"
