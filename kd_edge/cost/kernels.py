"""Which kernels a board's runtime brings, and the scratch buffers that they ask for."""

from kd_edge.cost.devices import DeviceProfile
from kd_edge.cost.esp_nn_scratch import RELEASES, esp_nn_scratch
from kd_edge.ir.graph import Graph, Op
from tflite_bench.model.operators.registry import knows_memory, spec_of
from tflite_bench.model.operators.spec import Operands

REFERENCE = "reference"
# Without DSP instructions CMSIS-NN's functions need no buffer.
_WITHOUT_DSP = ("cortex-m0", "cortex-m0+", "cortex-m1", "cortex-m23", "cortex-m3")
_CORTEX_M = "cortex-m"
_ESP_CHIPS = {"xtensa-lx7": "s3", "rv32imafc": "p4"}
# ESP-NN has the reference kernels for these.
_ESP_PLAIN = ("xtensa-lx6", "esp32-s2", "rv32imc", "rv32imac")
_ANY_CHIP = "any"
_KERNELS = ("tflm", "tflm+cmsis-nn", "tflm+esp-nn")
# Releases whose arenas were measured: mcufit-bench, Arduino Nano 33 BLE Sense.
_MEASURED_CMSIS = ("Chirale_TensorFLowLite 2.0.0",)


def kernels_of(device: DeviceProfile) -> tuple[str, str]:
    """Return the kernels that a device's runtime brings: those that need least scratch, and those that need most.

    Both are the same where the core and the release are known. The names are those that `scratch_bytes` takes.

    Args:
        device: The board; `runtime` names the kernels, `runtime_version` their release.
    """
    title = device.runtime_title
    if "cmsis-nn" in title:
        if device.core in _WITHOUT_DSP:
            return ("cmsis-nn-plain",) * 2
        if not device.core.startswith(_CORTEX_M):
            return "cmsis-nn-plain", "cmsis-nn"
        known = device.runtime_version in _MEASURED_CMSIS
        return "cmsis-nn" if known else "cmsis-nn-least", "cmsis-nn"
    if "esp-nn" not in title or device.core in _ESP_PLAIN:
        return (REFERENCE,) * 2
    if not (chip := _ESP_CHIPS.get(device.core)):
        return REFERENCE, f"esp-nn-{_ANY_CHIP}"
    release = next((r for r in RELEASES if f"esp-nn {r}" in title), None)
    return (f"esp-nn-{chip}-{release}",) * 2 if release else (f"esp-nn-{chip}-least", f"esp-nn-{chip}")


def why_between(device: DeviceProfile) -> str:
    """Return why the scratch buffers of a device's kernels are an interval, and the way out.

    Args:
        device: The board, whose `kernels_of` differ.
    """
    esp, known = "esp-nn" in device.runtime_title, {**_ESP_CHIPS, **dict.fromkeys(_ESP_PLAIN)}
    if device.core not in known if esp else not device.core.startswith(_CORTEX_M):
        expected = ", ".join(sorted(known)) if esp else "cortex-m4, cortex-m7 or the like"
        return (
            f"the RAM depends on the core, and {device.core!r} is none that {device.runtime} is known for: the board "
            f"itself tells it, or your own profile, if that is another word for one of these ({expected})"
        )
    return f"the RAM depends on the release of {device.runtime}: put runtime_version into your own profile"


def why_unbounded(graph: Graph, device: DeviceProfile, *, measured: bool = False) -> str:
    """Return why nobody knows the most RAM that a network's kernels ask for, and the way out; empty where it is known.

    Args:
        graph: The network.
        device: The board.
        measured: Whether TFLM ran it, so that what its own kernels ask for is known.
    """
    kinds = dict.fromkeys(op.kind for part in graph.all_subgraphs for op in part.ops)
    unknown = [kind for kind in kinds if not knows_memory(kind)]
    if unknown and not measured:
        return (
            f"nobody knows the RAM of the kernel for {', '.join(unknown)}: kd-edge verify measures it where TFLM runs, "
            "or `register_op` makes it known"
        )
    if device.runs_tflm and not any(_begins(device.runtime, name) for name in _KERNELS):
        return (
            f"nobody knows the scratch buffers of the kernels of {device.runtime!r}: expected one of "
            f"{', '.join(_KERNELS)} as runtime in the profile of {device.name}"
        )
    return ""


def _begins(runtime: str, name: str) -> bool:
    """Return whether a runtime has a name, be it with a release behind."""
    return runtime == name or runtime.startswith(f"{name} ")


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
            buffers of the known releases; with `-least` their smallest, with `-1.1` or `-2026` those of one;
            `"esp-nn-any"`: the largest of all chips.
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
    chips = [*_ESP_CHIPS.values()] if chip == _ANY_CHIP else [chip]
    sizes = [esp_nn_scratch(operands, op, chip=chip, release=release) for chip in chips for release in RELEASES]
    return min(sizes) if which else max(sizes)
