"""A `.tflite` model as bytes, and as objects that can be changed."""

from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

_CONTENTS_ALIGNMENT = 16


class _AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Aligns the contents of buffers as the schema demands; neither the generated code nor the converter does."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802
        aligned = _CONTENTS_ALIGNMENT if elemSize == 1 else alignment
        return super().StartVector(elemSize, numElems, aligned)


def pack(model: Any) -> bytes:
    """Return the file of a model of the schema's object classes, such as `schema.ModelT`.

    The contents of its buffers begin at multiples of 16 bytes: kernels with wide loads count on that.
    """
    builder = _AlignedBuilder(4096)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def has_all_constants(model: Any) -> bool:
    """Return whether the constants of a model lie in its flatbuffer, where `pack` keeps them: beyond 2 GB they do not.

    Args:
        model: From `unpack`.
    """
    return all(buffer.offset <= 1 for buffer in model.buffers)


def unpack(content: bytes) -> Any:
    """Return a `.tflite` file that `read_model` has accepted as the schema's object classes."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
