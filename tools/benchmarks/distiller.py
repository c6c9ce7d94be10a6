"""Times the ways of training a student against its plain `fit`; the table is in docs/halting.md.

All of them train the same student on the same batches of the set `watch`. They take turns, one epoch each, so that a
busy moment of the machine hits all alike; each figure is the median over the rounds of the ratio to the plain student
in the same round. Memory is measured in a child process of its own. Needs the extra `train`.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kd_edge.data.dataset import Dataset
from kd_edge.data.loading import load_data
from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.distillation.batches import Batches
from kd_edge.distillation.distiller import Distiller
from kd_edge.distillation.models.teacher_models import build_teacher
from kd_edge.distillation.targets.soft_targets import soft_targets
from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.files import write_json
from kd_edge.ir.lowering import lower
from kd_edge.reporting.documents import make_document
from kd_edge.search.space.student_space import StudentSpace
from tools.fill_docs import fill

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "distiller.json"
PAGE = ROOT / "docs" / "halting.md"
PLAIN, KERAS = "plain student", "keras.distillation.Distiller"
STORED, LIVE = "soft targets", "live teacher"
STORED_LEFT, LIVE_LEFT = "soft targets, a trainee has left", "live teacher, a trainee has left"
TEACHER_WIDTH = 64
STUDENT = {
    "width": 16,
    "stem_kernel": 5,
    "stem_stride": 2,
    "num_blocks": 3,
    "num_strided": 2,
    "kernel": 5,
    "growth": 1.25,
}
NUM_SAMPLES = 2048
NUM_WARM_UP = 2  # rounds that trace


def _teacher(data: Dataset) -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_teacher(data.input_shape, data.num_classes, width=TEACHER_WIDTH)


def _student(data: Dataset) -> keras.Model:
    keras.utils.set_random_seed(0)
    return StudentSpace.family("ds_cnn", data.input_shape, data.num_classes).blueprint(STUDENT).to_keras()


def _distiller(data: Dataset, teacher: Any, *, kind: type = Distiller, **kwargs: Any) -> keras.Model:
    return kind(teacher, _student(data), keras.distillation.LogitsDistillation(4.0), **kwargs)


def _views(data: Dataset) -> SoftTargets:
    return soft_targets(_teacher(data), data.x_train, views=8, augment=_AUGMENT)


AUGMENTED, VIEWS = "plain student, samples changed at random", "soft targets, 8 stored views"
_AUGMENT = "sensor"
ARMS: dict[str, Callable[[Dataset, SoftTargets], keras.Model]] = {
    PLAIN: lambda data, targets: _student(data),
    AUGMENTED: lambda data, targets: _student(data),
    VIEWS: lambda data, targets: _distiller(data, _views(data)),
    KERAS: lambda data, targets: _distiller(data, _teacher(data), kind=keras.distillation.Distiller),
    LIVE: lambda data, targets: _distiller(data, _teacher(data)),
    STORED: lambda data, targets: _distiller(data, targets),
    LIVE_LEFT: lambda data, targets: _distiller(data, _teacher(data), trainee="like_teacher"),
    STORED_LEFT: lambda data, targets: _distiller(data, targets, trainee=_teacher(data)),
}
NEVER_HAD_ONE = {LIVE_LEFT: LIVE, STORED_LEFT: STORED}
# The views of a student's samples are compared with a student whose samples are changed in the same way.
COMPARED_WITH = {VIEWS: AUGMENTED}


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--memory-of", metavar="WIDTH", type=int, help="measure the memory alone and print it")
    parser.add_argument("--write", action="store_true", help="replace docs/results/distiller.json and the page's table")
    parser.add_argument("--write-memory", action="store_true", help="the same for what was measured of memory alone")
    parser.add_argument("--write-halting", action="store_true", help="the same for the seconds of halting alone")
    args = parser.parse_args()
    if args.memory_of:
        print(json.dumps(memory(args.memory_of)))
        return
    if args.write_halting:
        _write_halting(halting(_few_samples(), args.epochs, args.batch_size))
        return
    document = json.loads(RESULTS.read_text()) if args.write_memory else _measure_speed(args.epochs, args.batch_size)
    document["result"]["memory"] = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "trainees": [
            _in_child(width, onednn) for width in (TEACHER_WIDTH, 8 * TEACHER_WIDTH) for onednn in (False, True)
        ],
    }
    if not args.write_memory:
        document["result"]["halting"] = halting(_few_samples(), args.epochs, args.batch_size)
        print(render_halting(document["result"]["halting"]))
    print(render(document))
    if args.write or args.write_memory:
        write_json(RESULTS, document)
        fill(PAGE, "bench", render(document))
    if args.write:
        fill(PAGE, "halting seconds", render_halting(document["result"]["halting"]))


def _write_halting(checked: Mapping[str, Any]) -> None:
    document = json.loads(RESULTS.read_text())
    document["result"]["halting"] = checked
    print(render_halting(checked))
    write_json(RESULTS, document)
    fill(PAGE, "halting seconds", render_halting(checked))


def _measure_speed(epochs: int, batch_size: int) -> dict[str, Any]:
    data = _few_samples()
    result = {
        **networks(data),
        "epochs": epochs,
        "batch_size": batch_size,
        "num_samples": NUM_SAMPLES,
        "one_step_per_execution": speed(data, epochs, batch_size, steps_per_execution=1),
        "all_steps_per_execution": speed(data, epochs, batch_size, steps_per_execution=NUM_SAMPLES // batch_size),
        "jit_compile": speed(data, 5, batch_size, arms=(PLAIN, STORED), jit_compile=True),
    }
    document = make_document("bench_distiller") | {"tool": "tools/benchmarks/distiller.py", "result": result}
    document["load_average"] = os.getloadavg()
    return document


def _few_samples() -> Dataset:
    data = load_data("watch")
    return replace(data, x_train=data.x_train[:NUM_SAMPLES], y_train=data.y_train[:NUM_SAMPLES], group_train=None)


def networks(data: Dataset) -> dict[str, int | float]:
    """Return the sizes of teacher and student."""
    teacher, student = _teacher(data), _student(data)
    macs = lower(teacher).known_macs, lower(student).known_macs
    return {
        "teacher_macs": macs[0],
        "student_macs": macs[1],
        "macs_ratio": macs[0] / macs[1],
        "teacher_params": teacher.count_params(),
        "student_params": student.count_params(),
    }


def speed(
    data: Dataset, epochs: int, batch_size: int, *, arms: Sequence[str] = tuple(ARMS), **compiled: Any
) -> dict[str, Any]:
    """Return for each way of training its seconds per epoch and its ratio to the plain student.

    Args:
        data: The samples.
        epochs: Rounds, those that trace included.
        batch_size: Samples per step.
        arms: Which ways, the plain student first.
        **compiled: Options of `compile` for all of them.
    """
    start = time.perf_counter()
    targets = soft_targets(_teacher(data), data.x_train)
    targets_seconds = time.perf_counter() - start
    models = {name: ARMS[name](data, targets) for name in arms}
    for model in models.values():
        model.compile(
            keras.optimizers.AdamW(2e-3),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            **compiled,
        )
    feeds = {name: _feed(data, model, name, batch_size) for name, model in models.items()}
    seconds: dict[str, list[np.ndarray]] = {name: [] for name in arms}
    for epoch in range(epochs):
        for name, model in models.items():
            seconds[name].append(_epoch_seconds(model, feeds[name], epoch))
            if epoch == 0 and "trainee" in getattr(model, "guides", ()):
                model.halt("trainee")
    return {"targets_seconds": targets_seconds, "arms": {name: _figures(seconds, name) for name in arms}}


def _feed(data: Dataset, model: keras.Model, name: str, batch_size: int) -> Batches:
    """Return the batches of a way of training: all come from the same pipeline."""
    return Batches(
        x=data.x_train,
        y=data.y_train,
        batch_size=batch_size,
        drop_remainder=True,
        augmentation=make_augmentation(_AUGMENT) if name == AUGMENTED else None,
        targets=model.teacher if name in (STORED, VIEWS, STORED_LEFT) else None,
    )


def _epoch_seconds(model: keras.Model, feed: Batches, epoch: int) -> np.ndarray:
    """Return wall-clock and processor time of an epoch's steps."""
    marks: list[tuple[float, float]] = []

    def mark(epoch: int, logs: Any) -> None:
        marks.append((time.perf_counter(), time.process_time()))

    clock = keras.callbacks.LambdaCallback(on_epoch_begin=mark, on_epoch_end=mark)
    batches = feed.feed(epoch + 1, first_epoch=epoch)
    model.fit(batches, initial_epoch=epoch, epochs=epoch + 1, verbose=0, shuffle=False, callbacks=[clock])
    return np.subtract(marks[1], marks[0])


