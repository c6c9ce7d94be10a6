"""Calibration: the fit, the networks, and the profile that kd_edge reads."""

import functools
import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from kd_edge.cost.devices import load_device, to_toml
from kd_edge.cost.latency import latency_ms
from kd_edge.errors import KdEdgeError
from kd_edge.ir.lowering import lower
from tflite_bench.calibration import calibrate as calibrating
from tflite_bench.calibration.calibrate import calibrate, fit_calibration
from tflite_bench.calibration.least_squares import fit_costs, least_squares, work_matrix
from tflite_bench.calibration.networks import networks
from tflite_bench.calibration.op_networks import op_networks
from tflite_bench.calibration.op_work import OWN, count_work
from tflite_bench.calibration.profile import profile_toml
from tflite_bench.calibration.store import MeasurementStore
from tflite_bench.cli import main
from tflite_bench.errors import ConfigError, RunnerError
from tflite_bench.measurement.inputs import random_inputs
from tflite_bench.measurement.stats import LatencyStats
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.operators.spec import GROUPED, KERNEL_CLASSES, Blocks
from tflite_bench.model.operators.work import kernel_variant, op_work
from tflite_bench.model.reader import read_model
from tflite_bench.reporting.documents import calibration_document
from tflite_bench.reporting.envelope import to_json
from tflite_bench.reporting.tables import calibration_text
from tflite_bench.runners.base import RunnerResult
from tflite_bench.runners.litert import run_outputs
from tflite_bench.runners.registry import make_runner
from tflite_bench.runners.spec import Wishes

# Nanoseconds per MAC, byte, step and call of each class, for a runtime that follows the model exactly.
TRUE_COSTS = np.array(
    [
        (0.05, 0.2, 3.0, 300.0),
        (0.04, 0.3, 2.0, 200.0),
        (0.2, 0.4, 9.0, 250.0),
        (0.06, 1.0, 5.0, 150.0),
        (0.0, 0.5, 7.0, 100.0),
        (0.0, 0.6, 4.0, 90.0),
        (0.0, 9.0, 50.0, 80.0),
        (0.0, 0.1, 0.5, 70.0),
        # Those with costs of their own: the first three are convolutions and a recurrent layer.
        *((0.1, 2.0, 11.0, 700.0) if position < 3 else (0.0, 0.3, 6.0, 120.0) for position in range(len(OWN))),
    ]
).reshape(-1)
TRUE_COSTS = np.append(TRUE_COSTS, 500.0)  # and of an inference


TRUE_BLOCKS = {"int8": Blocks(8, 16, 32, 4), "float32": Blocks(1, 4, 8)}


@functools.cache
def made(dtype: str) -> dict[str, bytes]:
    """The networks of a dtype by name."""
    return {**dict(networks(dtype)), **dict(op_networks(dtype))}


@functools.cache
def exact_ms(content: bytes) -> float:
    model = read_model(content)
    return float(work_matrix([count_work(model, TRUE_BLOCKS[model.input_tensors[0].dtype])])[0] @ TRUE_COSTS / 1e6)


class Exact:
    """A runner whose device follows the latency model exactly."""

    name = "exact"

    def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
        return RunnerResult("exact", "wall time", 1, LatencyStats.from_samples([exact_ms(model)]))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_the_networks_hold_every_class_of_operators_and_differ(dtype: str) -> None:
    assert len(made(dtype)) == len(list(networks(dtype))) + len(list(op_networks(dtype)))
    work = work_matrix([count_work(read_model(content)) for content in made(dtype).values()])
    assert ((work[:, :-1].reshape(-1, len(KERNEL_CLASSES) + len(OWN), 4)[:, :, 3] > 0).sum(axis=0) >= 3).all()


def test_the_work_is_counted_as_kd_edge_counts_it() -> None:
    for dtype in ("int8", "float32"):
        for content in made(dtype).values():
            graph = lower(content)
            for op, work in zip(graph.ops, count_work(read_model(content)), strict=True):
                operands = graph.operands(op)
                kind = kernel_variant(operands)
                kernel, macs, moved_bytes, steps = op_work(operands, own=(kind,) if kind == GROUPED else ())
                assert work == (kind if kind in OWN else kernel, macs, moved_bytes, steps)


