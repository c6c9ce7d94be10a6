"""Reading what a real `benchmark_model` printed and wrote (recordings of TFLite's C++ tool)."""

import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tflite_bench.errors import RunnerError
from tflite_bench.runners.vendor import op_profile, result_proto
from tflite_bench.runners.vendor.op_profile import read_csv, read_proto
from tflite_bench.runners.vendor.result_proto import read_result
from tflite_bench.runners.vendor.text_output import read_printout, unconsumed_flags

RECORDINGS = Path(__file__).parents[3] / "data" / "benchmark_model"
OPS = (
    ["CONV_2D", "DEPTHWISE_CONV_2D"] * 4
    + ["CONV_2D", "AVERAGE_POOL_2D", "SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE"]
    + ["FULLY_CONNECTED", "SOFTMAX"]
)
LITERT = """
========================================
 BENCHMARK RESULTS
========================================
Model initialization:  4.41 ms
Warmup (first):        3.30 ms
Warmup (avg):          2.50 ms (5 runs)
Inference (avg):       2.25 ms (50 runs)
Inference (min):       2.01 ms
Inference (max):       3.00 ms
Inference (median):    2.20 ms
Inference (std):       0.10 ms
Inference (p5):        2.05 ms
Inference (p95):       2.80 ms
Throughput:            12.10 MB/s
Fully accelerated:     True
========================================
"""


def recording(name: str) -> str:
    return (RECORDINGS / name).read_text()


def second_line(figures: str, avg_us: str = "3156.38") -> str:
    return re.sub(r"count=64 [^\n]*", figures, recording("basic.out")).replace("avg): 3156.38", f"avg): {avg_us}")


@pytest.mark.parametrize(
    ("name", "runs", "warmups", "median_ms", "memory_mb"),
    [
        ("basic.out", 64, 29, 3.274, 3.32422),
        ("csv.out", 134, 72, 0.689, 2.88281),
        ("e.out", 8, 8, 1.307, 2.71875),  # max_secs ended it before min_secs
        ("peak.out", 20, 25, 18.113, 3.17578),  # --verbose, with the peak memory after the results
        ("prof.out", 66, 155, 3.111, 3.41406),  # the profile of the operators follows on stdout
    ],
)
def test_the_figures_are_those_of_the_second_run_line(
    name: str, runs: int, warmups: int, median_ms: float, memory_mb: float
) -> None:
    printout = read_printout(recording(name))
    assert (printout.num_runs, printout.num_warmup_runs) == (runs, warmups)
    assert printout.latency.median_ms == median_ms
    assert printout.memory_bytes == round(memory_mb * 2**20)


def test_microseconds_become_milliseconds_and_what_is_unknown_has_a_reason() -> None:
    latency = read_printout(recording("basic.out")).latency
    assert (latency.avg_ms, latency.std_ms, latency.p5_ms, latency.p95_ms) == (3.15638, 0.435, 2.093, 3.385)
    assert (latency.init_ms, latency.warmup_first_ms, latency.warmup_avg_ms) == (2.754, 4.274, 3.46103)
    assert latency.ci95_low_ms is latency.drift is latency.bimodal is None
    assert set(read_printout(recording("basic.out")).unavailable_reason) == {
        "latency.ci95_low_ms", "latency.ci95_high_ms", "latency.drift", "latency.bimodal",
    }  # fmt: skip


def test_a_release_without_percentiles_says_that_it_has_no_median() -> None:
    printout = read_printout(re.sub(r" p5=\d+ median=\d+ p95=\d+", "", recording("basic.out")))
    assert (printout.latency.median_ms, printout.latency.avg_ms) == (None, 3.15638)
    assert "this release" in printout.unavailable_reason["latency.median_ms"]


@pytest.mark.parametrize(
    ("line", "runs", "median_ms", "std_ms"),
    [("count=1 curr=87", 1, 0.087, 0.0), ("count=5 curr=3(all same)", 5, 0.003, 0.0)],
)
def test_a_single_run_and_equal_runs_are_abbreviated(line: str, runs: int, median_ms: float, std_ms: float) -> None:
    printout = read_printout(second_line(line, avg_us=f"{median_ms * 1e3:g}"))
    latency = printout.latency
    assert (printout.num_runs, latency.median_ms, latency.min_ms, latency.std_ms) == (
        runs,
        median_ms,
        median_ms,
        std_ms,
    )


