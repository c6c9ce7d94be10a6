"""What halting cost and saved, in words."""

from collections.abc import Iterator

from kd_edge.reporting.documents import Result
from kd_edge.reporting.sentences.formatting import counted, significant


def halting_lines(reports: list[Result]) -> Iterator[str]:
    """Yield one line per guide: whether and why it was halted, what it cost and what halting it saved."""
    for report in reports:
        passes = f"in {counted(report['data_passes'], 'pass', 'passes')} over the data"
        if report["macs_spent"] == 0:
            yield f"the {report['guide']} was asked before the training, {passes}, and cost nothing in it"
            continue
        spent = f"{_effort(report['macs_spent'], report['seconds_spent'])} {passes}"
        if not report["halted"]:
            yield f"the {report['guide']} stayed to the end and cost {spent}"
            continue
        saved = _effort(report["macs_saved"], report["seconds_saved"])
        yield (
            f"the {report['guide']} was halted after epoch {report['epoch']} ({report['reason']}): it cost {spent}; "
            f"halting it saved {saved} and {significant(report['megabytes_saved'])} MB of memory"
        )


def _macs(macs: int) -> str:
    """Return multiply-accumulates in the unit that leaves figures before the point."""
    unit, divisor = next(((u, d) for u, d in (("G", 1e9), ("M", 1e6), ("k", 1e3)) if macs >= 0.95 * d), ("", 1.0))
    return f"{macs / divisor:,.{1 if unit else 0}f} {unit} MACs".replace("  ", " ")


def _effort(macs: int | None, seconds: float | None) -> str:
    known = [] if macs is None else [f"{_macs(macs)} (computed)"]
    if seconds is not None:
        known.append(f"{f'{seconds:,.0f}' if seconds >= 1 else significant(seconds)} s (estimated)")
    return " and ".join(known) or "an unknown effort"
