"""Tables for people: names are printed as they are."""

from collections.abc import Callable

from tflite_bench import LatencyStats, RunnerResult, run_benchmark
from tflite_bench.calibration.calibrate import Calibration, Network
from tflite_bench.measurement.timing import Plan
from tflite_bench.reporting.tables import benchmark_text, calibration_text, devices_text
from tflite_bench.runners.spec import Device

NAME = "rate [/min] [red]of[/red] a :cat:"


class Named:
    name = NAME

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        return RunnerResult(NAME, "wall time", 1, LatencyStats.from_samples([1.0]), device={"model": NAME})


def test_square_brackets_and_colons_in_names_are_no_markup(model_bytes: Callable[[str], bytes]) -> None:
    text = benchmark_text(run_benchmark(model_bytes("atan2"), runner=Named()))
    assert text.startswith(f"{NAME}: wall time\n")
    assert f"model {NAME}" in text
    assert NAME in devices_text([Device(NAME, True, "here")])
    network = Network(NAME, "int8", 1.0, 1.25)
    assert f"int8 {NAME}" in calibration_text(Calibration(NAME, {}, {}, {}, {}, (network,), 0.25, 25.0))