def _figures(seconds: Mapping[str, list[np.ndarray]], name: str) -> dict[str, float]:
    base = COMPARED_WITH.get(name, PLAIN)
    own, plain = (np.array(seconds[arm][NUM_WARM_UP:]) for arm in (name, base))
    figures = {
        "seconds_per_epoch": float(np.median(own[:, 0])),
        "ratio": float(np.median(own[:, 0] / plain[:, 0])),
        "cpu_ratio": float(np.median(own[:, 1] / plain[:, 1])),
    }
    if name in NEVER_HAD_ONE:
        before = np.array(seconds[NEVER_HAD_ONE[name]][NUM_WARM_UP:])
        figures["ratio_without_trainee"] = float(np.median(own[:, 0] / before[:, 0]))
        figures["cpu_ratio_without_trainee"] = float(np.median(own[:, 1] / before[:, 1]))
    return figures


def halting(data: Dataset, epochs: int, batch_size: int) -> dict[str, Any]:
    """Return the seconds that a report says halting saved, and those that a training which never halts took longer.

    Both trainings take turns, one epoch each. To compile the step anew once the trainee has left takes a part of what
    is saved.

    Args:
        data: The samples.
        epochs: Of both trainings; the trainee leaves the one after half of them.
        batch_size: Samples per step.
    """
    targets, leaves_after = soft_targets(_teacher(data), data.x_train), epochs // 2
    models = {name: _distiller(data, targets, trainee=_teacher(data)) for name in ("halts", "never")}
    for model in models.values():
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.AdamW(2e-3), loss=loss, metrics=["accuracy"])
    feeds = {name: _feed(data, model, STORED_LEFT, batch_size) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for epoch in range(epochs):
        for name, model in models.items():
            seconds[name].append(float(_epoch_seconds(model, feeds[name], epoch)[0]))
        if epoch + 1 == leaves_after:
            models["halts"].halt("trainee", epoch=leaves_after, reason="half of the epochs")
    (report,) = (report for report in models["halts"].halting_reports if report.guide == "trainee")
    first, *others = seconds["halts"][leaves_after:]
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "epochs": epochs,
        "halted_after": leaves_after,
        "estimated_seconds": report.seconds_saved,
        "measured_seconds": sum(seconds["never"][leaves_after:]) - sum(seconds["halts"][leaves_after:]),
        "compiling_seconds": first - float(np.median(others)),
        "seconds_per_epoch": seconds,
    }


