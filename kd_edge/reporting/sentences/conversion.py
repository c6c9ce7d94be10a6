"""What a conversion did and what a runtime refuses, in words."""

from collections.abc import Iterable, Iterator

from kd_edge.reporting.documents import Result
from kd_edge.reporting.sentences.formatting import counted
from kd_edge.reporting.sentences.metric_words import metric_of, metric_word, points_word
from tflite_bench.model.runtime_support import Refusal


def convert_lines(result: Result) -> Iterator[str]:
    """Yield what a conversion warned of."""
    yield from _tuning_lines(result["qat"], points_word(metric_of(result)))
    if gain := result.get("compression"):
        yield (
            f"{gain['how']}: {gain['gzip_bytes']:,} B zipped without metadata, "
            f"before {gain['uncompressed_gzip_bytes']:,} B; "
            f"{metric_word(metric_of(result))} on the validation samples {gain['accuracy']:z.3f}, "
            f"before {gain['uncompressed_accuracy']:z.3f}"
        )
    if result.get("output_nrmse") is not None:
        share = f"{max(100 * result['output_nrmse'], 0.01):.2f} % of their standard deviation"
        yield f"the file's outputs differ from the student's by {share} (measured in LiteRT)"
    elif reason := result.get("unavailable_reason", {}).get("output_nrmse"):
        yield f"how far the file's outputs are from the student's: not known, {reason}"
    yield from (f"warning: {sentence}" for sentence in result["warnings"])
    for op in result["missing_ops"] or ():
        yield f"warning: TFLM has no kernel for {op['op']}, layer {op['layer']!r}"
    missing = {op["op"] for op in result["missing_ops"] or ()}
    others = [refusal for refusal in result.get("refusals") or () if refusal["op"] not in missing]
    yield from (f"warning: TFLM: {line}" for line in refusal_lines(others))
    if result["missing_ops"] is None:
        yield f"operators that TFLM lacks: not known, {result['unavailable_reason']['missing_ops']}"


def refusal_lines(refusals: Iterable[Result]) -> Iterator[str]:
    """Yield what a runtime refuses, and why."""
    for refusal in refusals:
        found = Refusal(**refusal)
        yield f"refused: {found}"


def _tuning_lines(tuning: Result, points: str) -> Iterator[str]:
    if tuning["float_accuracy"] is None:
        return
    line = f"int8 {_gained(tuning['int8_accuracy'] - tuning['float_accuracy'], points)} on the validation samples"
    if tuning["tuned_accuracy"] is not None:
        after = _gained(tuning["tuned_accuracy"] - tuning["float_accuracy"], points)
        taken = "taken" if tuning["used"] else "not taken"
        line += f"; after quantization-aware training it {after} ({taken}, {tuning['seconds']:.0f} s)"
    yield line


def _gained(share: float, points: str) -> str:
    """Return by how much an accuracy has grown or fallen, in `points`."""
    gained = round(100 * share, 1)
    if not gained:
        return "costs nothing"
    return f"{'gains' if gained > 0 else 'costs'} {counted(abs(gained), points.replace('points', 'point'), points)}"
