"""The errors that tflite_bench raises on purpose."""


class KdEdgeError(Exception):
    """Base class of every error that kd_edge and tflite_bench raise on purpose.

    Its message is one line: what happened, what was expected, what was received, and the way out.
    The command line prints it and exits with code 2.
    """


class TfliteBenchError(KdEdgeError):
    """Base class of every error that tflite_bench raises on purpose."""


class ConfigError(TfliteBenchError, ValueError):
    """A setting, a device profile or an argument is wrong."""


class ModelFileError(TfliteBenchError, ValueError):
    """The file is no usable `.tflite` model."""


class RunnerError(TfliteBenchError, RuntimeError):
    """A runtime refused the model, crashed, hung, or is not installed."""


class DoesNotFitError(RunnerError):
    """A board is too small for the model, or its firmware lacks an operator or refuses the model."""


class RuntimeMissingError(RunnerError, ImportError):
    """A runtime is not installed, or there is none for this platform."""
