"""Networks executed on an emulated Cortex-M: bakenn, GNU's compiler and QEMU, all real."""

import json
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import flatbuffers
import jsonschema
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tflite_bench import run_benchmark
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.errors import RunnerError, RuntimeMissingError
from tflite_bench.measurement.timing import Plan
from tflite_bench.reporting.documents import benchmark_document
from tflite_bench.reporting.envelope import to_json
from tflite_bench.reporting.tables import benchmark_text
from tflite_bench.runners.base import Execution, RunnerResult
from tflite_bench.runners.qemu import firmware
from tflite_bench.runners.qemu import runner as qemu
from tflite_bench.runners.qemu.firmware import CORES, Core, Firmware, build_firmware
from tflite_bench.runners.qemu.runner import QemuRunner, run_firmware

pytestmark = pytest.mark.skipif(
    not (firmware.is_installed() and qemu.is_installed()),
    reason="needs bakenn, gcc-arm-none-eabi, qemu-system-arm and a C compiler (tools/install-system)",
)


def residual_network() -> bytes:
    network = SyntheticNetwork((12, 8, 3))
    network.conv(8, 3, stride=2)
    branch = network.depthwise(3)
    network.conv(8, 1)
    network.add(branch)
    network.pool((6, 4))
    network.dense(5)
    return network.to_bytes()


def assemble(code: str, folder: Path) -> Firmware:
    """Make a program of a few instructions."""
    (folder / "code.S").write_text(code)
    (folder / "code.ld").write_text("SECTIONS { .text 0 : { *(.vectors) *(.text*) } .data 0x20000000 : { *(.data*) } }")
    command = [firmware.COMPILER, "-mcpu=cortex-m4", "-mthumb", "-nostdlib", "-T", folder / "code.ld"]
    subprocess.run([*command, folder / "code.S", "-o", folder / "code.elf"], check=True, capture_output=True)
    return Firmware(folder / "code.elf", 0, 0, 0, "", "")


def changed(model: bytes, change: Callable[[schema.ModelT], None]) -> bytes:
    tree = schema.ModelT.InitFromPackedBuf(model, 0)
    change(tree)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def executed(model: bytes) -> Execution | None:
    return QemuRunner("m4").benchmark(model, Plan()).execution


@pytest.fixture(scope="module")
def results() -> dict[str, RunnerResult]:
    """The result of one network on each core."""
    return {core: QemuRunner(core).benchmark(residual_network(), Plan()) for core in CORES}


def test_a_file_of_tensorflows_converter_runs_and_gives_the_outputs_of_litert(
    model_bytes: Callable[[str], bytes],
) -> None:
    # Its RESHAPE has no options, and its dense layer reads an image of 1x1 and has no bias.
    execution = QemuRunner("m4").benchmark(model_bytes("residual_int8"), Plan()).execution
    assert execution is not None
    assert execution.matches_reference


def test_a_name_that_ends_a_comment_does_not_reach_the_compiler(model_bytes: Callable[[str], bytes]) -> None:
    def rename(tree: schema.ModelT) -> None:
        (graph,), (signature,) = tree.subgraphs, tree.signatureDefs
        for named in (*graph.tensors, graph, *signature.inputs, *signature.outputs, *tree.metadata):
            named.name = b'*/\n#error a name was compiled\n/*"\\'
        signature.signatureKey = tree.description = graph.name

    assert executed(changed(model_bytes("residual_int8"), rename)) == executed(model_bytes("residual_int8"))


def test_a_file_from_before_2020_is_executed_like_one_of_today(model_bytes: Callable[[str], bytes]) -> None:
    def age(tree: schema.ModelT) -> None:
        for code in tree.operatorCodes:
            code.builtinCode = 0

    assert executed(changed(model_bytes("residual_int8"), age)) == executed(model_bytes("residual_int8"))