@pytest.mark.parametrize(
    "name",
    [
        "dense 1: 16",
        "conv 5: 49x10x1",
        "separable 8: 64x1x9",
        "pooled 2: 28x28x1",
        *dict.fromkeys(name for name, _ in op_networks("int8") if "12x12x3" in name),
        "grouped: 8x8x8",
        "joined dense: 8",
        "lstm: 10x6",
    ],
)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_litert_runs_the_networks(name: str, dtype: str) -> None:
    content = made(dtype)[name]
    assert run_outputs(content, random_inputs(read_model(content))[0]).shape == (1, 10)


def test_least_squares_knows_no_negative_costs() -> None:
    # Without the bound x = (2, -1) solves this exactly; with it x1 = 0 and x0 minimizes (x - 1)^2 + (2x - 3)^2: 7/5.
    A, b = np.array([[1.0, 1.0], [2.0, 1.0]]), np.array([1.0, 3.0])
    np.testing.assert_allclose(least_squares(A, b), [1.4, 0.0])
    np.testing.assert_allclose(least_squares(np.eye(3), np.array([3.0, -1.0, 2.0])), [3, 0, 2])
    np.testing.assert_allclose(least_squares(np.array([[1.0, 0.0]]), np.array([2.0])), [2, 0])


def test_costs_that_explain_the_measurements_exactly_are_found() -> None:
    work = work_matrix([count_work(read_model(content), Blocks(4, 8)) for content in made("int8").values()])
    np.testing.assert_allclose(work @ fit_costs(work, work @ TRUE_COSTS), work @ TRUE_COSTS, rtol=1e-6)


def test_a_device_that_follows_the_model_is_calibrated_exactly_and_kd_edge_predicts_it(tmp_path: Path) -> None:
    result = calibrate(Exact())
    assert result.blocks == TRUE_BLOCKS
    # Of some kinds there are no more networks than unknowns: without one of them the others cannot tell its costs.
    assert result.mean_error < 0.02
    (tmp_path / "exact.toml").write_text(profile_toml(result))
    device = load_device(tmp_path / "exact.toml")
    assert (device.quality, device.pointer_bytes) == ("measured", 8)
    assert device.int8_blocks == TRUE_BLOCKS["int8"]
    assert "exact" in device.source
    for dtype in TRUE_BLOCKS:
        for content in made(dtype).values():
            assert latency_ms(lower(content), device).ms == pytest.approx(exact_ms(content), rel=2e-4)


def test_the_profile_of_a_device_names_it_and_counts_nanoseconds(tmp_path: Path) -> None:
    measured = {"int8": {name: (content, exact_ms(content)) for name, content in made("int8").items()}}
    phone = {"serial": "R58", "model": 'Fold "5"', "abi": "arm64-v8a"}
    (tmp_path / "phone.toml").write_text(profile_toml(fit_calibration("adb benchmark_model", phone, measured)))
    device = load_device(tmp_path / "phone.toml")
    assert (device.core, device.clock_mhz, device.runtime) == ("arm64-v8a", 1000.0, "adb benchmark_model")
    assert 'R58, Fold "5", arm64-v8a' in device.title
    assert device.int8.conv.cycles_per_mac == pytest.approx(TRUE_COSTS[0], rel=1e-4)
    assert device.float32 is None


def test_the_error_is_that_of_networks_left_out() -> None:
    rng = np.random.default_rng(0)
    noisy = {
        "int8": {
            name: (content, exact_ms(content) * float(rng.choice([0.8, 1.25])))
            for name, content in made("int8").items()
        }
    }
    result = fit_calibration("noisy", {}, noisy)
    # Each measurement is off by a quarter: what is left out cannot be predicted better than about that.
    assert 0.15 < result.mean_error < 0.6
    assert result.error_percent > 20


def refused(times_ms: Callable[[float], float]) -> str:
    """Why times that a function makes of the exact ones make no profile."""
    entries = {name: (content, times_ms(exact_ms(content))) for name, content in made("int8").items()}
    with pytest.raises(RunnerError, match=r"cannot calibrate: the int8 times .*; measure a device") as error:
        fit_calibration("wrong", {}, {"int8": entries})
    return str(error.value)