def test_large_times_in_scientific_notation_are_read() -> None:
    line = "count=2 first=1.2e+06 curr=1.4e+06 min=1.2e+06 max=1.4e+06 avg=1.3e+06 std=1e+05"
    assert read_printout(second_line(line, avg_us="1.3e+06")).latency.avg_ms == 1300


def test_the_other_dialect_is_read_in_milliseconds() -> None:
    for text in (LITERT, LITERT.replace("\n", "\r\n"), re.sub("^", "INFO: ", LITERT, flags=re.MULTILINE)):
        printout = read_printout(text)
        latency = printout.latency
        assert (printout.num_runs, printout.num_warmup_runs) == (50, 5)
        assert (latency.median_ms, latency.avg_ms, latency.init_ms, latency.p95_ms) == (2.2, 2.25, 4.41, 2.8)


@pytest.mark.parametrize(
    "foreign",
    [
        "VERBOSE: Replacing 3 out of 5 node(s) with delegate (XNN) node\n",
        "\nWARNING: linker: flags\n\n",
        "INFO: node_count=3 something\nI/tflite: count=3 blah\n",
        "node_count=3\ncount=3 nodes\n",
    ],
)
def test_lines_of_others_between_title_and_figures_change_nothing(foreign: str) -> None:
    whole = recording("basic.out")
    text = whole.replace("exceeding 150 seconds.\n", f"exceeding 150 seconds.\n{foreign}")
    assert len(text) == len(whole) + 2 * len(foreign)
    assert read_printout(text) == read_printout(whole)


@pytest.mark.parametrize("text", [recording("basic.out"), LITERT])
def test_no_cut_off_output_is_taken_for_a_result(text: str) -> None:
    end = max(text.find("\nINFO: Note:"), text.rfind("\n=====")) + 1
    for length in range(0, end, 23):
        with pytest.raises(RunnerError, match=r"is cut off|is of a form unknown here"):
            read_printout(text[:length])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Average inference timings in us: Warmup: 83235, Init: 38467, no stats: 79760.9", "the form of TensorFlow 1"),
        ("bash: benchmark_model: cannot execute", "expected 'Inference timings in us'"),
        (re.sub(r"count=64 [^\n]*", "count=0", recording("basic.out")), "measured no inference"),
        (recording("basic.out").replace(" avg=3156.38", ""), r"the line 'count=64 first=.*' lacks avg"),
        (recording("basic.out").replace("min=1988", "min=fast"), "could not convert string to float: 'fast'"),
        (recording("basic.out").replace("std=435", "std=-nan"), "expected a number, received '-nan'"),
        (recording("basic.out").replace("Init: 2754", "Init: inf"), "expected a number, received 'inf'"),
        (LITERT.replace("0.10 ms", "nan ms"), "expected a number, received 'nan'"),
        (2 * recording("basic.out"), "expected the figures of one model, received 4 lines with a count"),
        (LITERT.replace("Inference (std):       0.10 ms\n", ""), r"its results lack Inference \(std\)"),
        (LITERT.replace(" (50 runs)", ""), "lack the number of runs"),
        (second_line("count=1"), "the line 'count=1' lacks curr"),
        (second_line("count=5 (all same)"), r"the line 'count=5 \(all same\)' lacks curr"),
        (second_line("count=2.5 min=1 max=2 avg=1 std=1"), "expected a whole number of runs, received 2.5"),
        (second_line("count=-64 min=1 max=2 avg=1 std=1"), "measured no inference: expected 1 or more, received -64"),
        (second_line("count=64 min=1_000 max=3 avg=2 std=1"), "expected a number, received '1_000'"),
        (second_line("count=64 min=-3 max=3 avg=1 std=1"), "impossible figure for min_ms: expected 0 ms or more"),
        (
            second_line("count=64 min=1 max=3 avg=9 std=1"),
            "impossible figure for avg_ms: expected one from 0.001 to 0.003",
        ),
        (second_line("count=64 min=9 max=3 avg=9 std=1"), "impossible figure for avg_ms"),
        (second_line("count=64 min=1 max=3 avg=2 std=1 median=4"), "impossible figure for median_ms"),
        (recording("basic.out").replace("overall=3.32422", "overall=inf"), "expected a number, received 'inf'"),
        (recording("basic.out").replace("overall=3.32422", "overall=-1"), "impossible figure for memory"),
        (recording("basic.out").replace("Init: 2754", "Init: -2754"), "impossible figure for init_ms"),
        (LITERT.replace("(50 runs)", "(0 runs)"), "measured no inference: expected 1 or more, received 0"),
        (LITERT.replace("2.01 ms", "-2.01 ms"), "impossible figure for min_ms"),
        (2 * LITERT, "expected the figures of one model, received 2 blocks of results"),
        (second_line("count=3 min=1 max=3 avg=2 std=1 avg=2"), r"the line 'count=3 .*' tells a figure twice"),
        (recording("basic.out").replace("avg): 3156.38", "avg): 99.5"), "runs tells avg=3156.38, its timings 99.5"),
        # Half of 64 times are 1,000 us and half 3,000: their sample deviation is 1,000 x sqrt(64 / 63) = 1,008 us.
        (
            second_line("count=64 min=1000 max=3000 avg=2000 std=1010"),
            "for std_ms: expected 1.01 ms or less of times from 1 to 3 ms, received 1.01;",
        ),
        (second_line("count=64 min=1000 max=3000 avg=2000 std=1e9"), "impossible figure for std_ms"),
        (LITERT.replace("0.10 ms", "0.53 ms"), "impossible figure for std_ms: expected 0.5 ms or less"),
        (
            second_line("count=64 min=1 max=9 avg=5 std=1 p5=8 median=5 p95=9"),
            "for median_ms: expected 0.008 ms or more, which p5_ms is, received 0.005",
        ),
        (second_line("count=64 min=1 max=9 avg=5 std=1 p5=8 p95=2"), "for p95_ms: expected 0.008 ms or more, which p5"),
        (
            second_line("count=64 curr=0 (all same)"),
            "below its resolution of 0.001 ms; on this machine use --on litert",
        ),
        (re.sub(r"\d\.\d\d ms", "0.00 ms", LITERT), "told 0 ms for every inference: .* resolution of 0.01 ms"),
    ],
)
def test_output_of_another_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(RunnerError, match=message):
        read_printout(text)


