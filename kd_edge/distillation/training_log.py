"""What the guides of a training cost, and what halting them saved."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import keras
import tensorflow as tf

from kd_edge.distillation.guides.base import Guide
from kd_edge.distillation.monitor import NotFinite
from kd_edge.distillation.results import HaltingReport
from tflite_bench.provenance import Computed, Measured

# Beside the one that compiles the step: of one epoch nobody knows how much another would differ.
_FEWEST_EPOCHS = 2


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
    num_skipped: Measured[int] = 0


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
        self.num_skipped = {
            name: keras.metrics.Sum(name=f"{name}_skipped", dtype="int64") for name in ("teacher", "trainee")
        }
        self.not_finite = NotFinite()
        self.halts: dict[str, Halt] = {}
        self._epochs: list[_Epoch] = []
        self._num_before: int | None = None

    def count(self, outputs: Any, terms: Mapping[str, Any]) -> None:
        """Count the samples of a batch and look at the terms of its loss; part of the compiled step."""
        self.num_samples.update_state(tf.shape(keras.tree.flatten(outputs)[0], tf.int64)[0])
        self.not_finite.update_state(terms)

    def count_skipped(self, guide: str, asked: Any) -> None:
        """Count the samples of a batch that a guide is not asked for; part of the compiled step."""
        self.num_skipped[guide].update_state(tf.reduce_sum(tf.cast(~asked, tf.int64)))

    def start_epoch(self, num_steps: int) -> None:
        """Note an optimizer's count of steps at the start of an epoch: it begins anew whenever it is compiled."""
        self._num_before = num_steps

    def count_steps(self, num_steps: int) -> int:
        """Return the steps of all finished epochs and of the one that runs, or those that were trained by hand.

        Args:
            num_steps: What the optimizer has counted.
        """
        finished = sum(epoch.num_steps for epoch in self._epochs)
        return max(finished, num_steps) if self._num_before is None else finished + num_steps - self._num_before

    def stop_epoch(self) -> None:
        """Note that no epoch runs; what was not added counts no more."""
        self._num_before = None

    def add_epoch(self, guides: tuple[str, ...] | None, seconds: float, num_steps: int) -> None:
        """Note the time that the steps of an epoch took with some guides; `None` if one left before its end."""
        self._epochs.append(_Epoch(guides, seconds, num_steps))
        self.stop_epoch()

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
            "num_skipped": {name: int(skipped.result()) for name, skipped in self.num_skipped.items()},
            "halts": {name: asdict(halt) for name, halt in self.halts.items()},
            "epochs": [asdict(epoch) for epoch in self._epochs],
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Take over what `to_plain` gave."""
        self.num_samples.total.assign(plain["num_samples"])
        for name, skipped in plain.get("num_skipped", {}).items():
            self.num_skipped[name].total.assign(skipped)
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
            num_skipped=int(self.num_skipped[guide.name].result()),
        )

    def _report(self, name: str, facts: Halt, *, halted: bool) -> HaltingReport:
        num_asked = facts.num_samples - facts.num_skipped
        num_spared = int(self.num_samples.result()) - num_asked
        macs = facts.macs_per_sample
        num_steps = sum(e.num_steps for e in self._epochs)
        steps_live = facts.step if halted else num_steps
        spent = saved = None
        if (seconds := self._step_seconds(name)) is not None:
            spent, saved = ((seconds[0] - seconds[1]) * steps for steps in (steps_live, num_steps - steps_live))
            saved = max(0.0, saved - self._compiling_seconds(steps_live, *seconds))
        megabytes = facts.num_bytes / 1e6
        passes = num_asked / self._samples_per_epoch if facts.num_passes is None else facts.num_passes
        return HaltingReport(
            guide=name,
            halted=halted,
            epoch=facts.epoch if halted else None,
            step=facts.step if halted else None,
            reason=facts.reason,
            num_samples=facts.num_samples,
            data_passes=passes,
            macs_spent=None if macs is None else macs * num_asked,
            macs_saved=None if macs is None else macs * num_spared,
            seconds_spent=spent,
            seconds_saved=saved,
            megabytes_spent=megabytes,
            megabytes_saved=megabytes if halted else 0.0,
            share_asked=num_asked / facts.num_samples if facts.num_samples else 1.0,
        )

    @property
    def _samples_per_epoch(self) -> float:
        return int(self.num_samples.result()) / max(len(self._epochs), 1) or math.inf

    def _step_seconds(self, name: str) -> tuple[float, float] | None:
        """Seconds of the last steps with a guide, and of the first without it.

        `None` where they are not known: with fewer than two epochs of either kind beside the first one, which compiles
        its step, or where the difference of their means is within twice its standard error (B. L. Welch, "The
        generalization of 'Student's' problem", Biometrika 34 (1947), 28-35), so that other work of the machine may be
        all of it.
        """
        with_guide = [e.guides for e in self._epochs if e.guides and name in e.guides]
        if not with_guide:
            return None
        others = tuple(other for other in with_guide[-1] if other != name)
        kinds = [self._seconds_per_step(guides) for guides in (with_guide[-1], others)]
        if any(len(seconds) < _FEWEST_EPOCHS for seconds in kinds):
            return None
        slow, fast = map(statistics.fmean, kinds)
        error = math.sqrt(sum(statistics.variance(seconds) / len(seconds) for seconds in kinds))
        return (slow, fast) if slow - fast > 2 * error else None

    def _compiling_seconds(self, step: int, slow: float, fast: float) -> float:
        """Seconds by which the epoch in which a guide left, or the next one, exceeds its steps: they compile a new one.

        Args:
            step: Steps done when the guide left.
            slow: Seconds of a step with the guide.
            fast: Those of one without it.
        """
        done = 0
        for epoch in self._epochs:
            done += epoch.num_steps
            if done > step:
                without = min(done - step, epoch.num_steps)
                return max(0.0, epoch.seconds - slow * (epoch.num_steps - without) - fast * without)
        return 0.0

    def _seconds_per_step(self, guides: tuple[str, ...]) -> list[float]:
        """Return those of each epoch with these guides and no others, but for the first."""
        return [e.seconds / e.num_steps for e in self._epochs if e.guides == guides and e.num_steps][1:]
