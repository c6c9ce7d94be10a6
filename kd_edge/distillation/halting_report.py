"""What the guides of a training cost, and what halting them saved."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import keras
import tensorflow as tf

from kd_edge.distillation.guides import Guide
from kd_edge.distillation.monitor import NotFinite
from tflite_bench.provenance import Computed, Estimated, Measured, provenance_of

_UNITS = {
    "epoch": "finished epochs",
    "step": "optimizer steps",
    "num_samples": "samples",
    "data_passes": "passes over the training samples",
    "macs_spent": "multiply-accumulates",
    "macs_saved": "multiply-accumulates",
    "seconds_spent": "s",
    "seconds_saved": "s",
    "megabytes_spent": "MB (10^6 bytes)",
    "megabytes_saved": "MB (10^6 bytes)",
}


@dataclass(frozen=True, slots=True)
class HaltingReport:
    """What one guide cost and what halting it saved, against keeping it to the end of the same training.

    Attributes:
        guide: `"teacher"` or `"trainee"`.
        halted: Whether it left before the end.
        epoch: Epochs finished when it left, `None` if it stayed.
        step: Optimizer steps done when it left, `None` if it stayed.
        reason: Why it left.
        num_samples: Samples that it saw in training steps.
        data_passes: How often it ran over the training samples; a fraction counts the part of an epoch.
        macs_spent: Multiply-accumulates of its passes; forward for a teacher, three times that for a trainee. `None`
            where the network cannot be lowered, so that they are unknown.
        macs_saved: Those it would have needed from then on; `None` as above.
        seconds_spent: Wall-clock time that it added to the steps: their number times the difference between a step
            with it and a step without it; `None` without steps of both kinds to compare. Below 0 where the machine's
            other work hides it.
        seconds_saved: Wall-clock time that it would have added from then on, by the same difference.
        megabytes_spent: Weights and optimizer slots while it was there.
        megabytes_saved: Those freed when it left, from the shapes; whether the process shrinks by them is up to
            TensorFlow's allocator, see `Distiller.halt`.
    """

    guide: str
    halted: bool
    epoch: Measured[int] | None
    step: Measured[int] | None
    reason: str
    num_samples: Measured[int]
    data_passes: Measured[float]
    macs_spent: Computed[int] | None
    macs_saved: Computed[int] | None
    seconds_spent: Estimated[float] | None
    seconds_saved: Estimated[float] | None
    megabytes_spent: Computed[float]
    megabytes_saved: Computed[float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with the unit and the provenance of each figure."""
        values = asdict(self)
        reasons = {
            "macs": "the network has layers or a form whose MACs cannot be counted",
            "seconds": "needs an epoch with and an epoch without the guide",
        }
        return {
            **values,
            "units": dict(_UNITS),
            "provenance": provenance_of(self),
            "unavailable_reason": {
                name: reasons[name.split("_")[0]]
                for name in ("macs_spent", "macs_saved", "seconds_spent", "seconds_saved")
                if values[name] is None
            },
        }


@dataclass(frozen=True, slots=True)
class Halt:
    """A guide that left: its report's facts that nobody can ask it any more."""

    epoch: Measured[int]
    step: Measured[int]
    reason: str
    num_samples: Measured[int]
    macs_per_sample: Computed[int] | None
    num_bytes: Computed[int]
    num_passes: Measured[float] | None


@dataclass(frozen=True, slots=True)
class _Epoch:
    guides: tuple[str, ...] | None  # None: one left before the end
    seconds: float
    num_steps: int


