"""Two models compared, and the summary for a CI job."""

import json
from pathlib import Path

from click.testing import CliRunner

from tflite_bench.cli import main
from tflite_bench.reporting.envelope import to_json


def test_two_models_are_compared_where_that_is_asked_for_and_shown_in_markdown(tmp_path: Path) -> None:
    run = CliRunner()
    data = Path(__file__).parents[1] / "data"
    for name, model in (("before", "atan2"), ("after", "residual_int8")):
        path = tmp_path / f"{name}.json"
        arguments = ["run", str(data / f"{model}.tflite"), "--on", "litert", "--num-runs", "20", "-o", str(path)]
        assert run.invoke(main, arguments).exit_code == 0
        document = json.loads(path.read_text())
        latency = 10.0 if name == "before" else 20.0
        names = ("min_ms", "p5_ms", "ci95_low_ms", "median_ms", "ci95_high_ms", "p95_ms", "max_ms")
        document["result"]["latency"] |= dict.fromkeys(names, latency)
        document["result"]["latency"] |= {"drift": None, "bimodal": False}
        document["result"]["note"] = "a | b" if name == "before" else ""
        path.write_text(to_json(document))
    files = [str(tmp_path / "before.json"), str(tmp_path / "after.json")]
    assert "cannot compare results of different models" in run.invoke(main, ["compare", *files]).stderr
    done = run.invoke(main, ["compare", *files, "--other-model", "--markdown", "--fail-on", "latency>10%"])
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "### litert: WORSE"
    assert lines[2:5] == [
        "| figure | before | after | change | |",
        "|---|--:|--:|--:|---|",
        "| latency (wall time) | 10 ms | 20 ms | +100.0% | **WORSE** |",
    ]
    assert any("a \\| b" in line for line in lines)
    both = run.invoke(main, ["compare", *files, "--other-model", "--markdown", "--json"])
    assert (both.exit_code, "expected it without --json" in both.stderr) == (2, True)
