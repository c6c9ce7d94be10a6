"""Prints how much memory this process has around the halting of a large trainee; see test_early_halting.py."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kd_edge.distillation.distiller import Distiller

NUM_INPUTS, NUM_CLASSES = 8, 3


def main() -> None:
    width = int(sys.argv[1])
    distiller = trained_distiller(width)
    shapes = [variable.shape for variable in (*distiller.trainee.variables, *distiller.trainee.optimizer.variables)]
    taken = [allocate(shapes)]  # starts TensorFlow's threads
    figures = {"before": memory()}
    distiller.halt("trainee")
    figures["halted"] = memory()
    taken.append(allocate(shapes))
    figures["allocated_again"] = memory()
    print(json.dumps(figures))


def memory() -> dict[str, int]:
    """Return the bytes that are resident, in use by TensorFlow, and taken from the system for it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith("Vm")}
    resident = sizes["VmRSS"]
    try:
        in_use = tf.config.experimental.get_memory_info("CPU:0")["current"]
    except ValueError:  # no allocator of its own, as without oneDNN: what is freed goes back to the system at once
        return {"resident": resident, "in_use": resident, "taken": resident}
    return {"resident": resident, "in_use": in_use, "taken": sizes["VmSize"]}


def trained_distiller(width: int) -> Distiller:
    distiller = Distiller(network(16), network(4), keras.distillation.LogitsDistillation(2.0), trainee=network(width))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile("adam", loss=loss)
    samples = np.random.default_rng(0).normal(size=(16, NUM_INPUTS)).astype("float32")
    distiller.fit(samples, np.arange(16) % NUM_CLASSES, batch_size=16, verbose=0)
    return distiller


def network(width: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((NUM_INPUTS,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(NUM_CLASSES),
        ]
    )


def allocate(shapes: list[tuple[int, ...]]) -> list[tf.Tensor]:
    """Return tensors of the trainee's weights and slots, every byte of them written."""
    return [tf.fill(shape, 1.0) for shape in shapes]


if __name__ == "__main__":
    main()