@pytest.mark.parametrize("core", list(CORES))
def test_the_outputs_are_those_of_litert_bit_for_bit(core: str, results: dict[str, RunnerResult]) -> None:
    execution = results[core].execution
    assert execution is not None
    assert (execution.matches_reference, execution.largest_difference) == (True, 0)
    assert execution.processor == f"cortex-{core}"


@pytest.mark.parametrize("core", list(CORES))
def test_instructions_are_counted_per_inference_and_function_and_are_no_time(
    core: str, results: dict[str, RunnerResult]
) -> None:
    result = results[core]
    assert (result.kind, result.latency, result.runner) == ("instructions", None, f"qemu:{core}")
    assert "no model of time" in result.unavailable_reason["latency"]
    execution = result.execution
    assert execution is not None
    counts = {function.name: function.instructions for function in execution.functions}
    assert abs(sum(counts.values()) - execution.instructions) <= len(counts)  # each is rounded
    # 6 x 4 outputs of 3 x 3 x 3 inputs and 8 filters, and 6 x 4 of 8 inputs and 8 filters: more than one instruction
    # per multiplication in bakenn's plain C, and no call of more than a few hundred around it.
    assert counts["bknn_net_conv2d_s8"] > 6 * 4 * 27 * 8
    assert counts["bknn_net_infer"] < 500
    assert not any(name.startswith("bench_") for name in counts)
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_sizes_are_those_of_the_network_and_its_kernels(results: dict[str, RunnerResult]) -> None:
    execution = results["m4"].execution
    assert execution is not None
    weights = 8 * 27 + 9 * 8 + 8 * 8 + 5 * 8
    per_filter = 4 + 4 + 4  # bias, and a multiplier with its shift
    assert weights + 29 * per_filter <= execution.constant_bytes <= weights + 29 * per_filter + 256
    # Three tensors of 6 x 4 x 8 live at once; CMSIS-NN asks for some scratch memory beside them.
    assert 3 * 6 * 4 * 8 <= execution.workspace_bytes <= 3 * 6 * 4 * 8 + 256
    assert 2_000 < execution.code_bytes < 50_000
    assert "CMSIS-NN" in execution.kernels
    assert "arm-none-eabi-gcc" in execution.compiler


def test_counts_repeat_exactly_and_are_never_shown_as_milliseconds(results: dict[str, RunnerResult]) -> None:
    again = run_benchmark(residual_network(), runner="qemu:m4")
    assert again.result.execution == results["m4"].execution
    document = json.loads(to_json(benchmark_document(again)))
    jsonschema.validate(
        document, json.loads((files("tflite_bench.reporting") / "schemas/benchmark.schema.json").read_text())
    )
    parts = ("instructions", "functions", "code_bytes", "constant_bytes", "workspace_bytes")
    assert list(document["kinds"]) == [f"execution.{part}" for part in parts]
    assert list(document["kinds"].values()) == ["instructions", "instructions", "bytes", "bytes", "bytes"]
    places = (*(f"execution.{part}" for part in parts if part != "functions"), "execution.functions[].instructions")
    computed = {"execution.workspace_bytes"}  # bakenn plans it; its ELF file has the rest
    assert {place: document["provenance"][place] for place in places} == {
        place: "computed" if place in computed else "measured" for place in places
    }
    assert document["result"]["latency"] is None
    text = benchmark_text(again)
    assert "yes, bit for bit" in text
    assert " ms" not in text


