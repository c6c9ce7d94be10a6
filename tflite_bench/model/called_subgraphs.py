"""Which subgraphs of a file an operator calls."""

from tflite_bench.model.info import OpInfo

# The options that name them, in the order in which TFLM plans their memory.
_OPTIONS = {
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
    "CALL_ONCE": ("init_subgraph_index",),
}


def called_subgraphs(op: OpInfo) -> tuple[int, ...]:
    """Return the positions of the subgraphs that an operator calls, such as a loop's condition and body."""
    return tuple([int(op.options.get(name, 0)) for name in _OPTIONS.get(op.name, ())])  # type: ignore[arg-type]