def test_a_deviation_as_large_as_the_times_allow_is_no_mistake() -> None:
    # One of two inferences took 1,000 us, the other 3,000: their sample deviation is sqrt(2) x 1,000 us.
    line = "count=2 first=1000 curr=3000 min=1000 max=3000 avg=2000 std=1414"
    assert read_printout(second_line(line, avg_us="2000")).latency.std_ms == 1.414
    # Of 2.005 and 2.995 ms: LiteRT rounds them apart, and the deviation of a half of each up.
    text = LITERT.replace("0.10 ms", "0.50 ms").replace("2.80 ms", "3.00 ms")
    assert read_printout(text).latency.std_ms == 0.5


def test_flags_that_the_program_ignored_are_found() -> None:
    text = "INFO: STARTING!\nWARN: Unconsumed cmdline flags: --bogus=1 --other=x\nINFO: more"
    assert unconsumed_flags(text) == ("--bogus=1", "--other=x")
    assert unconsumed_flags(recording("basic.out")) == ()


def test_the_result_file_holds_what_was_printed() -> None:
    written, printed = read_result((RECORDINGS / "res.pb").read_bytes()), read_printout(recording("csv.out"))
    assert (written.num_runs, written.num_warmup_runs) == (134, 72)
    assert written.memory_bytes == 2952 * 1024
    for name in ("median", "std", "min", "max", "p5", "p95", "init", "warmup_first"):
        assert getattr(written.latency, f"{name}_ms") == getattr(printed.latency, f"{name}_ms")
    assert written.latency.avg_ms == pytest.approx(printed.latency.avg_ms, abs=1e-6)
    assert written.unavailable_reason == printed.unavailable_reason


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("latency", "median_ms", math.nan),
        ("latency", "avg_ms", math.inf),
        ("latency", "min_ms", -3.0),
        ("latency", "avg_ms", 1e-9),
        ("memory", "overall_kb", -4),
    ],
)
def test_impossible_figures_of_a_result_file_are_refused(part: str, name: str, value: float) -> None:
    message = result_proto._RESULT()
    message.ParseFromString((RECORDINGS / "res.pb").read_bytes())
    setattr(getattr(message, part), name, value)
    with pytest.raises(RunnerError, match=f"told an impossible figure for ({name}|{part}): expected"):
        read_result(message.SerializeToString())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 0, "has no time for CONV_2D: it never ran"),
        ("count", -1, "has no time for CONV_2D: it never ran"),
        ("sum", -5, "told an impossible figure for CONV_2D: expected 0 ms or more"),
    ],
)
def test_impossible_times_of_a_profile_are_refused(name: str, value: int, message: str) -> None:
    profile = op_profile._PROFILE()
    profile.ParseFromString((RECORDINGS / "prof.pb").read_bytes())
    setattr(profile.runtime_profile.subgraph_profiles[0].per_op_profiles[0].inference_microseconds, name, value)
    with pytest.raises(RunnerError, match=message):
        read_proto(profile.SerializeToString())


