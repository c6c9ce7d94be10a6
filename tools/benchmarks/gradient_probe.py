"""Times a measurement of `rule="gradient"` against an epoch of the same training; the line is in docs/halting.md.

Processor time of one thread, on 10,000 samples of random numbers in the shape of Fashion-MNIST's: what they are plays
no part. Needs the extra `train`.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.halting.early_halting import EarlyHalting
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.files import write_json
from kd_edge.ir.lowering import lower
from kd_edge.reporting.documents import make_document
from kd_edge.search.space.student_space import StudentSpace
from tools.fill_docs import fill
from tools.studies.halting.tasks import TASKS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "gradient_probe.json"
PAGE = ROOT / "docs" / "halting.md"
SHAPE, NUM_CLASSES, NUM_SAMPLES, NUM_EPOCHS = (28, 28, 1), 10, 10_000, 5


class _Clock(keras.callbacks.Callback):
    """Notes the processor time of each epoch's steps, and of what another callback does after them."""

    def __init__(self, timed: keras.callbacks.Callback) -> None:
        super().__init__()
        self._timed, self.epochs, self.checks = timed, [], []

    def set_model(self, model: keras.Model) -> None:
        """Hand the model on."""
        super().set_model(model)
        self._timed.set_model(model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Let the other callback begin."""
        self._timed.on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the time."""
        self._timed.on_epoch_begin(epoch, logs)
        self._start = time.process_time()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the time before and after the other callback."""
        middle = time.process_time()
        self._timed.on_epoch_end(epoch, logs)
        self.epochs.append(middle - self._start)
        self.checks.append(time.process_time() - middle)


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace docs/results/gradient_probe.json and the line")
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    document = make_document("bench_gradient_probe") | {
        "tool": "tools/benchmarks/gradient_probe.py",
        "result": measure(),
    }
    print(_line(document))
    if args.write:
        write_json(RESULTS, document)
        fill(PAGE, "probe", _line(document))


def measure() -> dict[str, float]:
    """Return the processor seconds of a measurement and of an epoch's steps, after those in which they are traced."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(NUM_SAMPLES, *SHAPE)).astype("float32")
    y = rng.integers(0, NUM_CLASSES, NUM_SAMPLES)
    task = TASKS["fashion-10000"]
    student = StudentSpace.family("ds_cnn", SHAPE, NUM_CLASSES).blueprint(dict(task.student)).to_keras()
    teacher = build_teacher(SHAPE, NUM_CLASSES, width=task.teacher.width)
    distiller = Distiller(teacher, student, keras.distillation.LogitsDistillation(2.0), trainee="like_teacher")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(keras.optimizers.AdamW(1e-3), loss=loss)
    never = EarlyHalting(rule="gradient", patience=10 * NUM_EPOCHS, held_out=(x[:2000], y[:2000]))
    clock = _Clock(never)
    distiller.fit(x, y, batch_size=64, epochs=NUM_EPOCHS, callbacks=[clock], verbose=0)
    epoch, check = float(np.median(clock.epochs[1:])), float(np.median(clock.checks[1:]))
    return {
        "epoch_seconds": epoch,
        "check_seconds": check,
        "share": check / epoch,
        "first_check_seconds": clock.checks[0],
        "student_macs": lower(student).total_macs,
        "teacher_macs": lower(teacher).total_macs,
        "num_samples": NUM_SAMPLES,
    }


def _line(document: dict[str, Any]) -> str:
    found, machine = document["result"], document["machine"]
    return (
        f"A measurement took {found['check_seconds']:.2f} s of processor time, {found['share']:.1%} of an epoch of "
        f"{found['num_samples']:,} samples ({found['epoch_seconds']:.1f} s; student of "
        f"{found['student_macs'] / 1e3:.0f} thousand MACs, teacher and trainee of {found['teacher_macs'] / 1e6:.1f} "
        f"million, one thread), and the first one of a set of guides {found['first_check_seconds']:.1f} s, with its "
        f"tracing (`tools/benchmarks/gradient_probe.py`, {document['created'][:10]}, {machine['cpu']})."
    )


if __name__ == "__main__":
    main()
