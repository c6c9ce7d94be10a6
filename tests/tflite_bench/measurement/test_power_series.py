"""Series of time and current: their energy, and what is no series."""

import json
import math
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from tflite_bench.cli import main
from tflite_bench.errors import ConfigError
from tflite_bench.measurement.power_series import read_energy


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["energy", *map(str, arguments)])


@pytest.mark.parametrize(
    "text",
    [
        "Timestamp(ms),Current(uA)\n0,4000\n500,8000\n1000,4000\n",
        "time [s];current [mA]\n10;4\n10.5;8\n11;4\n",
        "Time (us)\tCurrent (A)\n0\t0.004\n5e5\t0.008\n1e6\t0.004\n",
    ],
)
def test_the_energy_is_the_area_under_current_times_voltage(text: str, tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text(text)
    energy = read_energy(path, voltage=3.0, num_inferences=2, idle_mw=12.0)
    assert energy.charge_mc == pytest.approx(6.0)  # two trapezoids of half a second, (4 + 8) / 2 mA
    assert energy.energy_mj == pytest.approx(18.0)
    assert (energy.mean_ma, energy.mean_mw) == (pytest.approx(6.0), pytest.approx(18.0))
    assert energy.energy_per_inference_mj == pytest.approx((18 - 12) / 2)


def test_a_quote_that_is_left_open_is_named(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text('Timestamp(ms),"Current(uA)\n' + "".join(f"{i},4000\n" for i in range(20_000)))
    result = run(path, "--voltage", 3)
    assert result.exit_code == 2
    assert (
        "expected a CSV file, received field larger than field limit (131072); is a quote left open?" in result.stderr
    )


def test_a_column_of_the_voltage_is_used(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA),voltage(mV)\n0,2,3000\n1,2,3000\n2,2,3000\n")
    assert read_energy(path).energy_mj == pytest.approx(12.0)
    with pytest.raises(ConfigError, match="has a column of the voltage: expected no --voltage"):
        read_energy(path, voltage=3.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time(s),current(mA)\n0,1\n1,1\n2,1\n9,1\n10,1\n", r"has a gap of 7 s after 2 s, where samples are 1 s apart"),
        (
            "time(s),current(mA)\n0,1\n1,\n2,1\n",
            r"sample 2: expected a number, received ''; the series has a gap there",
        ),
        ("time(s),current(mA)\n0,1\n1,nan\n2,1\n", r"sample 2: expected a number, received 'nan'"),
        ("time(s),current(mA)\n0,1\n2,1\n1,1\n", r"sample 3: its time is not after that of the one before"),
        ("time(s),power(mW)\n0,1\n2,1\n", r"expected columns such as Timestamp\(ms\) and Current\(uA\), received time"),
        (
            "Timestamps,Current(mA)\n0,1\n1,1\n2,1\n",
            r"expected columns such as Timestamp\(ms\) and Current\(uA\), received Timestamps, Current",
        ),
        (
            "time(s),current(mA)\n0,-2\n1,-2\n2,-2\n",
            r"holds -12 mJ: expected more than 0; is the current probe the wrong way round\?",
        ),
        ("", r"is no series: expected a line of names and two samples"),
    ],
)
def test_what_is_no_series_is_one_line_and_leaves_no_file(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_energy(path, voltage=3.0)
    done = run(path, "--voltage", 3, "-o", tmp_path / "out.json")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["series.csv"]


def test_the_document_follows_its_schema_and_says_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA)\n0,1\n1,1\n2,1\n")
    document = json.loads(run(path, "--voltage", 3, "--json").stdout)
    schema = json.loads((files("tflite_bench.reporting") / "schemas/energy.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert document["result"]["energy_per_inference_mj"] is None
    assert document["provenance"]["energy_mj"] == "computed"
    assert "expected --voltage" in run(path).stderr
    assert "more than the" in run(path, "--voltage", 3, "--idle", 100).stderr
    assert "6 mJ" in run(path, "--voltage", 3).stdout


@pytest.mark.parametrize(
    ("option", "wanted"), [("--voltage", {"voltage": math.nan}), ("--idle", {"idle_mw": math.inf})]
)
def test_what_is_no_number_gives_no_energy(option: str, wanted: dict[str, float], tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA)\n0,1\n1,1\n")
    with pytest.raises(ConfigError, match=f"bad {option}: expected a number, received"):
        read_energy(path, **{"voltage": 3.0, **wanted})
