"""The Distiller: `keras.distillation.Distiller` with a trainee, soft targets and guides that can be halted."""

import threading
from typing import Any

import keras
import tensorflow as tf
from keras.distillation import DistillationLoss

from kd_edge.compat.keras import TrainerExtension, compiled_metrics, init_past
from kd_edge.compat.tensorflow import free_memory, release_traced_graphs
from kd_edge.distillation.arguments import as_number, as_weight
from kd_edge.distillation.distiller_files import DistillerFiles
from kd_edge.distillation.feed import Feed, steps_per_execution
from kd_edge.distillation.guide_set import GuideSet
from kd_edge.distillation.guides.base import FINAL, OWN_LOSS, LiveGuide, update_mean
from kd_edge.distillation.guides.fresh import fresh_metrics, fresh_optimizer
from kd_edge.distillation.guides.stored import StoredTeacher
from kd_edge.distillation.guides.trainee import Trainee
from kd_edge.distillation.losses.terms import as_losses, as_outputs, as_weights, make_guides, make_loss_terms
from kd_edge.distillation.monitor import TrainingMonitor, say_if_idle, total
from kd_edge.distillation.results import HaltingReport
from kd_edge.distillation.samples import Samples, inputs_of, label_weight_of, labelled
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.distillation.trainer_support import build_metrics, local_batch, with_worker_axis
from kd_edge.distillation.training_log import TrainingLog
from kd_edge.errors import ConfigError, DataError, ModelError
from kd_edge.silence import check_backend


