"""Distil a student from a teacher in plain Keras, with a trainee that is halted when it no longer helps.

Trains a small teacher on the smartwatch recordings first, so it runs alone: `python examples/distill.py`, about a
minute on 2 cores.
"""

import keras

import kd_edge
from kd_edge.distillation import build_teacher

EPOCHS = 6


def main() -> None:
    """Train a teacher, distil a student, and say what each got right."""
    keras.utils.set_random_seed(0)
    data = kd_edge.load_data("watch")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    teacher = build_teacher(data.input_shape, data.num_classes, width=32)
    teacher.compile("adam", loss=loss, metrics=["accuracy"])
    teacher.fit(data.x_train, data.y_train, epochs=EPOCHS, batch_size=64, verbose=2)

    space = kd_edge.StudentSpace.family("ds_cnn", data.input_shape, data.num_classes)
    values = {"width": 16, "stem_kernel": 5, "stem_stride": 2, "num_blocks": 3}
    values |= {"num_strided": 2, "kernel": 5, "growth": 1.25}
    student = space.blueprint(values).to_keras()

    distiller = kd_edge.Distiller(
        teacher=teacher,
        student=student,
        trainee="like_teacher",
        distillation_losses=keras.distillation.LogitsDistillation(4.0),
    )
    distiller.compile("adam", loss=loss, metrics=["accuracy"])
    distiller.fit(
        data.x_train,
        data.y_train,
        validation_data=(data.x_val, data.y_val),
        epochs=EPOCHS,
        batch_size=64,
        callbacks=[kd_edge.EarlyHalting()],
        verbose=2,
    )
    for report in distiller.halting_reports:
        print(f"{report.guide}: halted={report.halted} {report.reason}")

    student.compile(loss=loss, metrics=["accuracy"])
    for name, model in (("teacher", teacher), ("student", student)):
        print(f"{name}: test accuracy {model.evaluate(data.x_test, data.y_test, verbose=0)[1]:.3f}")


if __name__ == "__main__":
    main()
