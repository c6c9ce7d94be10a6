"""Device discovery: lists what models can be measured on from here."""

from collections.abc import Iterator

from tflite_bench.errors import RunnerError
from tflite_bench.runners.registry import runner_specs
from tflite_bench.runners.spec import Device, RunnerSpec


def list_devices() -> tuple[Device, ...]:
    """Return the runtimes, programs, phones, boards and emulators of this machine, also those that are missing."""
    return tuple(device for spec in runner_specs() for device in _found(spec))


def _found(spec: RunnerSpec) -> Iterator[Device]:
    try:
        yield from spec.discover()
    except (RunnerError, ImportError) as error:
        yield Device(spec.shortest, False, str(error))
