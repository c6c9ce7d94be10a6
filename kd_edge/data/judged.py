"""By which samples a network is judged, and what it should have answered there."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kd_edge.data.dataset import Dataset
from kd_edge.data.task import Task
from kd_edge.errors import DataError


@dataclass(frozen=True, eq=False)
class Judged:
    """The samples of one split that a network is judged by.

    All of them; of a reconstruction the normal ones, since an anomaly is meant to be reconstructed badly.

    Attributes:
        task: What was asked.
        rows: Positions of the samples in the split, shape `(judged,)`.
        targets: What the network should answer for them; see `Task.credits`.
        groups: Their groups, `None` where nothing is known.
    """

    task: Task
    rows: np.ndarray
    targets: np.ndarray
    groups: np.ndarray | None = None

    @classmethod
    def of(cls, data: Dataset, split: str = "test") -> "Judged":
        """Return those of a data set.

        Args:
            data: The samples.
            split: `"train"`, `"val"` or `"test"`.

        Raises:
            DataError: A reconstruction has no normal sample there.
        """
        targets, groups = data.targets(split), getattr(data, f"group_{split}")
        rows = np.arange(len(targets))
        if data.task.kind == "reconstruction":
            rows = np.flatnonzero(getattr(data, f"y_{split}") == 0)
            if not len(rows):
                raise DataError(
                    f"bad data in {data.name}: expected normal samples, with 0 in y_{split}, to judge a "
                    f"reconstruction by, received {len(targets)} anomalies"
                )
        return cls(data.task, rows, targets[rows], None if groups is None else groups[rows])

    def credits(self, decisions: np.ndarray) -> np.ndarray:
        """Return what each judged sample's answer is worth; see `Task.credits`.

        Args:
            decisions: From `Task.decisions`, of all samples of the split.
        """
        return self.task.credits(decisions[self.rows], self.targets)

    @cached_property
    def constant(self) -> float:
        """The task's metric of the best constant answer: the largest class, the more frequent value of each label, 0
        for a skill."""
        if self.task.classifies:
            return float(np.bincount(self.targets).max() / len(self.targets))
        if self.task.kind == "multilabel":
            shares = (self.targets > 0).mean(axis=0)
            return float(np.maximum(shares, 1 - shares).mean())
        return 0.0
