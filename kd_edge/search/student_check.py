"""Whether a teacher's students can be built and answer as it does, to be known before any is trained."""

import keras

from kd_edge.distillation.targets.stored import SoftTargets
from kd_edge.errors import ModelError
from kd_edge.search.space.pruning import teacher_values
from kd_edge.search.space.student_space import StudentSpace


def check_students(space: StudentSpace, teacher: keras.Model | SoftTargets) -> None:
    """Build the cheapest and the widest network of a space that is derived from a teacher.

    Args:
        space: The students; those of a general family are not checked.
        teacher: The network that they are derived from.

    Raises:
        ModelError: One of them cannot be built, or answers in another shape than the teacher.
    """
    if space.prunable is None or isinstance(teacher, SoftTargets):
        return
    expected = _answers(teacher)
    cheapest = {name: options[0] for name, options in space.choices.items()}
    for title, values in (("cheapest", cheapest), ("widest", teacher_values(space.choices))):
        try:
            received = _answers(space.blueprint(values).to_keras())
        except ValueError as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(
                f"cannot build the {title} of the teacher's students: {reason}; choose one of the general families"
            ) from error
        if received != expected:
            raise ModelError(
                f"cannot shrink the teacher: expected students that answer in its shape, {expected}, the {title} "
                f"answers in {received}; choose one of the general families"
            )


def _answers(model: keras.Model) -> list[tuple[int, ...]]:
    """Return the shapes of a network's outputs, whose order does not matter."""
    return sorted(tuple(output.shape[1:]) for output in model.outputs)
