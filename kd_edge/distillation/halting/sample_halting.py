"""A guide that is no longer asked for the samples that the student answers like it."""

from collections.abc import Mapping, MutableMapping
from typing import Any

import keras

from kd_edge.compat.keras import state_without_model
from kd_edge.distillation.halting.early_halting import check_guide, check_guide_name


class SampleHalting(keras.callbacks.Callback):  # type: ignore[misc]
    """Asks a guide only for the samples that the student does not yet answer like it.

    The guide runs on fewer samples from step to step; which ones, when a sample comes back, and what becomes of the
    loss says `AskedSamples`. The report of the training has the share of samples that the guide was asked for, and
    counts its multiply-accumulates for these alone; the history has the share of each epoch, as `trainee_asked`. It
    holds for one `fit`. Together with `EarlyHalting`, the guide leaves as a whole when a rule says so; a rule
    that observes agreement or divergence sees the samples that have left as agreed on.

    It needs a student with one output of classes, losses on outputs, and samples that `fit` is given as arrays. A step
    whose batches differ in size is not compiled by XLA, nor distributed.

    Args:
        guide: `"trainee"` or `"teacher"`, as a network: stored targets cost nothing to ask.

    Raises:
        ConfigError: There is no guide of that name; from `fit`, the distiller has none, or it cannot be asked by
            sample.

    Example:

    ```python
    distiller.fit(x, y, epochs=40, callbacks=[kd_edge.distillation.SampleHalting("trainee")])
    print(distiller.halting_reports[-1].share_asked)
    ```
    """

    needs_index = True
    async_safe = True

    def __init__(self, guide: str = "trainee") -> None:
        super().__init__()
        check_guide_name(guide)
        self.guide = guide
        self._counts = 0, 0

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model out, so that a callback that was used can be copied, as keras-tuner does."""
        return state_without_model(self)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Let the guide be asked by sample, of all samples at first."""
        check_guide(self.model, self.guide)
        if self.guide in self.model.guides:
            self.model.guide_set.ask_by_sample(self.guide)
            self.model.jit_compile = False
            self.model.make_train_function(force=True)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Note what was counted before."""
        self._counts = self._counted()

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, Any] | None = None) -> None:
        """Give the history the share of the epoch's samples that the guide was asked for."""
        num_samples, num_skipped = (now - before for now, before in zip(self._counted(), self._counts, strict=True))
        if logs is not None and self.guide in self.model.guides:
            logs[f"{self.guide}_asked"] = 1 - num_skipped / num_samples

    def _counted(self) -> tuple[int, int]:
        log = self.model.training_log
        return int(log.num_samples.result()), int(log.num_skipped[self.guide].result())
