"""The command tflite-bench."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from ai_edge_litert import schema_py_generated
from click.testing import CliRunner, Result

from tflite_bench.cli import main
from tflite_bench.model.reader import read_model
from tflite_bench.model.writer import pack, unpack


def tflite_bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def schema(name: str) -> dict[str, object]:
    return json.loads((files("tflite_bench.reporting") / "schemas" / f"{name}.schema.json").read_text())


def test_run_prints_one_json_object_and_nothing_else(model_path: Callable[[str], Path]) -> None:
    result = tflite_bench(
        "run", model_path("residual_int8"), "--num-runs", 10, "--threads", 2, "--no-xnnpack", "--json"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    jsonschema.validate(document, schema("benchmark"))
    assert (document["result"]["num_runs"], document["result"]["num_threads"]) == (10, 2)
    assert "without XNNPACK" in document["result"]["note"]


def test_run_on_tflm_labels_its_times(model_path: Callable[[str], Path], tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    result = tflite_bench("run", model_path("residual_int8"), "--on", "tflm", "--num-runs", 5, "-o", output)
    assert result.exit_code == 0
    assert "say nothing about any microcontroller" in result.stdout
    assert "576 B" in result.stdout  # the activations
    jsonschema.validate(json.loads(output.read_text()), schema("benchmark"))
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_compare_exits_with_1_when_the_second_result_is_worse(
    model_path: Callable[[str], Path], tmp_path: Path
) -> None:
    paths = tmp_path / "before.json", tmp_path / "after.json"
    arguments = ("run", model_path("residual_int8"), "--on", "tflm", "--num-runs", 5, "-o")
    assert [tflite_bench(*arguments, path).exit_code for path in paths] == [0, 0]
    same = tflite_bench("compare", *paths, "--fail-on", "arena>0%")
    assert (same.exit_code, "within noise" in same.stdout) == (0, True)
    worse = json.loads(paths[1].read_text())
    worse["result"]["arena_bytes"] += 1
    paths[1].write_text(json.dumps(worse))
    result = tflite_bench("compare", *paths, "--fail-on", "arena>0%", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    jsonschema.validate(json.loads(result.stdout), schema("compare"))
    assert tflite_bench("compare", *paths, "--fail-on", "arena>5%").exit_code == 0


def test_devices_lists_what_is_there_and_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("BENCHMARK_MODEL", raising=False)
    result = tflite_bench("devices", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    jsonschema.validate(document, schema("devices"))
    ready = {device["on"]: device["ready"] for device in document["result"]["devices"]}
    assert (ready["litert"], ready["benchmark_model"], ready["adb"]) == (True, False, False)
    assert ready["ssh:user@host"] is False
    assert "name it with --binary" in tflite_bench("devices").stdout.replace("\n", " ")


def test_run_measures_with_a_program_of_the_vendor(model_path: Callable[[str], Path]) -> None:
    program = Path(__file__).parent / "replay_benchmark_model.py"
    arguments = ("run", model_path("residual_int8"), "--on", "benchmark_model", "--binary", program, "--profile")
    document = json.loads(tflite_bench(*arguments, "--json").stdout)
    jsonschema.validate(document, schema("benchmark"))
    assert document["kinds"] == {"latency": "wall time", "ops.latency_ms": "wall time", "memory_bytes": "bytes"}
    assert "DEPTHWISE_CONV_2D" in tflite_bench(*arguments).stdout


def test_inspect_prints_one_json_object_and_nothing_else(model_path: Callable[[str], Path]) -> None:
    result = tflite_bench("inspect", model_path("atan2"), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    jsonschema.validate(document, schema("inspect"))
    assert [op["name"] for op in document["result"]["ops"]] == ["ADD", "ATAN2"]
    assert document["result"]["missing_ops_tflm"] == ["ATAN2"]


def test_inspect_shows_operators_tensors_and_totals(model_path: Callable[[str], Path]) -> None:
    result = tflite_bench("inspect", model_path("residual_int8"))
    assert result.exit_code == 0
    for text in ("DEPTHWISE_CONV_2D", "stride_h=2", "8 along 3", "6 operators", "4,152 B", "kernel: none"):
        assert text in result.stdout


def test_a_custom_operator_without_a_code_has_a_name_and_no_kernel(
    model_bytes: Callable[[str], bytes], tmp_path: Path
) -> None:
    model = unpack(model_bytes("residual_int8"))
    code = schema_py_generated.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema_py_generated.BuiltinOperator.CUSTOM
    model.operatorCodes.append(code)
    operator = model.subgraphs[0].operators[0]
    operator.opcodeIndex, operator.builtinOptions, operator.builtinOptionsType = len(model.operatorCodes) - 1, None, 0
    path = tmp_path / "custom.tflite"
    path.write_bytes(pack(model))
    assert read_model(path).ops[0].name == "CUSTOM"
    assert "operators without a TFLM kernel: CUSTOM" in tflite_bench("inspect", path).stdout


def test_inspect_without_the_tflm_wheel_says_why_it_cannot_tell(
    model_path: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)  # how Python marks a module that cannot be imported
    document = json.loads(tflite_bench("inspect", model_path("atan2"), "--json").stdout)
    assert document["result"]["missing_ops_tflm"] is None
    assert "TFLM is not installed" in document["result"]["unavailable_reason"]["missing_ops_tflm"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.tflite"], "cannot read nowhere.tflite: expected a .tflite file, found no file there"),
        (["inspect", "nowhere.tflite"], "cannot read nowhere.tflite: expected a .tflite file, found no file there"),
        (["run", "no\nwhere\x1b[1m"], "cannot read no where [1m: expected a .tflite file"),
        (["run", "."], "cannot read .: expected a .tflite file, found a folder there"),
        (["inspect", "/dev/null"], "cannot read /dev/null: expected a .tflite file, found a device or pipe there"),
        (["run"], "Missing argument 'MODEL' (see"),
        (["run", "x", "--precision", "200%"], "expected a share between 0% and 100%"),
        (["run", "x", "--precision", "nan"], "expected a share between 0% and 100%"),
        (["run", "x", "--on", "phone"], "unknown runner 'phone': expected one of litert, tflm"),
        (["run", "x", "--on", "tflm", "--threads", "2"], "--threads has no meaning on tflm; it belongs to --on"),
        (
            ["run", "x", "--on", "qemu:m4", "--num-runs", "9"],
            "--num-runs has no meaning on qemu; it belongs to --on adb, benchmark_model, litert, litert-benchmark, ",
        ),
        (
            ["run", "x", "--on", "ethos-u", "--seed", "9"],
            "--seed has no meaning on ethos-u; it belongs to --on litert,",
        ),
        (["run", "x", "--cpus", "1-x"], "expected cores such as 0, 2,3 or 4-7, received '1-x'"),
        (["run", "x", "--cpus", "99999999"], "expected cores such as 0, 2,3 or 4-7"),
        (["run", "x", "--cpus", "3-1"], "expected cores such as 0, 2,3 or 4-7, received '3-1'"),
        (["run", "x", "--cpus", ""], "expected cores such as 0, 2,3 or 4-7, received ''"),
        (["run", "x", "-o", ""], "cannot write .: expected a file in a folder that exists; choose another --output"),
        (
            ["run", "x", "-o", "/nowhere/x.json"],
            "cannot write /nowhere/x.json: expected a file in a folder that exists",
        ),
        (["run", "x", "-o", "/dev/null"], "cannot write /dev/null: expected a file in a folder that exists"),
        (["calibrate", "/nowhere/x.toml"], "expected a file in a folder that exists; choose another profile"),
        (["compare", "nowhere.json", "x"], "cannot read nowhere.json: expected a result of tflite-bench run"),
        (["compare", "a", "b", "--fail-on", "speed>1%"], "expected a rule such as 'latency>5%'"),
        (["run", "x", "--num-runs", "0"], "Invalid value for '--num-runs'"),
        (["measure", "x"], "No such command 'measure'"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_exit_code_2(arguments: list[str], message: str) -> None:
    result = tflite_bench(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert result.stderr.startswith("tflite-bench: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["calibrate", "here.toml"], ["devices", "-o", "here.json"]])
def test_a_folder_that_was_removed_is_noticed_before_anything_is_measured(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    inside = f'cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec "$@"'
    program = "from tflite_bench.cli import main; main()"
    command = ["bash", "-c", inside, "bash", sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot write {arguments[-1]}: expected a file in a folder that exists; choose another" in done.stderr


def test_a_failed_run_leaves_no_file(model_path: Callable[[str], Path], tmp_path: Path) -> None:
    result = tflite_bench("run", model_path("atan2"), "--on", "tflm", "-o", tmp_path / "result.json")
    assert result.exit_code == 2
    assert "TFLM has no kernel for the operator ATAN2" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["run", "inspect", "compare", "energy", "calibrate"])
def test_a_file_that_is_read_is_not_written_over(command: str, tmp_path: Path) -> None:
    read, link = tmp_path / "read.toml", tmp_path / "link"
    read.write_text("mine")
    link.symlink_to(read)
    result = tflite_bench(command, *[read] * (2 if command == "compare" else 1), "-o", link)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"bad --output: expected another file than {link}, which is read; choose another one" in result.stderr
    assert read.read_text() == "mine"


@pytest.mark.parametrize("option", ["--binary", "--ssh-config"])
def test_a_file_that_an_option_reads_is_not_written_over(option: str, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    result = tflite_bench("run", "x.tflite", option, tmp_path / "mine", "-o", tmp_path / "mine")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "mine, which is read; choose another one" in result.stderr


def test_a_link_to_itself_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    result = tflite_bench("inspect", tmp_path / "loop", "-o", tmp_path / "result.json")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "loop: expected a .tflite file, found no file there" in result.stderr


def test_an_output_may_have_the_longest_name_that_files_have(model_path: Callable[[str], Path], tmp_path: Path) -> None:
    output = tmp_path / ("x" * 250 + ".json")
    assert tflite_bench("inspect", model_path("atan2"), "-o", output).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_a_disk_that_fills_leaves_no_firmware(tmp_path: Path) -> None:
    limited = f"ulimit -f 8; exec {sys.executable} -m tflite_bench firmware {tmp_path}/new"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"tflite-bench: cannot write {tmp_path}/new: File too large; choose another folder\n"
    assert list(tmp_path.iterdir()) == []
    assert tflite_bench("firmware", tmp_path / "a" / "new").exit_code == 0
    assert (tmp_path / "a" / "new" / "ports").is_dir()
    assert (
        "new: expected a new folder, received one that exists"
        in tflite_bench("firmware", tmp_path / "a" / "new").stderr
    )


def test_a_closed_stdout_is_named(model_path: Callable[[str], Path]) -> None:
    command = f"exec {sys.executable} -m tflite_bench inspect {model_path('atan2')} --json >&-"
    done = subprocess.run(["bash", "-c", command], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("tflite-bench: cannot print the result: expected a stdout that is open")


def test_an_output_that_cannot_be_written_is_named(model_path: Callable[[str], Path], tmp_path: Path) -> None:
    for output in (tmp_path / "no" / "result.json", tmp_path):
        result = tflite_bench("inspect", model_path("atan2"), "--json", "-o", output)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"cannot write {output}: expected a file" in result.stderr
        assert "choose another --output" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file on a full disk")
def test_a_full_disk_is_named(model_path: Callable[[str], Path]) -> None:
    program = "import sys; from tflite_bench.cli import main; main()"
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", program, "inspect", model_path("atan2"), "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "tflite-bench: cannot print the result: No space left on device\n")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_stdout_that_lacks_the_lines_of_tables_gets_those_of_ascii(
    model_path: Callable[[str], Path], encoding: str
) -> None:
    command = [sys.executable, "-m", "tflite_bench", "inspect", model_path("residual_int8")]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, encoding=encoding, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "\n|---+-" in done.stdout
    assert "6 operators" in done.stdout


@pytest.mark.parametrize(("columns", "widest"), [("80", 80), ("150", 150), ("", 120), ("0", 120)])
def test_tables_are_as_wide_as_columns_says(
    model_path: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, columns: str, widest: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert max(map(len, tflite_bench("inspect", model_path("residual_int8")).stdout.splitlines())) == widest


def test_a_temporary_folder_that_takes_nothing_is_named(
    model_path: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    result = tflite_bench("run", model_path("residual_int8"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(
        r"tflite-bench: cannot use the file /.*nowhere/tflite-bench-.*: No such file[^;]*\n", result.stderr
    )


def test_without_a_command_the_help_is_shown() -> None:
    result = tflite_bench()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")


def test_help_imports_neither_numpy_nor_a_runtime() -> None:
    code = (
        "import sys; from tflite_bench.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'numpy', 'rich', 'ai_edge_litert', 'tflite_micro', 'tensorflow'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout[:6], done.stderr) == ("Usage:", "[]\n")


def test_a_reader_that_has_left_sees_no_traceback(model_path: Callable[[str], Path]) -> None:
    code = "from tflite_bench.cli import main; main()"
    command = f"{sys.executable} -c '{code}' inspect {model_path('residual_int8')} | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_shows_tracebacks_on_request(command: str) -> None:
    assert "--debug" in tflite_bench(command, "--help").output


def test_a_traceback_is_shown_on_request_alone(tmp_path: Path) -> None:
    plain, shown = (tflite_bench("inspect", tmp_path / "no.tflite", *more) for more in ((), ("--debug",)))
    assert plain.exit_code == shown.exit_code == 2
    assert "Traceback" not in plain.output
    assert "Traceback" in shown.output
