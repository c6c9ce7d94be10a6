"""The guides of a student and what they teach it."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from kd_edge.distillation.guides.asked_samples import ASKED, AskedSamples
from kd_edge.distillation.guides.base import FINAL, Guide, LiveGuide, feature_extractor, update_mean, update_share
from kd_edge.distillation.guides.stored import StoredTeacher
from kd_edge.distillation.guides.trainee import Trainee
from kd_edge.distillation.losses.fit import CLASSES, LABELS, VALUES, check_compiled, check_output, kinds_of, known_of
from kd_edge.distillation.losses.terms import LossTerm
from kd_edge.distillation.outputs.logits import Softmax, are_shares, ends_in_sigmoid, ends_in_softmax
from kd_edge.distillation.training_log import TrainingLog
from kd_edge.errors import ConfigError, TrainingWarning
from kd_edge.ir.output_names import output_names


class GuideSet:
    """The guides, what they teach, and the student that looks at them.

    Plain on purpose: Keras does not track what it holds; see `Guide`.

    Args:
        student: The student.
        guides: Its guides.
        loss_terms: What they teach. A trainee teaches only what compares outputs.

    Attributes:
        guides: Those that are still there, by name.
        training_log: What they cost.
        student_softmax: Which of the student's outputs are probabilities of classes, as far as that is known.
        student_sigmoid: Which are probabilities of labels.
    """

    def __init__(self, student: keras.Model, guides: Sequence[Guide], loss_terms: Sequence[LossTerm]) -> None:
        self.guides = {guide.name: guide for guide in guides}
        self.training_log = TrainingLog()
        self.student_softmax: Softmax = ends_in_softmax(student)
        self.student_sigmoid: Softmax = ends_in_sigmoid(student)
        self._student = student
        self._was_said = False
        self._loss_terms = loss_terms
        self._by_sample: dict[str, AskedSamples] = {}
        names = (term.student_layer for term in loss_terms)
        self._look = feature_extractor(student, tuple(dict.fromkeys(name for name in names if name != FINAL)))
        self._found: list[str] = [""] * len(self.shapes)
        for term, place in self._taught_outputs():
            shape, endings = self.shapes[place], (self._endings("softmax"), self._endings("sigmoid"))
            softmax, sigmoid = (known_of(ending, place) for ending in endings)
            check_output(term.loss, shape, softmax=softmax, sigmoid=sigmoid)
            self._found[place] = self._found[place] or term.compares

    @property
    def shapes(self) -> list[tuple[int | None, ...]]:
        """Of the student's outputs, with the batch; empty where they are not known."""
        return [tuple(output.shape) for output in getattr(self._student, "outputs", None) or ()]

    def _taught_outputs(self) -> list[tuple[LossTerm, int]]:
        """Return each loss on outputs with the places of those that it compares."""
        count = len(self.shapes)
        return [(term, place) for term in self._loss_terms for place in term.taught_outputs(count)]

    def _endings(self, activation: str) -> list[Softmax]:
        own = self.student_softmax if activation == "softmax" else self.student_sigmoid
        return [own, *(getattr(guide, activation) for guide in self.guides.values())]

    def check_compiled(self, loss: Any) -> None:
        """Refuse distillation losses that do not fit the loss of the labels, which tells what outputs are.

        Args:
            loss: As for `keras.Model.compile`.

        Raises:
            ConfigError: One does not.
        """
        kinds = kinds_of(loss, self._output_names)
        for term, place in self._taught_outputs():
            check_compiled(term.loss, kinds[place], softmax=known_of([self.student_softmax], place))
        self._found = [own or kind for own, kind in zip(self._kinds, kinds, strict=True)]

    @property
    def _output_names(self) -> list[str]:
        return output_names(self._student) if self.shapes else []

    @property
    def _kinds(self) -> list[str]:
        """What each output answers, as far as losses tell it; a network may have got its outputs since they did."""
        return self._found or [""] * len(self.shapes)

    @property
    def decides(self) -> list[str]:
        """What each output decides on: classes, labels, or nothing, which is empty."""
        kinds = zip(self._kinds, self.shapes, strict=True)
        return ["" if kind == VALUES else kind or (CLASSES if (shape[-1] or 2) > 1 else "") for kind, shape in kinds]

    def observe(self, x: Any, y: Any, sample_weight: Any) -> dict[str, dict[str, Any]]:
        """Return what every guide shows for a batch; a trainee learns from it, too."""
        shown = {}
        for name, guide in self.guides.items():
            shown[name] = self._by_sample.get(name, guide).observe(x, y, sample_weight)
            if ASKED in shown[name]:
                self.training_log.count_skipped(name, shown[name][ASKED])
        return shown

    @property
    def is_open(self) -> bool:
        """Whether the graphs leave open for a guide or the student that its outputs are probabilities."""
        guides = [guide.softmax for guide in self.guides.values()]
        return any(None in softmax for softmax in (*guides, self.student_softmax))

    def tell_probabilities(self, samples: Any) -> None:
        """Find out from outputs for some samples what the graphs do not tell: whether they are probabilities.

        Args:
            samples: A batch of inputs; `None` where there is none to look at.

        Warns:
            TrainingWarning: It stays unknown, so that outputs of both sides are taken as they are; said once.
        """
        live = [guide for guide in self.guides.values() if isinstance(guide, LiveGuide)]
        self._tell_sigmoids(samples)
        if None in self.student_softmax:
            self.student_softmax = ends_in_softmax(self._student, samples)
        for guide in live:
            if None in guide.softmax:
                guide.softmax = ends_in_softmax(guide.model, samples)
            if isinstance(guide, Trainee):
                guide.student_softmax, guide.student_sigmoid = self.student_softmax, self.student_sigmoid
        unknown = [guide.name for guide in live if None in guide.softmax]
        unknown += ["student"] if None in self.student_softmax else []
        if unknown and not self._was_said and any(term.compares == CLASSES for term in self._loss_terms):
            self._was_said = True
            warnings.warn(
                f"whether the outputs of {' and '.join(unknown)} are logits or probabilities is not known: guides and "
                "student are compared as they are, as logits; give samples as arrays, or end in a Dense layer or a "
                "softmax of Keras",
                TrainingWarning,
                stacklevel=3,
            )

    def _tell_sigmoids(self, samples: Any) -> None:
        """Find it out of labels, where outputs are either logits or probabilities."""
        if LABELS not in self._kinds and not any(term.compares == LABELS for term in self._loss_terms):
            return
        self.student_sigmoid = ends_in_sigmoid(self._student, samples)
        for guide in self.guides.values():
            if isinstance(guide, StoredTeacher):
                told = map(are_shares, guide.targets.some())
                guide.sigmoid = [t if known is None else known for known, t in zip(guide.sigmoid, told, strict=True)]
            elif isinstance(guide, LiveGuide):
                guide.sigmoid = ends_in_sigmoid(guide.model, samples)

    def ask_by_sample(self, name: str) -> None:
        """Let a guide be asked only for the samples that the student does not answer like it; see `AskedSamples`.

        Raises:
            ConfigError: Its answers for single samples cannot be told, or left out.
        """
        guide = self.guides[name]
        if not isinstance(guide, LiveGuide):
            raise ConfigError(
                f"the {name}'s targets are stored: expected a network to ask by sample, received SoftTargets, which "
                "cost nothing to ask; leave the callback out"
            )
        shapes = [tuple(output.shape) for output in getattr(guide.model, "outputs", None) or ()]
        if len(shapes) != 1 or len(shapes[0]) != 2 or (shapes[0][1] or 0) < 2 or self.decides not in ([], [CLASSES]):
            raise ConfigError(
                f"the {name} cannot be asked by sample: expected one output of 2 classes or more, received the shapes "
                f"{shapes}; halt it as a whole, with EarlyHalting"
            )
        if any(term.teacher_layer != FINAL for term in self._loss_terms) and name == "teacher":
            raise ConfigError(
                "the teacher cannot be asked by sample: expected losses on outputs, received one between layers; "
                "halt it as a whole, with EarlyHalting"
            )
        self._by_sample[name] = AskedSamples(guide, student_softmax=self.student_softmax)

    def ask_always(self) -> bool:
        """Let every guide be asked for all samples; tell whether one was not."""
        by_sample, self._by_sample = self._by_sample, {}
        return bool(by_sample)

    def look(self, inputs: Any) -> dict[str, Any]:
        """Return the student's outputs and features, in one forward pass for training."""
        return self._look(inputs, training=True)

    def divergence(
        self, guide: Guide, outputs: dict[str, Any], features: dict[str, Any], *, sample_weight: Any, labels: Any
    ) -> Any:
        """Return how far the student is from what one guide shows."""
        context = {"student_softmax": self.student_softmax, "student_sigmoid": self.student_sigmoid}
        context |= {"sample_weight": sample_weight, "labels": labels}
        loss_terms = [term for term in self._loss_terms if term.teacher_layer in outputs]
        return sum(term.value(guide, outputs, features, **context) for term in loss_terms)

    def divergences(
        self, features: dict[str, Any], shown: dict[str, dict[str, Any]], *, sample_weight: Any, labels: Any
    ) -> dict[str, Any]:
        """Return how far the student is from what each guide shows, and note it."""
        divergences = {}
        for name, outputs in shown.items():
            guide = self.guides[name]
            if name in self._by_sample:
                outputs = self._by_sample[name].completed(outputs, features)
            divergences[name] = self.divergence(guide, outputs, features, sample_weight=sample_weight, labels=labels)
            update_mean(guide.divergence, divergences[name], features[FINAL])
            update_share(guide.agreement, self._agreement(guide, outputs[FINAL], features[FINAL]), features[FINAL])
        return divergences

    def _agreement(self, guide: Guide, theirs: Any, ours: Any) -> Any:
        """For each sample whether both decide alike, on average over outputs; zero without decisions."""
        sides = [keras.tree.flatten(side) for side in (theirs, ours)]
        decides = self.decides or [CLASSES if (b.shape[-1] or 0) > 1 else "" for b in sides[1]]
        same = [
            keras.ops.cast(_decisions(a, kind, known_of([guide.sigmoid], i)) == _decisions(b, kind, mine), "float32")
            for i, (a, b, kind) in enumerate(zip(*sides, decides, strict=True))
            if kind
            for mine in [known_of([self.student_sigmoid], i)]
        ]
        return sum(keras.ops.mean(s) for s in same) / len(same) if same else 0.0

    def taught_projectors(self) -> list[keras.layers.Layer]:
        """Return the projectors that a guide who is still there makes use of."""
        if "teacher" not in self.guides:
            return []
        return [term.projector for term in self._loss_terms if term.projector is not None]

    def halt(self, name: str, *, epoch: int, step: int, reason: str) -> None:
        """Let a guide go."""
        self._by_sample.pop(name, None)
        self.training_log.add_halt(self.guides.pop(name), epoch=epoch, step=step, reason=reason)

    def results(self) -> dict[str, Any]:
        """Return the guides' metrics by the names they have in the history."""
        return {name: value for guide in self.guides.values() for name, value in guide.results().items()}

    def reset_metrics(self) -> None:
        """Start the guides' metrics anew."""
        for guide in self.guides.values():
            for metric in guide.metrics:
                metric.reset_state()


def check_observable(metric: str, guides: GuideSet) -> None:
    """Check that a guide's metric says something of a student; a subclassed model's outputs are not known.

    Args:
        metric: Its name without the guide's, as in `HaltingRule`.
        guides: The student's guides.

    Raises:
        ConfigError: It is the agreement on decisions, and no output has any.
    """
    decides = guides.decides
    if metric == "agreement" and decides and not any(decides):
        raise ConfigError(
            "the rule 'agreement' never halts a guide of this student: expected an output of 2 classes or more, or of "
            f"labels, received the shapes {guides.shapes}; use rule='plateau' or rule='gradient'"
        )


def _decisions(outputs: Any, kind: str, probabilities: bool | None) -> Any:
    """Return the class that outputs name, or whether each label holds."""
    if kind == CLASSES:
        return keras.ops.argmax(outputs, axis=-1)
    return outputs > (0.5 if probabilities else 0.0)
