"""What a distiller writes into files and reads back: settings, student, trainee, which guides left."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


class DistillerFiles(keras.Model):  # type: ignore[misc]
    """The part of a `Distiller` that is about files; it stands first among its bases.

    Attributes:
        missing: Guides that a distiller still had when it was saved, and that did not come back with the file.
    """

    _saves_trainee = False
    missing: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        """Return what a saved file holds: the student and the settings; the teacher only with `save_teacher`."""
        teacher = self.teacher if self.save_teacher and isinstance(self.teacher, keras.Model) else None
        config: dict[str, Any] = keras.Model.get_config(self)
        return config | {
            "name": self.name,
            "teacher": keras.saving.serialize_keras_object(teacher),
            "student": keras.saving.serialize_keras_object(self.student),
            "distillation_losses": self._saved_losses(),
            "distillation_loss_weights": self.distillation_loss_weights,
            "student_loss_weight": self.student_loss_weight,
            "trainee_loss_weight": self.trainee_loss_weight,
            "save_teacher": self.save_teacher,
            "guides": list(self.guides),
        }

    def _saved_losses(self) -> Any:
        losses = [keras.saving.serialize_keras_object(loss) for loss in self.distillation_losses]
        names = [output[1] for output in self.distillation_outputs if output is not None]
        return dict(zip(names, losses, strict=True)) if names else losses

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Make a distiller of what `get_config` returned."""
        config = dict(config)
        guides = config.pop("guides", [])
        for name in ("teacher", "student", "distillation_losses"):
            config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
        distiller = cls(**config)
        distiller.missing = tuple(name for name in guides if name not in distiller.guides)
        return distiller

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as the saved distiller was."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def export(self, *args: Any, **kwargs: Any) -> None:
        """Write the student for serving; the arguments are those of `keras.Model.export`."""
        self.student.export(*args, **kwargs)

    def save_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Write all that a training needs to go on: besides the student, the trainee and which guides left."""
        with self._trainee_saved():
            super().save_weights(filepath, *args, **kwargs)

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Read what `save_weights` wrote; guides that had left then leave now."""
        with self._trainee_saved():
            super().load_weights(filepath, *args, **kwargs)

    def save_own_variables(self, store: Any) -> None:
        """Write which guides left."""
        store["ledger"] = np.frombuffer(json.dumps(self.training_log.to_plain()).encode(), np.uint8)

    def load_own_variables(self, store: Any) -> None:
        """Let those guides leave that had left when the file was written."""
        # The name that saved models have.
        if "ledger" not in store.keys():  # noqa: SIM118 - a store is no mapping
            return
        plain = json.loads(bytes(np.asarray(store["ledger"])))
        for name in plain["halts"]:
            if name in self.guides:
                self.halt(name)
        self.training_log.restore(plain)

    def unsaved_attributes(self) -> set[str]:
        """Return the guides that are not saved."""
        saved = {"teacher": self.save_teacher, "trainee": self._saves_trainee, "trainee_optimizer": False}
        return {name for name, is_saved in saved.items() if not is_saved}

    @contextlib.contextmanager
    def _trainee_saved(self) -> Iterator[None]:
        self._saves_trainee = True
        try:
            yield
        finally:
            self._saves_trainee = False
