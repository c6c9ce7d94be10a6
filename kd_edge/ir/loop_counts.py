"""How often the loop of a `.tflite` file runs, where its constants show it."""

from collections.abc import Sequence

from tflite_bench.model.info import OpInfo, SubgraphInfo, TensorInfo

_INTEGERS = ("int32", "int64")


def loop_rounds(loop: OpInfo, caller: SubgraphInfo, condition: SubgraphInfo, body: SubgraphInfo) -> int | None:
    """Return how often a WHILE runs its body: the loops over time that the converter writes count up to a constant.

    Args:
        loop: The WHILE.
        caller: The subgraph it is in.
        condition: The subgraph that says whether there is another round.
        body: The subgraph of a round.

    Returns:
        The number; `None` where it depends on what is computed.
    """
    if len(condition.outputs) != 1:
        return None
    rounds = [_rounds(test, loop, caller, condition, body) for test in _tests(condition.outputs[0], condition)]
    known = [count for count in rounds if count is not None]
    return min(known) if known and len(known) == len(rounds) else None


def _tests(value: int, condition: SubgraphInfo) -> list[OpInfo | None]:
    """Return the comparisons that all have to hold for another round."""
    maker = _maker(value, condition)
    if maker is not None and maker.name == "LOGICAL_AND":
        return [test for source in maker.inputs for test in _tests(source, condition)]
    return [maker]


def _rounds(
    test: OpInfo | None, loop: OpInfo, caller: SubgraphInfo, condition: SubgraphInfo, body: SubgraphInfo
) -> int | None:
    if test is None or test.name != "LESS" or len(test.inputs) != 2 or test.inputs[0] not in condition.inputs:
        return None
    place = condition.inputs.index(test.inputs[0])
    if max(len(loop.inputs), len(body.inputs), len(body.outputs)) <= place:
        return None
    limit, start = _number(test.inputs[1], condition.tensors), _number(loop.inputs[place], caller.tensors)
    step = _step(body.outputs[place], body.inputs[place], body)
    if limit is None or start is None or step is None or step <= 0:
        return None
    return max(0, -(-(limit - start) // step))


def _step(written: int, read: int, body: SubgraphInfo) -> int | None:
    """Return by how much a round raises a counter."""
    maker = _maker(written, body)
    if maker is None or maker.name != "ADD" or read not in maker.inputs:
        return None
    others = [index for index in maker.inputs if index != read]
    return _number(others[0], body.tensors) if len(others) == 1 else None


def _maker(value: int, graph: SubgraphInfo) -> OpInfo | None:
    return next((op for op in graph.ops if value in op.outputs), None)


def _number(index: int, tensors: Sequence[TensorInfo]) -> int | None:
    """Return a constant of one whole number."""
    tensor = tensors[index] if index >= 0 else None
    if tensor is None or not tensor.constant or tensor.num_elements != 1 or tensor.dtype not in _INTEGERS:
        return None
    return int(tensor.array().reshape(-1)[0])
