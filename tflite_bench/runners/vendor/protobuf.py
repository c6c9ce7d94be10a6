"""Protocol buffers whose description no package ships, or ships in a form that only one package may load.

TensorFlow and ai-edge-litert both bring the description of `benchmark_model`'s profiles, under the same names: a
process that loads both fails. A description of one's own, in a pool of its own, gets in nobody's way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Field = tuple[str, int, str]
"""Name, number and type of a field: `"float"`, `"int64"`, `"string"` or a message; `"[...]"` for a list of it."""

_TYPES = {
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}


def message_class(messages: Mapping[str, Sequence[Field]], name: str) -> type[Any]:
    """Return the class of a message.

    Args:
        messages: The fields that are read, of every message; others are skipped.
        name: One of the messages.
    """
    file = descriptor_pb2.FileDescriptorProto(name="tflite_bench.proto", package="tflite_bench", syntax="proto2")
    for message, fields in messages.items():
        description = file.message_type.add(name=message)
        for field, number, kind in fields:
            entry = description.field.add(name=field, number=number)
            entry.label = entry.LABEL_REPEATED if kind.startswith("[") else entry.LABEL_OPTIONAL
            kind = kind.strip("[]")
            entry.type = _TYPES.get(kind, entry.TYPE_MESSAGE)
            if kind not in _TYPES:
                entry.type_name = f".tflite_bench.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    result: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tflite_bench.{name}"))
    return result