def test_times_that_do_not_depend_on_the_networks_make_no_profile() -> None:
    rng = np.random.default_rng(0)
    for times_ms in (lambda ms: 0.5, lambda ms: float(10 ** rng.uniform(-4, 2)), lambda ms: 1 / ms):
        assert re.search(r"do not depend on .* expected .* 60% of the pairs or more, received \d+%;", refused(times_ms))
    # Two pairs in three are in order, and half of the times are off by a factor of 7.6 or more: e^(0.674 x 3).
    assert re.search(
        r"contradict each other: expected .* a factor of [\d.]+, received one of",
        refused(lambda ms: ms * float(np.exp(rng.normal(0, 3)))),
    )


@pytest.mark.parametrize("seed", range(3))
def test_times_of_which_most_is_not_the_operators_make_a_profile(seed: int) -> None:
    """One time for all networks predicts such times nearly as well, as those of a phone with an accelerator."""
    rng = np.random.default_rng(seed)
    entries = {
        name: (content, (5.0 + exact_ms(content)) * float(np.exp(rng.normal(0, 0.05))))
        for name, content in made("int8").items()
    }
    assert fit_calibration("phone", {}, {"int8": entries}).mean_error < 0.2


def test_what_was_measured_in_vain_is_kept_and_told(tmp_path: Path) -> None:
    class Stuck(Exact):
        def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
            return RunnerResult("stuck", "wall time", 1, LatencyStats.from_samples([0.5]))

    store = MeasurementStore(tmp_path / "stuck.measured", {"board": "stuck"})
    told = (
        r"the int8 times do not depend on the networks' work.*; what was measured is kept in .*stuck.measured: remove"
    )
    with pytest.raises(RunnerError, match=told):
        calibrate(Stuck(), dtypes=("int8",), store=store)
    assert store.path.exists()


def test_the_document_follows_the_schema_and_the_text_shows_the_error() -> None:
    result = fit_calibration(
        "exact", {}, {"int8": {name: (made("int8")[name], 1.0) for name in list(made("int8"))[:9]}}
    )
    schema = json.loads((files("tflite_bench.reporting") / "schemas" / "calibrate.schema.json").read_text())
    jsonschema.validate(json.loads(to_json(calibration_document(result))), schema)
    assert f"mean error {result.mean_error:.1%}; 90 % are within a factor of" in calibration_text(result)


@pytest.mark.parametrize("choice", ["tflm", "litert-benchmark", "qemu:m4", "ethos-u", "ssh:pi@board"])
def test_what_measures_no_exact_times_of_a_device_is_refused(choice: str) -> None:
    wishes = Wishes(device_binary="/opt/litert-benchmark" if choice.startswith("ssh") else None)
    with pytest.raises(ConfigError, match=r"cannot calibrate on .*: expected wall times of a real device, not rounded"):
        calibrate(make_runner(choice, wishes))


def test_a_clock_that_is_too_coarse_is_an_error() -> None:
    class Coarse(Exact):
        def benchmark(self, model: bytes, plan: Plan) -> RunnerResult:
            return RunnerResult("coarse", "wall time", 1, LatencyStats.from_samples([0.0]))

    with pytest.raises(RunnerError, match=r"measured 0 ms for .*, its clock is too coarse"):
        calibrate(Coarse())


def test_calibrate_writes_a_profile_of_real_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(dtype: str) -> list[tuple[str, bytes]]:
        return [(name, content) for name, content in made(dtype).items() if name.startswith(("dense 1", "scores"))][:3]

    monkeypatch.setattr(calibrating, "networks", few)
    monkeypatch.setattr(calibrating, "op_networks", lambda dtype: ())
    profile = tmp_path / "here.toml"
    result = CliRunner().invoke(main, ["calibrate", str(profile), "--int8-only", "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(json.loads(result.stdout)["result"]["networks"]) == 3
    device = load_device(profile)
    assert latency_ms(lower(few("int8")[0][1]), device).ms > 0


@pytest.mark.parametrize("name", ["Here_Pi", "my pi", "-here", ".here"])
def test_a_profile_that_kd_edge_would_not_load_is_refused_before_the_first_network(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(main, ["calibrate", "--", str(tmp_path / f"{name}.toml")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"expected small letters, digits and '._-' before .toml, received '{name}'" in result.stderr
    (tmp_path / f"{name}.toml").write_text(to_toml(load_device("host")))
    with pytest.raises(KdEdgeError, match="bad device name"):
        load_device(tmp_path / f"{name}.toml")


def test_a_profile_that_is_no_toml_file_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["calibrate", str(tmp_path / "here.json")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected the path of a .toml file to write" in result.stderr
