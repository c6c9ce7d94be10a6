"""Every `preprocess_input` of `keras.applications`, written into a small network: whether it is read and kept."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

IMAGE = (16, 16, 3)


def read_all() -> Iterator[dict[str, Any]]:
    """Yield a record per module of `keras.applications`."""
    import keras

    for name, module in sorted(vars(keras.applications).items()):
        if hasattr(module, "preprocess_input"):
            yield {"module": name, **_read(module.preprocess_input)}


def render(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of the page: modules of the same ops share a row."""
    rows: dict[tuple[Any, ...], list[str]] = {}
    for record in records:
        key = (" ".join(record["ops"]) or "none", record["not_read"] or "yes", record["difference"])
        rows.setdefault(key, []).append(record["module"])
    return "\n".join(
        [
            "| `preprocess_input` of | ops before the first convolution | read | largest difference of a student "
            "|\n|---|---|---|---|",
            *(f"| {', '.join(modules)} | {ops} | {read} | {off} |" for (ops, read, off), modules in rows.items()),
        ]
    )


def _read(preprocess_input: Any) -> dict[str, Any]:
    import numpy as np

    from kd_edge.errors import ModelError
    from kd_edge.ir.lowering import lower
    from kd_edge.search.space.pruning import teacher_values
    from kd_edge.search.space.student_space import StudentSpace
    from kd_edge.search.weight_inheritance import WeightInheritance

    model = _network(preprocess_input)
    try:
        kinds = [op.kind for op in lower(model).ops]
        space = StudentSpace.from_teacher(model)
    except ModelError as error:
        return {"ops": [], "not_read": str(error), "difference": None}
    student = WeightInheritance(model, prunable=space.prunable).student(teacher_values(space.choices))
    samples = np.random.default_rng(0).uniform(0, 255, (8, *IMAGE)).astype(np.float32)
    expected, received = (np.asarray(one(samples, training=False)) for one in (model, student))
    difference = float(np.abs(expected - received).max() / np.abs(expected).max())
    return {"ops": kinds[: kinds.index("CONV_2D")], "not_read": None, "difference": float(f"{difference:.1g}")}


def _network(preprocess_input: Any) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    source = keras.Input(IMAGE)
    value = layers.Conv2D(8, 3, padding="same", activation="relu")(preprocess_input(source))
    return keras.Model(source, layers.Dense(5)(layers.GlobalAveragePooling2D()(value)))