def test_no_cut_off_result_file_is_taken_for_a_result() -> None:
    content = (RECORDINGS / "res.pb").read_bytes()
    end_of_the_number_of_runs = content.index(b"\x10\x86\x01") + 3
    for length in range(end_of_the_number_of_runs):
        with pytest.raises(RunnerError, match=r"is broken or cut off|is of a form unknown here"):
            read_result(content[:length])


@pytest.mark.parametrize(
    ("read", "name", "first_ms"),
    [
        (read_csv, "prof.csv", 0.0282164),
        (read_csv, "old.csv", 0.0486),
        (read_proto, "prof.pb", 54 / 2 / 1e3),  # 54 us in 2 runs
    ],
)
def test_profiles_list_the_operators_in_order_with_their_mean_time(
    read: Callable[..., object], name: str, first_ms: float
) -> None:
    path = RECORDINGS / name
    ops = read(path.read_bytes() if name.endswith("pb") else path.read_text())
    assert [op.op for op in ops] == OPS
    assert [op.index for op in ops] == list(range(16))
    assert ops[0].latency_ms == first_ms


def test_a_profile_is_read_as_with_the_description_that_litert_ships() -> None:
    # In a process of its own: it cannot be loaded beside TensorFlow's.
    code = (
        "import sys; from ai_edge_litert import profiling_info_pb2 as p; d = p.BenchmarkProfilingData()\n"
        "d.ParseFromString(open(sys.argv[1], 'rb').read())\n"
        "for op in d.runtime_profile.subgraph_profiles[0].per_op_profiles:\n"
        "    times = op.inference_microseconds; print(op.node_type, times.sum / times.count / 1e3)"
    )
    path = RECORDINGS / "prof.pb"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    expected = [(kind, float(time_ms)) for kind, time_ms in map(str.split, done.stdout.splitlines())]
    assert [(op.op, op.latency_ms) for op in read_proto(path.read_bytes())] == expected


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_csv, recording("prof.csv")[:500], "is cut off: expected the title"),
        (read_csv, recording("prof.csv")[:2000], r"is cut off after \d+ operators"),
        (read_csv, recording("prof.csv").replace("avg_ms", "mean"), "has other columns: expected .* received"),
        (read_csv, recording("prof.csv").replace("0.0282164", "fast"), "has no time in the row 'CONV_2D"),
        (read_csv, recording("prof.csv").replace("0.0282164", "nan"), "has no time in the row 'CONV_2D"),
        (read_csv, recording("prof.csv").replace("0.0282164", "0,0282164"), "has no time in the row 'CONV_2D"),
        (read_csv, recording("prof.csv").replace("CONV_2D, 0.035", "CONV_2D\nADD, 0.035", 1), "has no time in the row"),
        (read_csv, recording("prof.csv").replace("0.0282164", "-5"), "impossible figure for CONV_2D"),
        (read_proto, b"", "of a form unknown here, or empty"),
        (read_proto, (RECORDINGS / "prof.pb").read_bytes()[:-5], "is broken or cut off"),
    ],
)
def test_a_profile_that_is_cut_off_or_of_another_form_is_refused(
    read: Callable[..., object], content: str | bytes, message: str
) -> None:
    with pytest.raises(RunnerError, match=message):
        read(content)