def test_every_executed_instruction_is_counted_once(tmp_path: Path) -> None:
    # A loop of 3 instructions, 1000 times, after one instruction and before one.
    code = """
        .syntax unified
        .thumb
        .section .vectors, "a"
        .word 0x20001000, bench_reset + 1
        .text
        .global bench_reset
        .type loop, %function
        loop: movw r4, #1000
        again: nop
        subs r4, #1
        bne again
        bx lr
        .size loop, . - loop
        .type bench_reset, %function
        bench_reset: bl loop
        movs r0, #4
        adr r1, text
        bkpt 0xab
        movs r0, #0x18
        ldr r1, =0x20026
        bkpt 0xab
        .balign 4
        text: .asciz "2a\\n"
        .size bench_reset, . - bench_reset
    """
    (tmp_path / "loop.S").write_text(code)
    (tmp_path / "loop.ld").write_text(
        "SECTIONS { .text 0 : { *(.vectors) *(.text*) } .data 0x20000000 : { *(.data*) } }"
    )
    command = [firmware.COMPILER, "-mcpu=cortex-m4", "-mthumb", "-nostdlib", "-T", tmp_path / "loop.ld"]
    subprocess.run([*command, tmp_path / "loop.S", "-o", tmp_path / "loop.elf"], check=True)
    program = Firmware(tmp_path / "loop.elf", 0, 0, 0, "", "")
    outputs, counts = run_firmware(program, CORES["m4"], tmp_path, time_limit_s=60)
    assert outputs == b"\x2a"
    assert counts["loop"] == 1 + 3 * 1000 + 1


def test_a_model_that_bakenn_cannot_translate_says_why(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(RunnerError, match=r"bakenn cannot translate the model: .*CONV_2D version 1 is unsupported"):
        QemuRunner().benchmark(model_bytes("residual_float"), Plan())


def test_a_network_that_does_not_fit_the_machine_says_so(tmp_path: Path) -> None:
    tiny = Core("cortex-m4", "mps2-an386", "cortex-m4", (0, 4096), (0x20000000, 65536))
    with pytest.raises(RunnerError, match=r"does not fit the memory of the emulated cortex-m4 \(mps2-an386\)"):
        build_firmware(residual_network(), np.zeros((1, 12, 8, 3), np.int8), tiny, tmp_path)


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        ("udf #0", "the network failed on the emulated cortex-m4: qemu-system-arm was ended by SIGABRT"),
        ("b .", "qemu-system-arm did not end within 2 s and was stopped"),
    ],
)
def test_a_program_that_fails_or_hangs_on_the_machine_is_an_error(
    instruction: str, message: str, tmp_path: Path
) -> None:
    code = f'.syntax unified\n.thumb\n.section .vectors, "a"\n.word 0x20001000, start + 1\nstart: {instruction}\n'
    program = assemble(code, tmp_path)
    with pytest.raises(RunnerError, match=message):
        run_firmware(program, CORES["m4"], tmp_path, time_limit_s=2)


def test_without_the_tools_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeMissingError, match=r"arm-none-eabi-gcc \(Debian: apt install gcc-arm-none-eabi"):
        build_firmware(residual_network(), np.zeros((1, 12, 8, 3), np.int8), CORES["m4"], tmp_path)
    with pytest.raises(RuntimeMissingError, match=r"qemu-system-arm \(Debian: apt install qemu-system-arm"):
        run_firmware(Firmware(tmp_path, 0, 0, 0, "", ""), CORES["m4"], tmp_path, time_limit_s=1)


@pytest.mark.parametrize(
    ("shapes", "received"),
    [([], "none"), ([[]], r"\(\)"), ([[2, 4]], r"\(2, 4\)"), ([[1, 4]] * 2, r"\(1, 4\), \(1, 4\)")],
)
def test_a_model_without_one_input_of_batch_1_is_refused(shapes: list[list[int]], received: str) -> None:
    def change(model: schema.ModelT) -> None:
        graph = model.subgraphs[0]
        graph.inputs = []
        for shape in shapes:
            tensor = schema.TensorT()
            tensor.name, tensor.shape, tensor.type, tensor.buffer = "more", shape, schema.TensorType.INT8, 0
            graph.inputs.append(len(graph.tensors))
            graph.tensors.append(tensor)
        graph.outputs, graph.operators = graph.inputs, []

    with pytest.raises(RunnerError, match=f"expected one input, of batch 1, received inputs {received}"):
        executed(changed(residual_network(), change))
