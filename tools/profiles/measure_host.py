"""Measures generated networks with LiteRT on this computer, one thread, and writes the profile `host`.

Needs the extra `train` (the networks are built with Keras). Takes about two minutes.
"""

import argparse
import datetime
import platform
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from kd_edge.conversion.converter import convert
from kd_edge.cost.devices import NOT_MEASURED, DeviceProfile, KernelCosts, to_toml
from kd_edge.files import write_bytes
from kd_edge.ir.lowering import lower
from tflite_bench.measurement.timing import Plan, measure
from tools.profiles.cost_regression import Calibration, Hyper, Row, System, graph_work

PROFILE = Path(__file__).parents[2] / "kd_edge" / "cost" / "device_profiles" / "host.toml"
# An inference beside its ops, in microseconds: what TFLM's hello_world took more than its ops' costs, in int8 and float
# (docs/results/calibration_host.json).
_INFERENCE_US = 0.26
# The profile is used on other processors than the one it was measured on. First users saw a mean error of 276 %.
_OTHER_PROCESSOR_ERROR = 300.0
_SYSTEM = System("host", "host", "host", "litert", "litert", kin=False)


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace the profile in the package")
    args = parser.parse_args()
    keras.utils.set_random_seed(0)
    clock_mhz = _clock_mhz()
    costs, factors = {}, []
    for dtype in ("int8", "float32"):
        rows = [
            Row("host", name, graph_work(lower(content)), (median_ms(content) * 1e3 - _INFERENCE_US) * clock_mhz)
            for name, content in networks(dtype)
        ]
        costs[dtype] = Calibration([_SYSTEM], rows, Hyper()).costs("host")
        factors += list(_held_out(rows, dtype))
    widest = float(np.quantile(factors, 0.9))
    profile = _profile(clock_mhz, costs, error_percent=float(np.ceil((widest - 1) * 20) * 5), num_rows=len(factors))
    print(to_toml(profile))
    if args.write:
        write_bytes(PROFILE, to_toml(profile).encode())


def networks(dtype: str) -> Iterator[tuple[str, bytes]]:
    """Yield names and `.tflite` files of networks that differ in size and in which kernels they need."""
    shapes = {
        "dense 16": (16,),
        "dense 64": (64,),
        "dense 200": (200,),
        "dense 640": (640,),
        "conv": (32, 32, 3),
        "conv wide": (16, 16, 32),
        "conv 1d": (128, 1, 6),
        "separable": (49, 10, 1),
        "separable image": (96, 96, 3),
        "residual": (32, 32, 16),
        "pooling": (64, 64, 8),
    }
    for name, shape in shapes.items():
        inputs = keras.Input(shape)
        model = keras.Model(inputs, _body(name, inputs))
        data = np.random.default_rng(0).normal(size=(32, *shape)).astype("float32")
        yield name, convert(model, data, quantize="int8" if dtype == "int8" else "none")


def _body(name: str, x: keras.KerasTensor) -> keras.KerasTensor:
    if name.startswith("dense"):
        for units in (32, 16) if name == "dense 16" else (x.shape[-1], 64, 128):
            x = layers.Dense(units, activation="relu")(x)
        return layers.Dense(10)(x)
    if name.startswith("separable"):
        x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
        for filters in (32, 64, 64):
            x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
            x = layers.Conv2D(filters, 1, activation="relu")(x)
    elif name == "residual":
        for _ in range(3):
            branch = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
            x = layers.Add()([x, branch])
    elif name == "pooling":
        for _ in range(3):
            x = layers.MaxPooling2D(2)(layers.DepthwiseConv2D(3, padding="same", activation="relu")(x))
    else:
        kernel = (5, 1) if name == "conv 1d" else 3
        for filters in (16, 32, 64):
            x = layers.Conv2D(filters, kernel, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Softmax()(layers.Dense(10)(x))


def median_ms(content: bytes) -> float:
    """Return the median latency of a model with LiteRT, one thread."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    timing = measure(interpreter.invoke, Plan(time_limit_s=5.0))
    return float(np.median(timing.samples_ms))


def _held_out(rows: list[Row], dtype: str) -> Iterator[float]:
    """Yield by which factor each network is off when it is predicted from the others."""
    for row in rows:
        rest = [other for other in rows if other is not row]
        ratio = Calibration([_SYSTEM], rest, Hyper()).cycles("host", row.work) / row.cycles
        print(f"{dtype:8} {row.label:16} {row.cycles / 1e3:10.1f} kcycles, predicted from the others x {ratio:.2f}")
        yield max(ratio, 1 / ratio)


def _clock_mhz() -> float:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("cpu MHz"):
            return float(round(float(line.split(":")[1])))
    return 2000.0


def _profile(clock_mhz: float, costs: dict[str, KernelCosts], *, error_percent: float, num_rows: int) -> DeviceProfile:
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return DeviceProfile(
        name="host",
        title="A PC or server with LiteRT, one thread",
        core=platform.machine().replace("_", "-"),
        runtime="litert+xnnpack",
        clock_mhz=clock_mhz,
        flash_bytes=4 << 30,
        ram_bytes=4 << 30,
        reserved_flash_bytes=2 << 30,
        reserved_ram_bytes=2 << 30,
        quality=NOT_MEASURED,
        error_percent=max(error_percent, _OTHER_PROCESSOR_ERROR),
        source=(
            f"{num_rows} generated networks on {cpu} by tools/profiles/measure_host.py; yours differs: "
            "`tflite-bench calibrate here.toml --on litert` measures it"
        ),
        memory_source="an assumption: a PC",
        int8_inference_cycles=float(round(_INFERENCE_US * clock_mhz)),
        float32_inference_cycles=float(round(_INFERENCE_US * clock_mhz)),
        date=datetime.date.today().isoformat(),
        int8=costs["int8"],
        float32=costs["float32"],
        pointer_bytes=8,
    )


if __name__ == "__main__":
    main()