@keras.saving.register_keras_serializable("kd_edge")
class Distiller(DistillerFiles, TrainerExtension, keras.distillation.Distiller):  # type: ignore[misc]
    """Trains a student with guides that leave the training when they no longer help.

    A drop-in for `keras.distillation.Distiller`: same arguments, losses, `compile`, `fit`, `evaluate`, `predict`.
    The student's loss is `w CE(labels) + (1 - w) [D(teacher) + b D(trainee)]` with `w = student_loss_weight`, the
    labels' share as in Keras, `b = trainee_loss_weight` and `D` the weighted sum of the distillation losses; penalties
    of the student's layers are added whole. Once no guide is left, it is the labels' loss alone.

    Args:
        teacher: A trained network, left as it is; its `SoftTargets`; or `None` where a trainee guides alone.
        student: The network to train.
        distillation_losses: One loss or a list, of `keras.distillation` or `kd_edge.distillation`. Of several outputs a
            mapping of their names to losses, each of the kind of its output's task.
        distillation_loss_weights: One weight per loss, 0 or more, in their order, or by the same names. Defaults to 1.0
            each.
        student_loss_weight: `w`, 0 to 1. Defaults to 0.5 as in `keras.distillation.Distiller`, whose place this class
            takes; `kd_edge.distillation.distill` and the configuration have 0.1.
        name: Name of the model. Defaults to `"distiller"`.
        trainee: An untrained network that learns beside the student from the labels, by its own optimizer, and guides
            it by those losses that compare outputs; `"like_teacher"` for the teacher's architecture with fresh
            weights. Defaults to `None`.
        trainee_loss_weight: `b`, weight of the trainee's guidance beside the teacher's 1, 0 or more. Defaults to 0.5.
        save_teacher: Whether `save` writes the teacher, too. Defaults to `False`.
        **kwargs: As for `keras.Model`.

    Attributes:
        student: The network to take after the training.
        guides: Names of the guides that are still there.
        halted: Names of those that left.
        halting_reports: What each guide cost and what halting it saved.

    Example:

    ```python
    distiller = kd_edge.Distiller(
        teacher=teacher,
        student=student,
        trainee="like_teacher",
        distillation_losses=keras.distillation.LogitsDistillation(4.0),
    )
    distiller.compile("adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    distiller.fit(x, y, validation_data=(x_val, y_val), epochs=40, callbacks=[kd_edge.EarlyHalting()])
    distiller.student.save("student.keras")
    ```
    """

    def __init__(
        self,
        teacher: keras.Model | SoftTargets | None,
        student: keras.Model,
        distillation_losses: DistillationLoss | list[DistillationLoss] | dict[str, DistillationLoss],
        distillation_loss_weights: list[float] | dict[str, float] | None = None,
        student_loss_weight: float = 0.5,
        name: str = "distiller",
        *,
        trainee: keras.Model | str | None = None,
        trainee_loss_weight: float = 0.5,
        save_teacher: bool = False,
        **kwargs: Any,
    ) -> None:
        check_backend(keras.backend.backend())
        init_past(keras.distillation.Distiller, self, name=name, **kwargs)
        self.student = student
        self.student_loss_weight = as_number(
            "student_loss_weight", student_loss_weight, "a number from 0 to 1", lambda share: 0 <= share <= 1
        )
        self.distillation_losses = as_losses(distillation_losses)
        self.distillation_loss_weights = as_weights(distillation_loss_weights, distillation_losses)
        self.trainee_loss_weight = as_weight("trainee_loss_weight", trainee_loss_weight)
        self.save_teacher = save_teacher
        self.student_loss_tracker = keras.metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = keras.metrics.Mean(name="distillation_loss")
        self.distillation_outputs = as_outputs(distillation_losses, student)
        loss_terms = make_loss_terms(
            self.distillation_losses, self.distillation_loss_weights, self.distillation_outputs, teacher, student
        )
        self.projectors = [term.projector for term in loss_terms if term.projector is not None]
        guides = make_guides(
            teacher, trainee, student, loss_terms=loss_terms, trainee_loss_weight=self.trainee_loss_weight
        )
        self._guide_set = GuideSet(student, guides, loss_terms)
        self.feed: Feed | None = None  # while `fit` runs, for callbacks that need samples
        self._batch = threading.local()  # one per replica of a distribution strategy
        self.built = student.built

    @property
    def guides(self) -> tuple[str, ...]:
        """Names of the guides that are still there."""
        return tuple(self._guide_set.guides)

    @property
    def guide_set(self) -> GuideSet:
        """The guides that are still there, with what they teach."""
        return self._guide_set

    @property
    def halted(self) -> tuple[str, ...]:
        """Names of the guides that left."""
        return tuple(self.training_log.halts)

    @property
    def halting_reports(self) -> tuple[HaltingReport, ...]:
        """What each guide cost so far and what halting it saved so far."""
        return self.training_log.reports(list(self._guide_set.guides.values()))

    @property
    def teacher(self) -> "keras.Model | SoftTargets | None":
        """The teacher, `None` once it is halted."""
        guide = self._guide_set.guides.get("teacher")
        if isinstance(guide, StoredTeacher):
            return guide.targets
        return guide.model if isinstance(guide, LiveGuide) else None

    @property
    def trainee(self) -> keras.Model | None:
        """The trainee, `None` once it is halted."""
        guide = self._guide_set.guides.get("trainee")
        return guide.model if isinstance(guide, Trainee) else None

    @property
    def trainee_optimizer(self) -> keras.optimizers.Optimizer | None:
        """What updates the trainee."""
        return self.trainee and getattr(self.trainee, "optimizer", None)

    @property
    def training_log(self) -> TrainingLog:
        """What the guides cost so far."""
        return self._guide_set.training_log

    @property
    def total_loss_tracker(self) -> keras.metrics.Metric | None:
        """Mean of the whole loss, `None` before `compile`."""
        return self.loss_mean

    @property
    def num_steps(self) -> int:
        """Optimizer steps that were done."""
        return int(self.optimizer.iterations.numpy()) if self.compiled else 0

    @property
    def output_names(self) -> list[str]:
        """Names of the student's outputs."""
        return list(self.student.output_names)

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = None,
        metrics: Any = None,
        trainee_optimizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Configure the training.

        Args:
            optimizer: Updates the student.
            loss: Of the labels, for the student and the trainee.
            metrics: For the student and the trainee; the latter's are named `trainee_...` in the history.
            trainee_optimizer: Updates the trainee. Defaults to a fresh copy of `optimizer`; an optimizer updates one
                network, so where it is `optimizer` itself, it is a copy, too.
            **kwargs: As for `keras.Model.compile`. Without `steps_per_execution`, `fit` runs several steps in one call
                where no callback looks at single batches.

        Raises:
            ConfigError: There is no loss, or a loss of a guide does not fit it.
        """
        if loss is None:
            raise ConfigError("no loss for the labels: expected a Keras loss, received None; pass compile(..., loss=)")
        self._guide_set.check_compiled(loss)
        optimizer = keras.optimizers.get(optimizer)
        plain = not (kwargs.get("run_eagerly") or kwargs.get("jit_compile") is True or self.strategy)
        self.chooses_steps = plain and "steps_per_execution" not in kwargs
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)
        if self.built and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)  # or the first step would be traced twice
        trainee = self._guide_set.guides.get("trainee")
        if isinstance(trainee, Trainee):
            shared = trainee_optimizer is None or trainee_optimizer is optimizer
            trainee.compile(
                student_softmax=self._guide_set.student_softmax,
                student_sigmoid=self._guide_set.student_sigmoid,
                optimizer=fresh_optimizer(optimizer) if shared else trainee_optimizer,
                loss=loss,
                metrics=fresh_metrics(metrics),
                weighted_metrics=fresh_metrics(kwargs.get("weighted_metrics")),
                **{name: kwargs[name] for name in ("loss_weights", "auto_scale_loss") if name in kwargs},
            )

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        *,
        x_unlabeled: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train the student; the other arguments are those of `keras.Model.fit`.

        Args:
            x_unlabeled: Samples without labels, of the shape of those in `x`: the student learns from the guides
                what they are. `x` and `y` are arrays then.

        Raises:
            ModelError: There is no guide, or a loss is no longer finite.
            DataError: The teacher's stored outputs do not belong to the samples.
        """
        self._check_guides()
        callbacks = [TrainingMonitor(), *(keras.tree.flatten(callbacks) if callbacks else [])]
        feed = Feed(x, y, batch_size, epochs, kwargs)
        if self.guides:
            self._guide_set.tell_probabilities(feed.first_batch() if self._guide_set.is_open else None)
        feed = self._taught(feed, x_unlabeled, callbacks)
        chosen = steps_per_execution(feed.num_steps, callbacks) if self.chooses_steps else self.steps_per_execution
        self.feed = feed
        try:
            with self.trained_at_once(chosen):
                history = super().fit(feed.x, feed.y, feed.batch_size, epochs, verbose, callbacks, **feed.options)
            say_if_idle(history.history)
            return history
        except tf.errors.OpError as error:
            targets = self._targets
            if targets is None or targets.refusal is None:
                raise
            raise DataError(targets.refusal) from error
        finally:
            self.feed = None
            self.training_log.stop_epoch()
            if self._guide_set.ask_always():
                self.train_function = None
            release_traced_graphs()

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Train the student on one batch; the other arguments are those of `keras.Model.train_on_batch`.

        Raises:
            ModelError: There is no guide.
        """
        if self.guides and self.train_function is None:  # or it is traced
            self._guide_set.tell_probabilities(inputs_of(x) if self._guide_set.is_open else None)
        return super().train_on_batch(x, *args, **kwargs)

    def _check_guides(self) -> None:
        if self.student_loss_weight == 1:
            return
        if self.missing:
            raise ModelError(
                f"a saved distiller comes back without its {' and '.join(self.missing)}: expected the guides that it "
                f"was saved with, received {self.guides or 'none'}; make a new Distiller with them, or train "
                "distiller.student alone (see save_teacher)"
            )
        if not self.guides and not self.halted:
            raise ModelError(
                "nothing guides the student: expected a teacher or a trainee, received neither; make a new Distiller "
                "with them"
            )

    def _taught(self, feed: Feed, x_unlabeled: Any, callbacks: list[Any]) -> Feed:
        targets = self._targets if self.student_loss_weight < 1 else None
        feed = feed.taught(
            targets,
            x_unlabeled=x_unlabeled,
            by_position=any(getattr(c, "needs_index", False) for c in callbacks),
            strategy=self.strategy,
            jit_compile=self.jit_compile,
        )
        if targets is not None and not isinstance(feed.x, Samples | tf.data.Dataset):
            self.jit_compile: bool = False  # XLA cannot look up samples in the step
        return feed

    @property
    def _targets(self) -> SoftTargets | None:
        return self.teacher if isinstance(self.teacher, SoftTargets) else None

    def halt(self, guide: str, *, epoch: int = 0, reason: str = "halted by hand") -> None:
        """Take a guide out of the training for good and free its memory.

        The step is traced once more, without the guide; the student and its optimizer are as before. TensorFlow can
        use the memory of the guide's weights and optimizer slots again; it goes back to the system, too, unless the
        oneDNN kernels are on, with which TensorFlow's allocator keeps large blocks. A network that the caller keeps in
        a variable of their own stays in memory as long as they do.

        Args:
            guide: `"teacher"` or `"trainee"`.
            epoch: Finished epochs, for the report.
            reason: For the report.

        Raises:
            ConfigError: There is no such guide.
        """
        if guide not in self.guides:
            raise ConfigError(f"no guide {guide!r} to halt: expected one of {self.guides}, received {guide!r}")
        step = self.training_log.count_steps(self.num_steps)
        self._guide_set.halt(guide, epoch=epoch, step=step, reason=reason)
        if self.train_function is not None:
            self.make_train_function(force=True)
        free_memory()

    def train_step(self, data: Any) -> dict[str, Any]:
        """Let the guides observe a batch, then update the student."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        inputs = inputs_of(x)
        shown = self._observe(x, y, sample_weight)
        with tf.GradientTape() as tape:
            features = self._guide_set.look(inputs)
            self._batch.seen = features, shown
            loss = self.compute_loss(x, y, features[FINAL], sample_weight, training=True)
            self._batch.seen = None
            scaled = self.optimizer.scale_loss(loss)
        update_mean(self.loss_mean, loss, features[FINAL])
        self.training_log.count(features[FINAL], self._batch.terms)
        self._batch.terms = None  # its tensors would keep the traced step and its variables
        weights = [w for layer in (self.student, *self._guide_set.taught_projectors()) for w in layer.trainable_weights]
        self.optimizer.apply_gradients(zip(tape.gradient(scaled, weights), weights, strict=True))
        logs = self.compute_metrics(inputs, *labelled(x, y, features[FINAL], sample_weight))
        return with_worker_axis(self.distribute_strategy, logs)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluate the student; no guide runs."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        x = inputs_of(x)
        y_pred = self(x, training=False)
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
        update_mean(self.loss_mean, loss, y_pred)
        if (metrics := compiled_metrics(self)) is not None:
            metrics.update_state(y, y_pred, sample_weight)
        logs = keras.Model.get_metrics_result(self)
        del logs["distillation_loss"]
        logs |= {"student_loss": logs["loss"], "total_loss": logs["loss"]}
        return with_worker_axis(self.distribute_strategy, logs)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the student's loss: with the guides in training, of the labels alone otherwise."""
        if not training:
            return keras.Model.compute_loss(self, x, y, y_pred, sample_weight, training=False)
        features, shown = getattr(self._batch, "seen", None) or (
            self._guide_set.look(inputs_of(x)),
            self._observe(x, y, sample_weight),
        )
        label_weight = label_weight_of(x, sample_weight)
        x, all_labelled = inputs_of(x), label_weight is sample_weight
        penalty = tf.nn.scale_regularization_loss(sum(map(tf.reduce_sum, self.losses))) if self.losses else 0.0
        labels = 0.0
        if y is not None and (self.student_loss_weight > 0 or not shown):
            weighed = keras.Model.compute_loss(self, x, y, features[FINAL], label_weight, training=True)
            labels = weighed - penalty
        update_mean(self.student_loss_tracker, labels, features[FINAL])
        taught = self._guide_set.divergences(
            features, shown, sample_weight=sample_weight, labels=y if all_labelled else None
        )
        own = shown.get("trainee", {}).get(OWN_LOSS, 0.0)
        answers = shown.get("teacher", {}).get(FINAL)
        self._batch.terms = {"labels": labels, "penalty": penalty, "trainee's own": own, **taught}
        self._batch.terms |= {"samples": total((x, y)), "teacher's outputs": total(answers)}
        if not shown:
            return labels + penalty
        guidance = sum(self._guide_set.guides[name].weight * value for name, value in taught.items())
        update_mean(self.distillation_loss_tracker, guidance, features[FINAL])
        return self.student_loss_weight * labels + (1 - self.student_loss_weight) * guidance + penalty

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the metrics of a training step by the names they have in the history."""
        results: dict[str, Any] = keras.Model.get_metrics_result(self)
        return results | {"total_loss": results["loss"]} | self._guide_set.results()

    def reset_metrics(self) -> None:
        """Start all metrics anew."""
        keras.Model.reset_metrics(self)
        self._guide_set.reset_metrics()

    def batch_of_worker(self, epoch: Any) -> Any:
        """Return the batch of one replica of this worker."""
        return local_batch(self.strategy, epoch)

    def before_first_step(self, batch_spec: Any) -> None:
        """Make the metrics' variables."""
        for model in (self, self.trainee) if self.trainee else (self,):
            build_metrics(model, batch_spec, self.student)

    def _observe(self, x: Any, y: Any, sample_weight: Any) -> dict[str, dict[str, Any]]:
        self._check_guides()
        return self._guide_set.observe(x, y, sample_weight) if self.student_loss_weight < 1 else {}
