"""Whether a guide and a student fit together."""

from typing import Any

import keras

from kd_edge.errors import ModelError


def check_pair(guide: keras.Model, student: keras.Model, name: str) -> None:
    """Check that a guide and the student take the same samples and give answers of the same kind.

    Args:
        guide: Its network.
        student: The student.
        name: What the guide is called.

    Raises:
        ModelError: Shapes or dtypes differ, or one of them is no Keras model.
    """
    for role, model in ((name, guide), ("student", student)):
        if not isinstance(model, keras.Model):
            raise ModelError(f"the {role} is no network: expected a keras.Model, received a {type(model).__name__}")
    for end in ("inputs", "outputs"):
        theirs, ours = getattr(guide, end, None), getattr(student, end, None)
        if theirs is None or ours is None:
            continue
        if len(theirs) != len(ours) or not all(map(_alike, theirs, ours)):
            raise ModelError(
                f"{name} and student have different {end}: expected the same shapes and dtypes, received "
                f"{_described(theirs)} and {_described(ours)}; build the student for the {name}'s task"
            )


def check_apart(models: dict[str, keras.Model]) -> None:
    """Check that networks share no weights.

    Args:
        models: They, by what they are called.

    Raises:
        ModelError: Two of them do.
    """
    owner: dict[int, str] = {}
    for name, model in models.items():
        for variable in model.variables:
            other = owner.setdefault(id(variable), name)
            if other != name:
                raise ModelError(
                    f"{name} and {other} share weights ({variable.path}): expected separate networks; build the "
                    f"{name} anew, or for a trainee pass 'like_teacher'"
                )


def _alike(a: Any, b: Any) -> bool:
    if len(a.shape) != len(b.shape):
        return False
    same_shape = all(m == n or m is None or n is None for m, n in zip(a.shape, b.shape, strict=True))
    return same_shape and (a.dtype == b.dtype or ("float" in a.dtype and "float" in b.dtype))


def _described(tensors: list[Any]) -> str:
    return ", ".join(f"{tuple(tensor.shape[1:])} {tensor.dtype}" for tensor in tensors)
