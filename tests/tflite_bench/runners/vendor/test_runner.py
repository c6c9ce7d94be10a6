"""The benchmark programs: litert-benchmark itself, and a replay of recordings in place of benchmark_model."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tflite_bench.calibration.networks import networks
from tflite_bench.errors import ConfigError, RunnerError, RuntimeMissingError
from tflite_bench.measurement.timing import Plan
from tflite_bench.model.reader import read_model
from tflite_bench.processes.program import Finished
from tflite_bench.runners.vendor.local import find_benchmark_model, local_runner
from tflite_bench.runners.vendor.programs import _LATENCY, BenchmarkModel, LiteRTBenchmark, Settings, check_end
from tflite_bench.runners.vendor.runner import BinaryRunner

REPLAY = Path(__file__).parents[2] / "replay_benchmark_model.py"


def replay(**settings: object) -> BinaryRunner:
    profile = bool(settings.pop("profile", False))
    return local_runner("benchmark_model", binary=str(REPLAY), settings=Settings(**settings), profile=profile)


def test_litert_benchmark_measures_a_real_model() -> None:
    large = dict(networks("int8"))["residual 5: 48x48x3"]
    result = local_runner("litert-benchmark").benchmark(large, Plan(num_runs=40))
    assert (result.runner, result.kind, result.num_runs, result.num_warmup_runs) == (
        "litert-benchmark", "wall time", 40, 5,
    )  # fmt: skip
    assert "rounds to 0.01 ms" in result.note
    assert result.latency is not None
    assert result.latency.init_ms is not None
    assert "latency.ci95_low_ms" in result.unavailable_reason


def test_a_median_that_litert_benchmark_rounds_to_nothing_is_said(
    model_bytes: Callable[[str], bytes], tmp_path: Path
) -> None:
    figures = dict.fromkeys((f"{part}_ms" for part in _LATENCY), 0.0) | {"num_runs": 50, "num_warmup_runs": 5}
    script = (
        "import json, sys",
        "flags = dict(flag.split('=', 1) for flag in sys.argv[1:])",
        f"latency = {figures!r} | {{'max_ms': 0.01 if flags['--num_runs'] == '50' else 0.0}}",
        "json.dump({'latency': latency}, open(flags['--result_json'], 'w'))",
    )
    program = tmp_path / "program"
    program.write_text("\n".join((f"#!{sys.executable}", *script)))
    program.chmod(0o755)
    runner = BinaryRunner(LiteRTBenchmark(), (str(program),))
    note = runner.benchmark(model_bytes("residual_int8"), Plan()).note
    assert "; times of 0 ms are below its resolution of 0.01 ms" in note
    with pytest.raises(RunnerError, match=r"told 0 ms for every inference: .* below its resolution of 0\.01 ms"):
        runner.benchmark(model_bytes("residual_int8"), Plan(num_runs=7))


def test_litert_benchmark_refuses_what_it_cannot_do(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(ConfigError, match="cannot switch XNNPACK off"):
        local_runner("litert-benchmark", settings=Settings(xnnpack=False)).benchmark(model_bytes("atan2"), Plan())
    with pytest.raises(ConfigError, match="measures no single operators"):
        local_runner("litert-benchmark", profile=True).benchmark(model_bytes("atan2"), Plan(num_runs=5))


def test_an_unknown_flag_of_litert_benchmark_is_a_failure(model_bytes: Callable[[str], bytes]) -> None:
    runner = local_runner("litert-benchmark", settings=Settings(flags=("--bogus=1",)))
    with pytest.raises(RunnerError, match=r"exit status 2; it said: .*unrecognized arguments: --bogus=1"):
        runner.benchmark(model_bytes("atan2"), Plan())


@pytest.mark.shared
def test_a_model_that_crashes_litert_benchmark_is_an_error(shared_path: Path) -> None:
    content = (shared_path / "models" / "tflm_keyword_scrambled_8bit.tflite").read_bytes()
    with pytest.raises(RunnerError, match=r"litert-benchmark (was ended by SIG\w+|ended with exit status 1)"):
        local_runner("litert-benchmark").benchmark(content, Plan(num_runs=5))


def test_a_result_file_of_litert_benchmark_that_is_cut_off_or_missing_is_an_error() -> None:
    done = Finished(0, "", "", 1.0)
    for result in (b"", b'{"latency": {"avg_ms": 1', b'{"latency": {"avg_ms": 1}}', b"[]", b'{"latency": 7}'):
        with pytest.raises(RunnerError, match="is cut off or of another form"):
            LiteRTBenchmark().read(done, result)
    with pytest.raises(RunnerError, match="wrote no result file"):
        LiteRTBenchmark().read(done, None)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("num_runs", "0", "measured no inference: expected 1 or more, received 0"),
        ("num_runs", "2.7", "expected a number for num_runs, received 2.7"),
        ("num_runs", "Infinity", "expected a number for num_runs, received inf"),
        ("avg_ms", "NaN", "expected a number for avg_ms, received nan"),
        ("avg_ms", '"1.0"', "expected a number for avg_ms, received '1.0'"),
        ("avg_ms", "9", "impossible figure for avg_ms: expected one from 1 to 1 ms"),
        ("min_ms", "-5", "impossible figure for min_ms: expected 0 ms or more, received -5"),
        ("min_ms", "[" * 100_000, "of another form .RecursionError"),
    ],
)
def test_impossible_figures_in_a_result_file_of_litert_benchmark_are_refused(
    name: str, value: str, message: str
) -> None:
    figures = {f"{part}_ms": "1.0" for part in _LATENCY} | {"num_runs": "50", "num_warmup_runs": "5"}
    figures[name] = value
    content = ", ".join(f'"{key}": {text}' for key, text in figures.items())
    with pytest.raises(RunnerError, match=message):
        LiteRTBenchmark().read(Finished(0, "", "", 1.0), f'{{"latency": {{{content}}}}}'.encode())


def test_the_arguments_are_benchmark_models_own() -> None:
    settings = Settings(num_threads=2, xnnpack=False, flags=("--use_gpu=true",))
    arguments = BenchmarkModel().arguments("/a b/m.tflite", "/r.pb", settings, Plan(num_runs=7, time_limit_s=20))
    assert arguments == [
        "--graph=/a b/m.tflite", "--num_runs=7", "--min_secs=0", "--max_secs=20", "--num_threads=2",
        "--use_xnnpack=false", "--result_file_path=/r.pb", "--use_gpu=true",
    ]  # fmt: skip


def test_benchmark_model_is_run_and_read(model_bytes: Callable[[str], bytes]) -> None:
    result = replay().benchmark(model_bytes("residual_int8"), Plan())
    assert (result.runner, result.num_runs, result.num_warmup_runs) == ("benchmark_model", 134, 72)
    assert result.latency is not None
    assert result.latency.median_ms == 0.689
    assert result.memory_bytes == 2952 * 1024
    names = [op.name for op in read_model(model_bytes("residual_int8")).ops]
    assert [op.op for op in result.ops] == names
    assert "--profile" in result.unavailable_reason["ops.latency_ms"]


def test_another_number_of_runs_than_was_asked_for_is_said(model_bytes: Callable[[str], bytes]) -> None:
    short, exact, free = (
        replay().benchmark(model_bytes("residual_int8"), Plan(num_runs=number)).note for number in (1000, 134, None)
    )
    assert short.endswith("; 134 runs instead of the 1,000 that were asked for")
    assert "runs" not in exact + free


def test_every_operator_is_measured_on_request(model_bytes: Callable[[str], bytes]) -> None:
    result = replay(profile=True).benchmark(model_bytes("residual_int8"), Plan())
    assert result.ops[0].latency_ms == 0.027
    assert "ops.latency_ms" not in result.unavailable_reason


def test_an_older_release_without_result_and_profile_files_is_read_from_its_text(
    model_bytes: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLAY", "old")
    result = replay(profile=True).benchmark(model_bytes("residual_int8"), Plan())
    assert result.memory_bytes == round(2.88281 * 2**20)  # the printed figure, not the file's
    assert result.ops[0].latency_ms == 0.0486  # from the CSV file


def test_an_unknown_flag_is_a_failure_although_the_program_ends_with_0(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(RunnerError, match="benchmark_model does not know the flag --bogus=1; it ran without"):
        replay(flags=("--bogus=1",)).benchmark(model_bytes("atan2"), Plan())
    with pytest.raises(RunnerError, match="does not know the flag --use_xnnpack=false"):
        replay(xnnpack=False).benchmark(model_bytes("atan2"), Plan())


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("cut", "the benchmark program's output is cut off: expected 'Inference timings in us'"),
        ("crash", "benchmark_model was ended by SIGSEGV"),
    ],
)
def test_a_program_that_goes_wrong_is_an_error(
    mode: str, message: str, model_bytes: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLAY", mode)
    with pytest.raises(RunnerError, match=message):
        replay().benchmark(model_bytes("atan2"), Plan())


def test_a_program_that_hangs_is_stopped(model_bytes: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLAY", "hang")
    monkeypatch.setattr("tflite_bench.runners.vendor.runner._START_SECONDS", 1.0)
    with pytest.raises(RunnerError, match=r"benchmark_model did not end within 1\.2 s and was stopped"):
        replay().benchmark(model_bytes("atan2"), Plan(time_limit_s=0.1))


def test_the_reason_of_a_failure_is_its_first_error() -> None:
    done = Finished(1, "INFO: STARTING!\n", "ERROR: no such file\nERROR: Benchmarking failed.\n", 1.0)
    with pytest.raises(RunnerError, match=r"ended with exit status 1; it said: ERROR: no such file$"):
        check_end("benchmark_model", done)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux binds processes to cores")
def test_the_program_is_bound_to_the_cores_that_were_asked_for(
    tmp_path: Path, model_bytes: Callable[[str], bytes]
) -> None:
    core = max(os.sched_getaffinity(0))
    seen = tmp_path / "seen"
    script = tmp_path / "program"
    script.write_text(
        f"#!{sys.executable}\nimport os, sys\nopen({str(seen)!r}, 'w').write(str(os.sched_getaffinity(0)))\n"
        f"os.execv({str(REPLAY)!r}, sys.argv)\n"
    )
    script.chmod(0o755)
    result = local_runner("benchmark_model", binary=str(script), cpus=(core,)).benchmark(model_bytes("atan2"), Plan())
    assert (seen.read_text(), result.cpus) == (str({core}), (core,))


def test_a_core_that_is_not_there_is_named(model_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(ConfigError, match=r"cannot bind to the cores \[4095\]: this process may use"):
        local_runner("benchmark_model", binary=str(REPLAY), cpus=(4095,)).benchmark(model_bytes("atan2"), Plan())


def test_the_program_is_found_by_flag_environment_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("flag", "variable", "benchmark_model"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.delenv("BENCHMARK_MODEL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_benchmark_model() == tmp_path / "benchmark_model"
    monkeypatch.setenv("BENCHMARK_MODEL", str(tmp_path / "variable"))
    assert find_benchmark_model() == tmp_path / "variable"
    assert find_benchmark_model(str(tmp_path / "flag")) == tmp_path / "flag"
    monkeypatch.delenv("BENCHMARK_MODEL")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeMissingError, match=r"benchmark_model not found: none on PATH; name it with --binary"):
        find_benchmark_model()
    with pytest.raises(RuntimeMissingError, match="no program at /nowhere"):
        find_benchmark_model("/nowhere")


def test_a_file_that_is_no_program_is_an_error(tmp_path: Path, model_bytes: Callable[[str], bytes]) -> None:
    (tmp_path / "program").write_text("this is no program")
    (tmp_path / "program").chmod(0o755)
    with pytest.raises(RuntimeMissingError, match=r"cannot start .*program: Exec format error"):
        local_runner("benchmark_model", binary=str(tmp_path / "program")).benchmark(model_bytes("atan2"), Plan())
