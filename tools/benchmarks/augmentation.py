"""Times the augmentations on batches as a training sees them; the table is in docs/augmentation.md.

Processor time of a `tf.data` map over batches of 64, less that of a map that changes nothing, in turns; each figure is
the median over the rounds. Needs the extra `train`.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from kd_edge.distillation.augmentation.registry import make_augmentation
from kd_edge.files import write_json
from kd_edge.reporting.documents import make_document
from tools.fill_docs import fill

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "augmentation.json"
PAGE = ROOT / "docs" / "augmentation.md"
ARMS = (
    ((28, 28, 1), "image"),
    ((28, 28, 1), "image-flip"),
    ((32, 32, 3), "image"),
    ((49, 40, 1), "spectrogram"),
    ((128, 9), "sensor"),
    ((128, 6), "sensor"),
    ((128, 6), "imu"),
)
BATCH_SIZE, NUM_BATCHES, NUM_ROUNDS = 64, 300, 7


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace docs/results/augmentation.json and the table")
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rows = [
        {"shape": list(shape), "augment": name, "microseconds_per_batch": microseconds(shape, name)}
        for shape, name in ARMS
    ]
    document = make_document("bench_augmentation") | {
        "tool": "tools/benchmarks/augmentation.py",
        "result": {"rows": rows},
    }
    text = "\n".join(_lines(document))
    print(text)
    if args.write:
        write_json(RESULTS, document)
        fill(PAGE, "bench", text)


def microseconds(shape: tuple[int, ...], name: str) -> float:
    """Return the processor time that an augmentation takes per batch."""
    samples = np.random.default_rng(0).normal(size=(BATCH_SIZE, *shape)).astype("float32")
    augmentation = make_augmentation(name)
    seeds = tf.range(BATCH_SIZE, dtype=tf.int64)
    changed, plain = (
        tf.data.Dataset.from_tensors(samples).repeat(NUM_BATCHES).map(change)
        for change in (lambda batch: augmentation(batch, seeds), lambda batch: batch + 0.0)
    )
    rounds = [_processor_seconds(changed) - _processor_seconds(plain) for _ in range(NUM_ROUNDS)]
    return float(np.median(rounds[1:])) / NUM_BATCHES * 1e6


def _processor_seconds(batches: tf.data.Dataset) -> float:
    start = time.process_time()
    for _ in batches:
        pass
    return time.process_time() - start


def _lines(document: dict) -> Iterator[str]:
    versions, machine = document["versions"], document["machine"]
    yield f"`tools/benchmarks/augmentation.py`, {document['created'][:10]}; TensorFlow {versions['tensorflow']}, Python"
    yield f"{machine['python']}, {machine['cpu']}, one thread."
    yield ""
    yield "| samples | augmentation | µs per batch of 64 |"
    yield "|---|---|---|"
    for row in document["result"]["rows"]:
        shape = ", ".join(map(str, row["shape"]))
        rounded = float(f"{row['microseconds_per_batch']:.2g}")
        yield f"| `({shape})` | `{row['augment']!r}` | {rounded:,.0f} |"


if __name__ == "__main__":
    main()
