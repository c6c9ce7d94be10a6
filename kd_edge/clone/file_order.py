"""The order of a file's inputs and outputs; that of the converter is a hash of their names."""

from typing import TYPE_CHECKING

from ai_edge_litert import schema_py_generated as schema

from kd_edge.errors import ModelError

if TYPE_CHECKING:
    import keras


def in_order_of(clone: "keras.Model", content: bytes) -> bytes:
    """Return the file of a clone that lists inputs and outputs as the clone does.

    Args:
        clone: Made by `batch_of_one`.
        content: Bytes of the file that the converter made of it.

    Raises:
        ModelError: The file has other inputs or outputs.
    """
    ordered = bytearray(content)
    root = schema.Model.GetRootAs(ordered)
    graph, signature = root.Subgraphs(0), root.SignatureDefs(0)
    outputs = [f"output_{position}" for position in range(graph.OutputsLength())]
    for side, names in (("Inputs", [source.name for source in clone.inputs]), ("Outputs", outputs)):
        entries = [getattr(signature, side)(i) for i in range(getattr(signature, f"{side}Length")())]
        tensors = {entry.Name().decode(): entry.TensorIndex() for entry in entries}
        if len(names) < 2:
            continue
        if set(names) != set(tensors):
            raise ModelError(f"expected {side.lower()} {names} in the file, received {sorted(tensors)}")
        getattr(graph, f"{side}AsNumpy")()[:] = [tensors[name] for name in names]
    return bytes(ordered)
