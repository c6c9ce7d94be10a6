"""Which kernels a board's runtime brings, and the scratch buffers that they ask for."""

from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.esp_nn_scratch import RELEASES, esp_nn_scratch
from kd_edge.ir.graph import Op
from tflite_bench.model.operators.registry import spec_of
from tflite_bench.model.operators.spec import Operands

REFERENCE = "reference"
# Without DSP instructions CMSIS-NN's functions need no buffer.
_WITHOUT_DSP = ("cortex-m0", "cortex-m0+", "cortex-m3")
_ESP_CHIPS = {"xtensa-lx7": "s3", "rv32imafc": "p4"}
# Releases whose arenas were measured: mcufit-bench, Arduino Nano 33 BLE Sense.
_MEASURED_CMSIS = ("Chirale_TensorFLowLite 2.0.0",)


def kernels_of(device: DeviceProfile) -> tuple[str, str]:
    """Return the kernels that a device's runtime brings: those that need least scratch, and those that need most.

    Both are the same where the release is known. The names are those that `scratch_bytes` takes.

    Args:
        device: The board; `runtime` names the kernels, `runtime_version` their release.
    """
    title = device.runtime_title
    if "cmsis-nn" in title:
        if device.core in _WITHOUT_DSP:
            return ("cmsis-nn-plain",) * 2
        known = device.runtime_version in _MEASURED_CMSIS
        return "cmsis-nn" if known else "cmsis-nn-least", "cmsis-nn"
    chip = _ESP_CHIPS.get(device.core) if "esp-nn" in title else None
    if chip is None:
        return (REFERENCE,) * 2
    release = next((r for r in RELEASES if f"esp-nn {r}" in title), None)
    return (f"esp-nn-{chip}-{release}",) * 2 if release else (f"esp-nn-{chip}-least", f"esp-nn-{chip}")


def depends_on_options(kernels: str) -> bool:
    """Return whether scratch buffers depend on more than the shapes of an op: on its strides and dilations."""
    return kernels.startswith("esp-nn")


def scratch_bytes(operands: Operands, op: Op | None = None, *, kernels: str = REFERENCE) -> tuple[int, ...]:
    """Return the scratch buffers that an op's kernel asks for, in bytes before alignment.

    Args:
        operands: One op of a graph with its tensors.
        op: The same op with its options; ESP-NN's kernels look at them.
        kernels: `"reference"`, `"cmsis-nn"`, the same with `-least` for releases that need no buffer for a depthwise
            3x3 convolution or `-plain` for cores without DSP instructions, or `"esp-nn-s3"`, `"esp-nn-p4"`: the largest
            buffers of the known releases; with `-least` their smallest, with `-1.1` or `-2026` those of one.
    """
    spec = spec_of(operands.kind)
    if not operands.outputs:
        return ()
    if kernels.startswith("esp-nn") and op is not None and (found := _esp_nn(operands, op, kernels)):
        return found
    rule = spec.scratch_bytes
    if kernels in ("cmsis-nn", "cmsis-nn-least") and not _spared(operands, kernels):
        rule = spec.cmsis_scratch_bytes or rule
    return rule(operands) if rule else ()


def _spared(operands: Operands, kernels: str) -> bool:
    depthwise = operands.kind == "DEPTHWISE_CONV_2D" and operands.weights[1:3] == (3, 3)
    return kernels == "cmsis-nn-least" and depthwise


def _esp_nn(operands: Operands, op: Op, kernels: str) -> tuple[int, ...]:
    _, _, chip, *which = kernels.split("-")
    if which and which[0] in RELEASES:
        return esp_nn_scratch(operands, op, chip=chip, release=which[0])
    sizes = [esp_nn_scratch(operands, op, chip=chip, release=release) for release in RELEASES]
    return min(sizes) if which else max(sizes)
