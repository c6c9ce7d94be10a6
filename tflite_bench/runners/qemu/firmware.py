"""Makes a program for a Cortex-M that runs a network: bakenn's C code with CMSIS-NN, a harness, and GNU's compiler."""

import importlib.metadata
import importlib.util
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from tflite_bench.errors import RunnerError, RuntimeMissingError
from tflite_bench.processes.isolation import Array, ChildError, run_child, serve
from tflite_bench.processes.program import one_line, run_process
from tflite_bench.runners.qemu.explicit_ops import spell_out

COMPILER = "arm-none-eabi-gcc"

_COMPILER_SECONDS = 300.0
_FLAGS = (
    "-O2", "-std=c11", "-mthumb", "-mfloat-abi=soft", "-ffunction-sections", "-fdata-sections", "-fno-common",
    "-DBAKENN_CMSIS_NN_BUILTIN_MEMORY", "-nostartfiles", "-Wl,--gc-sections",
)  # fmt: skip
_HARNESS = "bench_"


@dataclass(frozen=True)
class Core:
    """A processor and the emulated machine around it.

    Attributes:
        name: Its name, e.g. `"cortex-m4"`.
        machine: QEMU's name of the machine.
        compiler_cpu: The compiler's name of the processor.
        code: Start and size of the memory for code and constants.
        data: Start and size of the memory for data.
    """

    name: str
    machine: str
    compiler_cpu: str
    code: tuple[int, int]
    data: tuple[int, int]


CORES = {
    "m4": Core("cortex-m4", "mps2-an386", "cortex-m4", (0x0, 4 << 20), (0x20000000, 4 << 20)),
    "m7": Core("cortex-m7", "mps2-an500", "cortex-m7", (0x0, 4 << 20), (0x20000000, 4 << 20)),
    # bakenn's CMSIS-NN has no kernels for the vector unit, so the compiler gets none either.
    "m55": Core("cortex-m55", "mps3-an547", "cortex-m55+nomve", (0x10000000, 512 << 10), (0x30000000, 512 << 10)),
}


@dataclass(frozen=True)
class Firmware:
    """A program that runs a network.

    Attributes:
        path: The ELF file.
        code_bytes: Functions of the network and its kernels, without the harness.
        constant_bytes: Constants of them.
        workspace_bytes: Activations and scratch buffers.
        kernels: Code generator and kernels, with versions.
        compiler: Compiler, version and optimisation.
    """

    path: Path
    code_bytes: int
    constant_bytes: int
    workspace_bytes: int
    kernels: str
    compiler: str


def build_firmware(model: bytes, inputs: Array, core: Core, folder: Path, *, time_limit_s: float = 600.0) -> Firmware:
    """Make a program that runs a network on each of some inputs and prints the outputs.

    Args:
        model: Bytes of a `.tflite` file.
        inputs: The inputs, of the shape `(n, ...)`.
        core: The processor.
        folder: An empty folder for the files.
        time_limit_s: Longest time to generate the code.

    Raises:
        RuntimeMissingError: bakenn or the compiler is not installed.
        RunnerError: bakenn cannot translate the model, or the program does not fit the machine.
    """
    made = translate(model, folder, time_limit_s=time_limit_s)
    _write_inputs(folder / "inputs.h", inputs)
    with as_file(files("tflite_bench.runners.qemu") / "emulator") as emulator:
        sources = (str(emulator / "harness.c"), *made["sources"])
        elf = compile_program(sources, (str(folder), *made["include_dirs"]), core, folder)
    code_bytes, constant_bytes = _sizes(elf)
    kernels = f"bakenn {importlib.metadata.version('bakenn')}, {made['kernels']}"
    return Firmware(elf, code_bytes, constant_bytes, made["workspace_bytes"], kernels, _compiler_version())


def translate(model: bytes, folder: Path, *, time_limit_s: float = 600.0) -> Mapping[str, Any]:
    """Write a network as C code.

    Args:
        model: Bytes of a `.tflite` file.
        folder: A folder for the files.
        time_limit_s: Longest time that it may take.

    Returns:
        `sources` and `include_dirs`, paths; `workspace_bytes`; and `kernels`, whose they are.

    Raises:
        RuntimeMissingError: bakenn or the compiler is not installed.
        RunnerError: bakenn cannot translate the model.
    """
    _require_tools()
    try:
        return run_child(__name__, {"folder": str(folder)}, model=model, time_limit_s=time_limit_s).values
    except ChildError as error:
        raise RunnerError(f"bakenn cannot translate the model: {error}") from error


def is_installed() -> bool:
    """Return whether bakenn and the compiler are installed."""
    return not _missing()


