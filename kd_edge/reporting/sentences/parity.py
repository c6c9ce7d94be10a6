"""How two runtimes agree, in words."""

from collections.abc import Iterator

from kd_edge.cost.gate import digits_apart
from kd_edge.reporting.documents import Result

_SAME = {"multilabel": "same labels", "reconstruction": "same verdict", "several": "same decisions"}


def parity_lines(verify: Result) -> Iterator[str]:
    """Yield how LiteRT and TFLM agree, and where they first differ."""
    parity = verify["parity"]
    if parity is None:
        yield f"TFLM was not run: {verify['unavailable_reason'].get('parity', 'unknown')}"
        return
    same = _SAME.get(verify.get("task", ""), "same class")
    yield (
        f"LiteRT and TFLM: {parity['verdict']}; {parity['num_identical']:,} of "
        f"{parity['num_samples']:,} outputs bit for bit the same, largest difference "
        f"{_steps(parity['max_difference'])}"
        + ("" if parity["agreement"] is None else f", {same} in {_part_of_all(parity['agreement'])}")
    )
    first, how = parity["first_divergence"], "first differ by more than one step"
    if first is None:
        first, how = parity["first_difference"], "first differ"
    if first:
        yield (
            f"on the worst sample, number {first['sample']}, they {how} in op {first['index']} "
            f"({first['op']}, layer {first['layer']!r}), by {_steps(first['max_difference'])}"
        )


def _part_of_all(share: float) -> str:
    """Return a share in percent, 100 of them where it is all."""
    return _percent(share, digits_apart(share, 1.0, _percent))


def _percent(share: float, more: int) -> str:
    return f"{share:.{1 + more}%}"


def _steps(difference: float) -> str:
    return f"{difference:.4g} step{'' if difference == 1 else 's'}"
