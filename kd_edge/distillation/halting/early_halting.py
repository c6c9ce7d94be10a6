"""When a guide leaves the training, and what that saved."""

import math
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple

import keras

from kd_edge.compat.keras import state_without_model
from kd_edge.distillation.arguments import as_count, as_number
from kd_edge.distillation.guide_set import check_observable
from kd_edge.distillation.halting.gradient_probe import GradientProbe, make_probe
from kd_edge.distillation.halting.gradient_rule import GradientEvidence
from kd_edge.distillation.halting.registry import GRADIENTS
from kd_edge.distillation.halting.rules import HaltingRule, make_rule
from kd_edge.distillation.results import HaltingReport
from kd_edge.errors import ConfigError, nearest

__all__ = ["EarlyHalting", "HaltingReport"]


class _Since(NamedTuple):
    """Where the last check was, from the start of an epoch: the sum of what is observed, and the number of steps.

    Both are negative for a check in an earlier epoch.
    """

    total: float = 0.0
    num_steps: int = 0


class EarlyHalting(keras.callbacks.Callback):  # type: ignore[misc]
    """Takes a guide out of the training when it no longer helps.

    The guide's forward and backward pass leave the compiled step for good and its memory is free for what TensorFlow
    allocates next (see `Distiller.halt`); the student and its optimizer go on. The arguments are named as those of
    `keras.callbacks.EarlyStopping`.

    Args:
        guide: `"trainee"` or `"teacher"`.
        rule: `"agreement"` (the student gives the guide's answer for enough samples), `"plateau"` (the guide's
            divergence from the student stopped changing), `"epoch"` (after `start_from_epoch` epochs, whatever
            happens), `"gradient"` (the gradient that the guide gives the student is harmful or redundant, see
            `GradientRule`), another name that `register_rule` made known, or an object with the methods of
            `HaltingRule`. The default is the one that
            `tools/studies/halting/run.py` found for 6 to 40 classes. It needs an output with classes, and with two of
            them is soon reached by chance: take `"plateau"` there.
        monitor: Name in the history of what the rule observes; by default the guide's divergence or agreement. Of
            validation (`"val_..."`) with `check_freq="epoch"` alone.
        min_delta: For `"plateau"`: the smallest relative change that counts. Defaults to 0.05. For `"gradient"`: how
            negative the cosine with the held-out labels' gradient has to be. Defaults to 0.1.
        patience: Checks in a row that must call for halting, for `"gradient"` on average. Defaults to 3 for `"plateau"`
            and `"gradient"`, else to 1.
        baseline: For `"agreement"`: the share of samples that is enough. Defaults to 0.8. For `"gradient"`: the share
            of the guide's gradient that has to be explained. Defaults to 0.5.
        held_out: For `"gradient"`: samples with labels that nobody is trained on, `(x, y)`. Defaults to the
            `validation_data` of the fit.
        start_from_epoch: Epochs before the first check. Defaults to 0.
        check_freq: `"epoch"`, or a number of steps between two checks, which may be more than an epoch has. Defaults to
            `"epoch"`.
        verbose: 1 prints a line on halting. Defaults to 0.

    Raises:
        ConfigError: An argument means nothing; or, in `fit`, there is no guide or no metric of that name.

    Example:

    ```python
    distiller.fit(x, y, epochs=40, callbacks=[kd_edge.EarlyHalting(verbose=1)])
    print(distiller.halting_reports)
    ```
    """

    def __init__(
        self,
        guide: str = "trainee",
        rule: str | HaltingRule = "agreement",
        *,
        monitor: str | None = None,
        min_delta: float | None = None,
        patience: int | None = None,
        baseline: float | None = None,
        held_out: Any = None,
        start_from_epoch: int = 0,
        check_freq: str | int = "epoch",
        verbose: int = 0,
    ) -> None:
        super().__init__()
        check_guide_name(guide)
        if check_freq != "epoch":
            check_freq = as_count("check_freq", check_freq, "'epoch' or a number of steps")
        start_from_epoch = as_count("start_from_epoch", start_from_epoch, "a number of epochs, 0 or more", least=0)
        given = _checked(rule, min_delta=min_delta, patience=patience, baseline=baseline, observes_own=monitor is None)
        self.guide = guide
        self.rule = make_rule(rule, {**given, "start_from_epoch": start_from_epoch})
        self.monitor = monitor or f"{guide}_{self.rule.metric}"
        self._observes = bool(monitor or self.rule.metric) and self.rule.metric != GRADIENTS
        self._was_seen = False
        self.start_from_epoch = start_from_epoch
        self.check_freq = check_freq
        self.verbose = verbose
        # Keras may call what does nothing at the end of a batch from another thread, without waiting for it.
        self.async_safe = check_freq == "epoch"
        self._held_out = held_out
        self._probe: GradientProbe | None = None
        self._since: _Since
        self._num_steps: int
        self._restart(0)
        self._restart_count()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model out, so that a callback that was used can be copied, as keras-tuner does."""
        return state_without_model(self) | {"_probe": None}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Check that there is a model with guides."""
        self.rule.reset()
        self._restart(0)
        self._restart_count()
        self._was_seen = False
        check_guide(self.model, self.guide)
        check_observable(self.rule.metric, self.model.guide_set)
        if self.rule.metric == GRADIENTS and self._live:
            self._probe = make_probe(self.model, self.guide, self._held_out)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Let go of what was used to measure."""
        self._probe = None

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note the epoch."""
        self._restart(epoch)
        if self._probe is not None:
            self._probe.forget_halted()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Check every `check_freq` steps."""
        if not isinstance(self.check_freq, int) or not self._live:
            return
        self._num_steps = batch + 1
        num_steps = self._num_steps - self._since.num_steps
        if num_steps < self.check_freq:
            return
        value = self._observed(logs or {})
        if value is None:
            return
        total = value * self._num_steps
        self._check((total - self._since.total) / num_steps, self._epoch)
        self._since = _Since(total, self._num_steps)

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, Any] | None = None) -> None:
        """Check at the end of an epoch, or count on over it, and give the history what was measured."""
        logs = {} if logs is None else logs
        if self.check_freq != "epoch":
            self._count_on(logs)
        elif self._live:
            value = self._observed(logs)
            if value is not None:
                self._check(value, epoch + 1)
        logs.update(self._figures)

    @property
    def _live(self) -> bool:
        return self.guide in self.model.guides

    def _restart(self, epoch: int) -> None:
        self._epoch = epoch
        self._figures: dict[str, float] = {}

    def _restart_count(self) -> None:
        self._since, self._num_steps = _Since(), 0

    def _count_on(self, logs: Mapping[str, Any]) -> None:
        """Let the steps since the last check count in the next epoch."""
        if not self._live:
            return
        value = self._observed({name: value for name, value in logs.items() if not name.startswith("val_")})
        if value is None:
            self._restart_count()
            return
        total, num_steps = self._since
        self._since = _Since(total - value * self._num_steps, num_steps - self._num_steps)

    def _observed(self, logs: Mapping[str, Any]) -> float | None:
        """Return what the rule observes, NaN where that is nothing; `None` where there is none this time.

        A metric goes with another guide that leaves, and is not there in an epoch without validation.
        """
        if not self._observes:
            return math.nan
        if self.monitor in logs:
            self._was_seen = True
            return float(logs[self.monitor])
        if not self._was_seen and not self._comes_later(logs):
            at = "at the end of an epoch" if self.check_freq == "epoch" else "after a number of steps"
            raise ConfigError(
                f"no metric {self.monitor!r} {at} for the rule that halts the {self.guide}: expected one of "
                f"{', '.join(sorted(logs))}; pass another monitor"
            )
        return None

    def _comes_later(self, logs: Mapping[str, Any]) -> bool:
        """Whether the metric is one of a validation that does not follow every epoch."""
        rarely = self.model.feed.options.get("validation_freq", 1) != 1
        validated = any(name.startswith("val_") for name in logs)
        return self.check_freq == "epoch" and rarely and not validated and self.monitor.startswith("val_")

    def _check(self, value: float, epoch: int) -> None:
        observed = value if self._probe is None else self._measured(self._probe)
        if epoch < self.start_from_epoch:
            return
        reason = self.rule.reason(observed, epoch)
        if reason is None:
            return
        self._probe = None  # it holds the guide's weights
        self.model.halt(self.guide, epoch=epoch, reason=reason)
        if self.verbose:
            print(f"Epoch {epoch}: {self.guide} halted: {reason}", file=sys.stderr)

    def _measured(self, probe: GradientProbe) -> GradientEvidence:
        evidence = probe.measure()
        self._figures = {
            f"{self.guide}_alignment": evidence.alignment,
            f"{self.guide}_explained": evidence.explained,
        }
        return evidence


def _checked(rule: Any, *, min_delta: Any, patience: Any, baseline: Any, observes_own: bool) -> dict[str, Any]:
    """Return what a rule is given, as far as the user gave it.

    Raises:
        ConfigError: A number means nothing to it.
    """
    given: dict[str, Any] = {}
    if min_delta is not None:
        least = 0.0 if rule == "plateau" else -math.inf
        given["min_delta"] = as_number(
            "min_delta", min_delta, "a finite number, of the rule 'plateau' 0 or more", lambda delta: delta >= least
        )
    if patience is not None:
        given["patience"] = as_count("patience", patience, "at least 1 check")
    if baseline is not None and rule == "agreement" and observes_own:
        given["baseline"] = as_number(
            f"baseline of the rule {rule!r}", baseline, "a share from 0 to 1", lambda share: 0 <= share <= 1
        )
    elif baseline is not None:
        given["baseline"] = as_number("baseline", baseline)
    return given


def check_guide_name(guide: str) -> None:
    """Check that there is a guide of that name at all.

    Raises:
        ConfigError: There is not.
    """
    if guide not in ("trainee", "teacher"):
        raise ConfigError(f"unknown guide {guide!r}; {nearest(guide, ('trainee', 'teacher'))}")


def check_guide(model: keras.Model, guide: str) -> None:
    """Check that a model has, or had, a guide.

    Raises:
        ConfigError: It has not.
    """
    if not hasattr(model, "halt"):
        raise ConfigError(
            f"EarlyHalting needs a kd_edge.Distiller, received a {type(model).__name__}; fit the distiller"
        )
    if guide not in (*model.guides, *model.halted):
        raise ConfigError(f"no guide {guide!r} to halt: expected one of {model.guides}; pass one")