def _missing() -> list[str]:
    wanted = {
        "bakenn (pip install 'kd-edge[qemu]')": importlib.util.find_spec("bakenn")
        and importlib.util.find_spec("tflite"),
        f"{COMPILER} (Debian: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi)": shutil.which(COMPILER),
    }
    return [name for name, found in wanted.items() if not found]


def _require_tools() -> None:
    if missing := _missing():
        raise RuntimeMissingError(f"cannot build a program for a Cortex-M: {' and '.join(missing)} not found")


def _write_inputs(path: Path, inputs: Array) -> None:
    flat = inputs.reshape(len(inputs), -1).astype(np.int8)
    rows = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in flat.tolist())
    path.write_text(
        f"#define BENCH_NUM_INPUTS {len(flat)}u\n"
        f"static const int8_t bench_inputs[{len(flat)}][{flat.shape[1]}] = {{\n{rows}}};\n"
    )


def compile_program(
    sources: Sequence[str], include_dirs: Sequence[str], core: Core, folder: Path, *, flags: Sequence[str] = ()
) -> Path:
    """Compile and link a program for an emulated processor.

    Args:
        sources: Paths of the C files.
        include_dirs: Folders of headers.
        core: The processor.
        folder: Where the program goes.
        flags: More flags for the compiler.

    Returns:
        The ELF file.

    Raises:
        RunnerError: It does not compile, or does not fit the machine.
    """
    elf = folder / "net.elf"
    places = zip(("CODE_START", "CODE_SIZE", "DATA_START", "DATA_SIZE"), (*core.code, *core.data), strict=True)
    symbols = [f"-Wl,--defsym={name}={value}" for name, value in places]
    headers = [part for path in include_dirs for part in ("-I", path)]
    with as_file(files("tflite_bench.runners.qemu") / "emulator") as emulator:
        command = [
            COMPILER, f"-mcpu={core.compiler_cpu}", *_FLAGS, *flags, *symbols, "-T", str(emulator / "link.ld"),
            *headers, *sources, "-o", str(elf), "-lc", "-lgcc",
        ]  # fmt: skip
        done = run_process(command, time_limit_s=_COMPILER_SECONDS)
    if done.returncode != 0:
        if "will not fit in region" in done.stderr:
            raise RunnerError(f"the network does not fit the memory of the emulated {core.name} ({core.machine})")
        lines = [line for line in done.stderr.splitlines() if "error" in line] or [done.describe_end()]
        raise RunnerError(f"{COMPILER} cannot compile the network: {one_line(lines[0])}")
    return elf


def _sizes(elf: Path) -> tuple[int, int]:
    """Return the bytes of the functions and of the constants in a program, without the harness."""
    done = run_process([COMPILER.replace("gcc", "nm"), "--print-size", str(elf)], time_limit_s=_COMPILER_SECONDS)
    sizes = {"t": 0, "r": 0, "d": 0}
    for line in done.stdout.splitlines():
        fields = line.split()
        if len(fields) == 4 and not fields[3].startswith(_HARNESS) and fields[2].lower() in sizes:
            sizes[fields[2].lower()] += int(fields[1], 16)
    return sizes["t"], sizes["r"] + sizes["d"]


def _compiler_version() -> str:
    done = run_process([COMPILER, "-dumpfullversion"], time_limit_s=_COMPILER_SECONDS)
    return f"{COMPILER} {one_line(done.stdout)} -O2"


def _handle(request: Mapping[str, Any], model: bytes, arrays: list[Array]) -> tuple[Mapping[str, Any], list[Array]]:
    import bakenn

    options = bakenn.CBackendOptions(
        kernel_policy=bakenn.KernelPolicy.STATIC_PRIORITY, enable_cmsis_nn=True, target=bakenn.CORTEX_M4
    )
    made = bakenn.compile_tflite(
        spell_out(model), Path(request["folder"]) / "c", name="net", backend_options=options
    ).artifacts
    sources = (made.model_source, made.weights_source, made.kernels_source, *made.support_sources)
    chosen = [step.kernel_id for step in made.memory_report.steps]
    with_cmsis = sum(kernel.startswith("cmsis_nn") for kernel in chosen)
    return {
        "sources": [str(path) for path in sources],
        "include_dirs": [str(path) for path in (made.output_dir, *made.support_include_dirs)],
        "workspace_bytes": made.memory_report.arena_bytes,
        "kernels": f"CMSIS-NN 4.0.0 for {with_cmsis} of {len(chosen)} operators, its own C for the rest",
    }, []


if __name__ == "__main__":
    serve(_handle)