class TrainingLog:
    """Counts samples, epochs and seconds of a training with guides.

    Plain on purpose: Keras neither tracks it nor resets its counter with the metrics.
    """

    def __init__(self) -> None:
        self.num_samples = keras.metrics.Sum(name="num_samples", dtype="int64")
        self.not_finite = NotFinite()
        self.halts: dict[str, Halt] = {}
        self._epochs: list[_Epoch] = []

    def count(self, outputs: Any, terms: Mapping[str, Any]) -> None:
        """Count the samples of a batch and look at the terms of its loss; part of the compiled step."""
        self.num_samples.update_state(tf.shape(keras.tree.flatten(outputs)[0], tf.int64)[0])
        self.not_finite.update_state(terms)

    def add_epoch(self, guides: tuple[str, ...] | None, seconds: float, num_steps: int) -> None:
        """Note the time that the steps of an epoch took with some guides; `None` if one left before its end."""
        self._epochs.append(_Epoch(guides, seconds, num_steps))

    def add_halt(self, guide: Guide, *, epoch: int, step: int, reason: str) -> None:
        """Note that a guide leaves."""
        self.halts[guide.name] = self._facts(guide, epoch=epoch, step=step, reason=reason)

    def reports(self, guides: list[Guide]) -> tuple[HaltingReport, ...]:
        """Return one report per guide, of those that left and of those that are still there."""
        live = {guide.name: self._facts(guide, epoch=0, step=0, reason="") for guide in guides}
        facts = {**self.halts, **live}
        return tuple(
            self._report(name, facts[name], halted=name in self.halts)
            for name in ("teacher", "trainee")
            if name in facts
        )

    def to_plain(self) -> dict[str, Any]:
        """Return what a restored training must know."""
        return {
            "num_samples": int(self.num_samples.result()),
            "halts": {name: asdict(halt) for name, halt in self.halts.items()},
            "epochs": [asdict(epoch) for epoch in self._epochs],
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Take over what `to_plain` gave."""
        self.num_samples.total.assign(plain["num_samples"])
        self.halts = {name: Halt(**halt) for name, halt in plain["halts"].items()}
        self._epochs = [_Epoch(**{**e, "guides": e["guides"] and tuple(e["guides"])}) for e in plain["epochs"]]

    def _facts(self, guide: Guide, *, epoch: int, step: int, reason: str) -> Halt:
        return Halt(
            epoch=epoch,
            step=step,
            reason=reason,
            num_samples=int(self.num_samples.result()),
            macs_per_sample=guide.macs_per_sample,
            num_bytes=sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in guide.variables),
            num_passes=guide.num_passes,
        )

    def _report(self, name: str, facts: Halt, *, halted: bool) -> HaltingReport:
        num_after = int(self.num_samples.result()) - facts.num_samples
        macs = facts.macs_per_sample
        extra = self._extra_seconds(name)
        num_steps = sum(e.num_steps for e in self._epochs)
        steps_live = facts.step if halted else num_steps
        megabytes = facts.num_bytes / 1e6
        passes = facts.num_samples / self._samples_per_epoch if facts.num_passes is None else facts.num_passes
        return HaltingReport(
            guide=name,
            halted=halted,
            epoch=facts.epoch if halted else None,
            step=facts.step if halted else None,
            reason=facts.reason,
            num_samples=facts.num_samples,
            data_passes=passes,
            macs_spent=None if macs is None else macs * facts.num_samples,
            macs_saved=None if macs is None else macs * num_after,
            seconds_spent=None if extra is None else extra * steps_live,
            seconds_saved=None if extra is None else extra * (num_steps - steps_live),
            megabytes_spent=megabytes,
            megabytes_saved=megabytes if halted else 0.0,
        )

    @property
    def _samples_per_epoch(self) -> float:
        return int(self.num_samples.result()) / max(len(self._epochs), 1) or math.inf

    def _extra_seconds(self, name: str) -> float | None:
        """Seconds per step that a guide adds: the last steps with it against the first without it."""
        with_guide = [e.guides for e in self._epochs if e.guides and name in e.guides]
        if not with_guide:
            return None
        others = tuple(other for other in with_guide[-1] if other != name)
        slow, fast = self._seconds_per_step(with_guide[-1]), self._seconds_per_step(others)
        return None if slow is None or fast is None else slow - fast

    def _seconds_per_step(self, guides: tuple[str, ...]) -> float | None:
        epochs = [e for e in self._epochs if e.guides == guides and e.num_steps]
        epochs = epochs[1:] or epochs  # the first one traces the step
        return sum(e.seconds for e in epochs) / sum(e.num_steps for e in epochs) if epochs else None
