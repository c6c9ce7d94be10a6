"""Lists what models can be measured on from here."""

from collections.abc import Iterator
from dataclasses import dataclass

from tflite_bench.errors import RunnerError
from tflite_bench.measurement.environment import read_versions
from tflite_bench.runners import ethos_u, tflm
from tflite_bench.runners.qemu import firmware
from tflite_bench.runners.qemu import runner as qemu
from tflite_bench.runners.vendor.runner import find_benchmark_model
from tflite_bench.transports.adb import list_phones
from tflite_bench.transports.ssh import find_ssh, list_hosts


@dataclass(frozen=True)
class Device:
    """Something that `--on` accepts.

    Attributes:
        on: What to write after `--on`.
        ready: True if it can be used; of boards over ssh, that there is a client: none is contacted.
        detail: Its version or model; or why it cannot be used, and what to do.
    """

    on: str
    ready: bool
    detail: str


def list_devices() -> tuple[Device, ...]:
    """Return the runtimes, programs, phones, boards and emulators of this machine, also those that are missing."""
    return (*_local(), *_phones(), _boards(), *_virtual())


def _local() -> Iterator[Device]:
    versions = read_versions()
    litert = f"ai-edge-litert {versions['ai-edge-litert']}"
    yield Device("litert", True, litert)
    yield Device("litert-benchmark", True, litert)
    found = tflm.is_installed()
    yield Device("tflm", found, f"tflite-micro {versions['tflite-micro']}" if found else "pip install tflite-micro")
    try:
        yield Device("benchmark_model", True, str(find_benchmark_model()))
    except RunnerError as error:
        yield Device("benchmark_model", False, str(error))


def _virtual() -> Iterator[Device]:
    ready = firmware.is_installed() and qemu.is_installed()
    packages = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm gcc"
    detail = "" if ready else f"; pip install 'kd-edge[qemu]', apt install {packages}"
    for name, core in firmware.CORES.items():
        yield Device(f"qemu:{name}", ready, f"{core.name}, emulated{detail}")
    found = ethos_u.is_installed()
    yield Device("ethos-u", found, "Vela's estimate" if found else "pip install 'kd-edge[ethos-u]'")


def _phones() -> Iterator[Device]:
    try:
        phones = list_phones()
    except RunnerError as error:
        yield Device("adb", False, str(error))
        return
    if not phones:
        yield Device("adb", False, "no phone is connected")
    for serial, state in phones.items():
        yield Device(f"adb:{serial}", state == "device", f"a phone, {state}")


def _boards() -> Device:
    try:
        find_ssh()
    except RunnerError as error:
        return Device("ssh:user@host", False, str(error))
    hosts = ", ".join(f"ssh:{host}" for host in list_hosts())
    known = f"not contacted, from ~/.ssh/config: {hosts}" if hosts else "~/.ssh/config names no host"
    return Device("ssh:user@host", True, f"any board with a known host key and a key of yours; {known}")
