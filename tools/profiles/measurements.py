"""Reads the published latencies into rows of the calibration model."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kd_edge.ir.graph import Graph, Op, Tensor
from kd_edge.ir.lowering import lower
from tflite_bench.model.info import ModelInfo
from tflite_bench.model.reader import read_model
from tools.profiles.cost_regression import INFERENCE_CYCLES, KERNELS, Array, Row, System, graph_work

MLPERF_MODELS = {
    "ad": "mlperf_ad01_int8",
    "kws": "mlperf_kws_ref_model",
    "ic": "mlperf_pretrainedResnet_quant",
    "vww": "mlperf_vww_96_int8",
}
_MCUFIT_MODELS = {
    "person_detect.tflite": "tflm_person_detect",
    "kws_ref_model.tflite": "mlperf_kws_ref_model",
    "pretrainedResnet_quant.tflite": "mlperf_pretrainedResnet_quant",
    "ad01_int8.tflite": "mlperf_ad01_int8",
}
_OP_KERNELS = {
    "CONV_2D": ("conv", "pointwise"),
    "DEPTHWISE_CONV_2D": ("depthwise",),
    "FULLY_CONNECTED": ("dense",),
    "AVERAGE_POOL_2D": ("pool",),
    "ADD": ("elementwise",),
    "SOFTMAX": ("softmax",),
    "RESHAPE": ("copy",),
}
# Whole networks less their ops took 123 us and 231 us more on the ESP32 (keywords and anomalies; the two larger ones
# say nothing within their noise); on the nRF52840 the difference is noise.
_MCUFIT_SYSTEMS = {
    "esp32": (("xtensa-lx6", "esp-nn", "esp-nn"), "esp-nn of ESP-IDF 5.5", 42500.0),
    "nano33ble": (("cortex-m4", "tflm arduino", "tflm arduino"), "Chirale_TensorFLowLite 2.0.0", INFERENCE_CYCLES),
}
_ESP_CORES = {"ESP32": "xtensa-lx6", "ESP32-S3": "xtensa-lx7", "ESP32-C3": "rv32imc", "ESP32-P4": "rv32imafc"}
# Runtimes that drop channels whose values never change: their vww costs what the network without them costs.
_PRUNING = ("x-cube-ai 8", "plumerai 2023", "onnc")
_CORES = ("cortex-m0+", "cortex-m33", "cortex-m4", "cortex-m7", "cortex-m85", "d25f", "d45", "rxv2", "rv32imac")


class Measurements(NamedTuple):
    """Everything that was measured: systems, their rows, and the clock of each system in MHz."""

    systems: list[System]
    rows: list[Row]
    clock_mhz: dict[str, float]

    def add(self, system: System, clock_mhz: float, label: str, work: Array, ms: float, *, whole: bool = True) -> None:
        """Add one measurement in milliseconds, of a whole network or of some of its ops."""
        if system.key not in self.clock_mhz:
            self.systems.append(system)
            self.clock_mhz[system.key] = clock_mhz
        cycles = ms * clock_mhz * 1e3
        self.rows.append(Row(system.key, label, work, cycles - whole * system.inference_cycles))


def read_measurements(folder: Path) -> Measurements:
    """Return all int8 and float32 rows without an accelerator.

    Args:
        folder: The reference data: `groundtruth/` and `models/`.
    """
    found = Measurements([], [], {})
    _read_mlperf(folder, found)
    _read_zoo(folder, found)
    _read_mcufit(folder, found)
    _read_esp_nn(folder, found)
    return found


def mlperf_work(folder: Path) -> dict[str, Array]:
    """Return the work of the four MLPerf Tiny models, and of vww without its dead channels as `"vww pruned"`."""
    work = {name: graph_work(lower(folder / "models" / f"{file}.tflite")) for name, file in MLPERF_MODELS.items()}
    work["vww pruned"] = graph_work(without_dead_channels(folder / "models" / "mlperf_vww_96_int8.tflite"))
    return work


def _read_mlperf(folder: Path, found: Measurements) -> None:
    work = mlperf_work(folder)
    rows = list(_csv_rows(folder / "groundtruth" / "mlperf_tiny_latency.csv"))
    benchmarks: dict[tuple[str, ...], set[str]] = {}
    for row in rows:
        benchmarks.setdefault(_mlperf_key(row), set()).add(row["benchmark"].split()[0])
    for row in rows:
        if row["accelerator"] or not row["clock_mhz"] or len(benchmarks[_mlperf_key(row)]) < 4:
            continue
        name = row["benchmark"].split()[0]
        system = _mlperf_system(row)
        label = "vww pruned" if name == "vww" and system.runtime in _PRUNING else name
        scale = (1, 4, 1) if "fp32" in row["benchmark"] else (1, 1, 1)
        found.add(system, float(row["clock_mhz"]), name, work[label] * scale, float(row["latency_ms"]))


def _mlperf_key(row: dict[str, str]) -> tuple[str, ...]:
    return row["round"], row["submitter"], row["system"]


def _mlperf_system(row: dict[str, str]) -> System:
    key = " ".join(("mlperf", *_mlperf_key(row)))
    text = f"{row['runtime']} {row['system']}".lower()
    runtime, family = _mlperf_runtime(text)
    version = _version(row["runtime"])
    if family == "leip":
        suffix = " float32" if "fp32" in row["benchmark"] else ""
        return System(key + suffix, row["submitter"], "cortex-a72" + suffix, family, family, False, version, 0.0)
    cpu = row["cpu"].lower().replace("®", "")
    core = next(core for core in _CORES if core in cpu)
    board = {"DISCO-F746NG": "f746", "B_U585I_IOT02A": "u585"}.get(row["board"], row["board"].lower())
    return System(key, f"{row['submitter'].lower()} {board}", core, runtime, family, version=version)


def _version(runtime: str) -> str:
    """Return the release that a submission names, or the start of its commit."""
    release = re.search(r"(?:v|version |Engine |Micro )(\d[\d.]*\d)", runtime)
    commit = re.search(r"(?:commit_id:|SHA': ')([0-9a-f]{7})", runtime)
    return release[1] if release else commit[1] if commit else ""


def _mlperf_runtime(text: str) -> tuple[str, str]:
    """Return the runtime with its major version, and the family of runtimes that share kernels."""
    if match := re.search(r"x-cube-ai v(\d)", text):
        return f"x-cube-ai {match[1]}", "x-cube-ai"
    if "plumerai" in text:
        return "plumerai 2023" if "2023.05" in text else "plumerai", "plumerai"
    for name in ("onnc", "microtvm_cmsis_nn", "cmsis"):
        if name in text:
            return {"cmsis": "tflm"}.get(name, name), "cmsis-nn"
    family = next(name for name in ("hale", "leip", "andes", "microtvm_native", "tensorflow lite") if name in text)
    return family, family


def _read_zoo(folder: Path, found: Measurements) -> None:
    resnet = graph_work(lower(folder / "models" / "mlperf_pretrainedResnet_quant.tflite"))
    for row in _csv_rows(folder / "groundtruth" / "stm32_zoo_latency.csv"):
        size, channels = (int(row["input"].split("x")[i]) for i in (0, 2))
        if row["model"].startswith("MobileNetV1"):
            width = float(row["model"].split()[1])
            work = graph_work(mobilenet_v1(size, channels, width=width, classes=5))
        else:
            work = resnet if "ResNet" in row["model"] else graph_work(har_ign(size))
        board = row["board"].split()[0]
        linux = "Linux" in row["board"]
        core = "cortex-a7" if linux else row["board"].split("(")[1].strip(")").lower()
        suffix = " float32" if row["format"] == "float32" else ""
        runtime, family = ("litert", "litert") if linux else ("x-cube-ai 9" + suffix, "x-cube-ai" + suffix)
        version = row["runtime"].split()[1]
        names = (f"zoo {board}{suffix}", f"zoo {board}", core + suffix, runtime, family)
        system = System(*names, not (linux or suffix), version, 0.0 if linux else INFERENCE_CYCLES)
        found.add(system, float(row["clock_mhz"]), f"{row['model']} {row['input']}", work, float(row["latency_ms"]))


def _read_mcufit(folder: Path, found: Measurements) -> None:
    work = {name: graph_work(lower(folder / "models" / f"{file}.tflite")) for name, file in _MCUFIT_MODELS.items()}
    for line in (folder / "groundtruth" / "mcufit_bench_layers.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "op" not in row:
            continue
        mask = np.array([[float(kernel in _OP_KERNELS[row["op"]])] for kernel in KERNELS])
        names, version, cycles = _MCUFIT_SYSTEMS[row["target"]]
        system = System(f"mcufit {row['target']}", f"mcufit {row['target']}", *names, False, version, cycles)
        label = f"{row['model']} {row['op']}"
        found.add(system, row["cpu_mhz"], label, work[row["model"]] * mask, row["us_per_inference"] / 1e3, whole=False)


def _read_esp_nn(folder: Path, found: Measurements) -> None:
    person = graph_work(lower(folder / "models" / "tflm_person_detect.tflite"))
    for row in _csv_rows(folder / "groundtruth" / "esp_nn_latency.csv"):
        if not row["macs"]:
            continue
        whole, clock = row["item"].startswith("person"), float(row["clock_mhz"])
        work = person if whole else _kernel_work(row["item"], int(row["macs"]))
        for column, (suffix, runtime) in {"esp_nn": ("", "esp-nn"), "ansi_c": (" reference", "reference")}.items():
            if suffix and not whole:
                # One kernel alone was measured in ESP-NN's own C, a network with TFLM's slower reference kernels.
                continue
            group = f"espressif {row['chip']}"
            key, version = f"esp-nn {row['chip']}{suffix}", "" if suffix else "esp-nn d45b843"
            system = System(key, group, _ESP_CORES[row["chip"]], runtime, runtime, False, version)
            ms = float(row[column]) / (clock * 1e3 if row["unit"] == "ticks" else 1)
            found.add(system, clock, row["item"], work, ms, whole=whole)


def _kernel_work(item: str, macs: int) -> Array:
    """Return the work of one kernel from its description, such as `conv 1x1 10x10x64->64`."""
    work = np.zeros((len(KERNELS), 3))
    numbers = [int(n) for n in re.findall(r"\d+", item)]
    if item.startswith("conv 1x1"):
        height, width, inputs, outputs = numbers[2:6]
        kernel, moved = "pointwise", height * width * (inputs + outputs)
    elif item.startswith("dwconv 3x3"):
        kernel, moved = "depthwise", 16 * 18 * 18 + macs // 9
    elif item.startswith("dwconv 5x5"):
        kernel, moved = "depthwise", 4 * 14 * 14 + macs // 25
    else:
        kernel, moved = "dense", numbers[0] + numbers[1]
    work[KERNELS.index(kernel)] = (macs, moved, 1)
    return work


def mobilenet_v1(size: int, channels: int, *, width: float, classes: int, dtype: str = "int8") -> Graph:
    """Return MobileNetV1 (arXiv 1704.04861, table 1) for square images, without its softmax."""
    layers = [("CONV_2D", 3, 2, int(32 * width))]
    for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2)):
        layers += [("DEPTHWISE_CONV_2D", 3, stride, 0), ("CONV_2D", 1, 1, int(filters * width))]
    layers += [("DEPTHWISE_CONV_2D", 3, 1, 0), ("CONV_2D", 1, 1, int(1024 * width))]
    tensors, ops = [Tensor((1, size, size, channels))], []
    for kind, kernel, stride, filters in layers:
        side, depth = -(-tensors[-1].shape[1] // stride), tensors[-1].shape[3]
        source = 0 if not ops else ops[-1].outputs[0]
        deep = kind == "CONV_2D"
        tensors += [Tensor((filters if deep else 1, kernel, kernel, depth), constant=True)]
        ops.append(Op(kind, (source, len(tensors) - 1), (len(tensors),), (stride, stride), "SAME"))
        tensors.append(Tensor((1, side, side, filters if deep else depth)))
    depth, last = tensors[-1].shape[3], len(tensors) - 1
    tensors += [Tensor((1, depth)), Tensor((classes, depth), constant=True), Tensor((1, classes))]
    ops += [Op("MEAN", (last,), (last + 1,)), Op("FULLY_CONNECTED", (last + 1, last + 2), (last + 3,))]
    return Graph(tuple(tensor._replace(dtype=dtype) for tensor in tensors), tuple(ops), (0,), (last + 3,))


def har_ign(samples: int) -> Graph:
    """Return ST's small network for activity recognition over 3 axes.

    24 filters of 16 x 1, pooling of 3 x 1, dense layers of 12 and 4; its float weights take the 11.97 KiB (24 samples)
    and 38.97 KiB (48 samples) that ST publishes.
    """
    rows = samples - 15
    flat = rows // 3 * 3 * 24
    shapes = [(1, samples, 3, 1), (24, 16, 1, 1), (1, rows, 3, 24), (1, rows // 3, 3, 24)]
    shapes += [(12, flat), (1, 12), (4, 12), (1, 4)]
    tensors = tuple(Tensor(shape, "float32", constant=i in (1, 4, 6), num_scales=0) for i, shape in enumerate(shapes))
    ops = (
        Op("CONV_2D", (0, 1), (2,), padding="VALID"),
        Op("MAX_POOL_2D", (2,), (3,), (3, 1), "VALID", (3, 1)),
        Op("FULLY_CONNECTED", (3, 4), (5,)),
        Op("FULLY_CONNECTED", (5, 6), (7,)),
    )
    return Graph(tensors, ops, (0,), (7,))


def without_dead_channels(path: Path) -> Graph:
    """Return a chain of convolutions without the channels that never change or that nothing reads.

    A channel never changes if its filter is zero on every channel that changes; nothing reads it if every filter that
    is left is zero there.
    """
    model = read_model(path)
    chain = [op for op in model.ops if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D")]
    weights = [_weights(model, op.inputs[1]) for op in chain]
    alive: list[NDBool] = []
    changing = np.ones(model.tensors[chain[0].inputs[0]].shape[-1], dtype=bool)
    for op, values in zip(chain, weights, strict=True):
        used = (values * changing).any(axis=(1, 2))
        changing = used.any(axis=1) if op.name == "CONV_2D" else used[0]
        alive.append(changing)
    dense = next(op for op in model.ops if op.name == "FULLY_CONNECTED")
    read = _weights(model, dense.inputs[1]).any(axis=0)
    for i in reversed(range(len(chain))):
        alive[i] = alive[i] & read
        read = weights[i][alive[i]].any(axis=(0, 1, 2)) if chain[i].name == "CONV_2D" else alive[i]
    return _narrowed(lower(path), [int(channels.sum()) for channels in alive])


NDBool = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def _weights(model: ModelInfo, index: int) -> Array:
    return model.tensors[index].array() != 0


def _narrowed(graph: Graph, channels: Iterable[int]) -> Graph:
    """Return the graph with this many output channels of each convolution."""
    left = iter(channels)
    tensors = list(graph.tensors)
    depth = tensors[graph.inputs[0]].shape[-1]
    for op in graph.ops:
        if op.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            continue
        inputs, depth = depth, next(left)
        weights, out = tensors[op.inputs[1]], tensors[op.outputs[0]]
        shape = (depth, *weights.shape[1:3], inputs) if op.kind == "CONV_2D" else (1, *weights.shape[1:3], depth)
        tensors[op.inputs[1]] = weights._replace(shape=shape)
        tensors[op.outputs[0]] = out._replace(shape=(*out.shape[:3], depth))
    return graph._replace(tensors=tuple(tensors))


def _csv_rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
