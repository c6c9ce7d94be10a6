"""Private names of tensorflow-model-optimization 0.8.1 and tf_keras 2.21, and how both live beside Keras 3."""

import importlib
import importlib.util
import os
from typing import Any

from kd_edge.errors import MissingDependencyError

_LEGACY = "TF_USE_LEGACY_KERAS"
_CONFIGS = "tensorflow_model_optimization.python.core.quantization.keras.default_8bit.default_8bit_quantize_configs"


_PACKAGES = {"tf_keras": "tf-keras", "tensorflow_model_optimization": "tensorflow-model-optimization"}


def check_installed() -> None:
    """Refuse what needs these packages where they are missing.

    Raises:
        MissingDependencyError: One is.
    """
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError(
                f"{package} is not installed, fine-tuning for int8 and compression need it: pip install 'kd-edge[qat]'"
            )


def import_optimization() -> Any:
    """Import tensorflow-model-optimization beside Keras 3 and return it.

    It sets an environment variable that makes `tf.keras` the old Keras from then on, in this process and its children;
    here that is undone.
    """
    import tensorflow as tf

    _ = tf.keras.layers  # what `tf.keras` is, is decided at its first use
    before = os.environ.get(_LEGACY)
    try:
        import tensorflow_model_optimization
    finally:
        os.environ.pop(_LEGACY, None)
        if before is not None:
            os.environ[_LEGACY] = before
    return tensorflow_model_optimization


def quantize_configs() -> Any:
    """Return the module with the classes that say where int8 is simulated at a layer."""
    return importlib.import_module(_CONFIGS)


def quantize_registry(optimization: Any) -> Any:
    """Return what knows, by `supports(layer)`, the layers of tf_keras that can be trained with simulated int8."""
    return optimization.quantization.keras.default_8bit.Default8BitQuantizeScheme().get_quantize_registry()


def reset_running_numbers() -> None:
    """Let tf_keras count the names of layers from the start: the numbers would change a file."""
    importlib.import_module("tf_keras").backend.reset_uids()


def input_of_maker(tensor: Any) -> Any:
    """Return the input of the layer that made a tensor of tf_keras."""
    return tensor._keras_history.layer.input