def memory(width: int) -> dict[str, Any]:
    """Return by how much this process shrinks when a trainee of some width leaves, and what it still uses.

    Args:
        width: Of the trainee's first convolution; its architecture is the teacher's.
    """
    data = load_data("watch")
    trainee = build_teacher(data.input_shape, data.num_classes, width=width)
    distiller = Distiller(None, _student(data), keras.distillation.LogitsDistillation(4.0), trainee=trainee)
    del trainee
    distiller.compile(
        keras.optimizers.AdamW(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    samples = data.x_train[:256], data.y_train[:256]
    distiller.fit(*samples, verbose=0)
    gc.collect()
    before, used = _resident_bytes(), _bytes_in_use()
    distiller.halt("trainee")
    after, used_after = _resident_bytes(), _bytes_in_use()
    distiller.fit(*samples, verbose=0)
    (report,) = distiller.halting_reports
    return {
        "trainee_width": width,
        "megabytes_of_trainee": report.megabytes_saved,
        "resident_megabytes_before": before / 1e6,
        "resident_megabytes_after": after / 1e6,
        "resident_megabytes_next_epoch": _resident_bytes() / 1e6,
        "freed_megabytes": None if used is None or used_after is None else (used - used_after) / 1e6,
    }


def _bytes_in_use() -> int | None:
    """Return what TensorFlow's own allocator has handed out; `None` where it has none, as without oneDNN."""
    try:
        return int(tf.config.experimental.get_memory_info("CPU:0")["current"])
    except ValueError:
        return None


def _in_child(width: int, onednn: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "tools.benchmarks.distiller", "--memory-of", str(width)]
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return {"onednn": onednn, **json.loads(done.stdout.splitlines()[-1])}


def _resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def render_halting(checked: Mapping[str, Any]) -> str:
    """Return in Markdown what a report estimated and what a training without halting took."""
    estimated = checked["estimated_seconds"]
    said = "nothing, since the epochs do not show a difference" if estimated is None else f"{estimated:.1f} s"
    slow, fast = (float(np.median(checked["seconds_per_epoch"][name][checked["halted_after"] + 1 :])) for name in _BOTH)
    return (
        f"`tools/benchmarks/distiller.py`, {checked['created'][:10]}: of {checked['epochs']} epochs a trainee was "
        f"there for {checked['halted_after']}. Its report estimates as saved {said}. The same training that never "
        f"halted it took {checked['measured_seconds']:.1f} s longer (an epoch with the trainee {slow:.2f} s, without "
        f"it {fast:.2f} s, once {checked['compiling_seconds']:.1f} s to compile the step anew)."
    )


_BOTH = ("never", "halts")


def render(document: Mapping[str, Any]) -> str:
    """Return the figures as Markdown."""
    return "\n".join(_lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    result, versions, machine = document["result"], document["versions"], document["machine"]
    yield f"`tools/benchmarks/distiller.py`, {document['created'][:10]}; Keras {versions['keras']}, TensorFlow"
    yield f"{versions['tensorflow']}, Python {machine['python']}, {machine['cpu']}, {machine['num_cores']} CPUs,"
    yield f"load {document['load_average'][1]:.1f}."
    yield f"Teacher {result['teacher_macs'] / 1e6:.1f} M MACs, {result['macs_ratio']:.0f} times the student's; "
    yield f"{result['epochs']} epochs of {result['num_samples']} samples in batches of {result['batch_size']}."
    yield ""
    yield "| an epoch of | seconds | ratio | processor time | all steps in one call: seconds | ratio | processor time |"
    yield "|---|---|---|---|---|---|---|"
    runs = [result[f"{number}_per_execution"]["arms"] for number in ("one_step", "all_steps")]
    for name in runs[0]:
        cells = [
            f"{run[name]['seconds_per_epoch']:.2f} | {run[name]['ratio']:.2f} | {run[name]['cpu_ratio']:.2f}"
            for run in runs
        ]
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    for name in NEVER_HAD_ONE:
        wall, cpu = ([run[name][f"{kind}ratio_without_trainee"] for run in runs] for kind in ("", "cpu_"))
        yield (
            f"* {name}: {wall[0]:.2f} and {wall[1]:.2f} times an epoch of the same run that never had one "
            f"(processor time {cpu[0]:.2f} and {cpu[1]:.2f})."
        )
    plain, stored = (result["jit_compile"]["arms"][name] for name in (PLAIN, STORED))
    slower = plain["seconds_per_epoch"] / runs[0][PLAIN]["seconds_per_epoch"]
    yield (
        f"* `jit_compile=True`: the plain student took {slower:.1f} times as long as without; soft targets "
        f"{stored['ratio']:.2f} times the plain student."
    )
    yield f"* The ratio of {VIEWS!r} is that to {AUGMENTED!r}."
    yield f"* The soft targets took {result['one_step_per_execution']['targets_seconds']:.1f} s, once."
    day = result["memory"]["created"][:10]
    yield f"* Memory, measured on {day}, when a trainee leaves (its step's other memory goes, too):"
    for row in result["memory"]["trainees"]:
        fell = row["resident_megabytes_before"] - row["resident_megabytes_after"]
        freed = row["freed_megabytes"]
        onednn, kept = "off", ""
        if freed is not None:
            onednn, kept = "on", f"{freed:.1f} MB of large blocks became free for TensorFlow's next tensors; "
        yield (
            f"  * {row['megabytes_of_trainee']:.1f} MB of weights and slots, oneDNN {onednn}: {kept}"
            f"the process fell by {fell:.1f} MB, from {row['resident_megabytes_before']:.0f} MB; after one more epoch "
            f"{row['resident_megabytes_next_epoch']:.0f} MB."
        )


if __name__ == "__main__":
    main()
