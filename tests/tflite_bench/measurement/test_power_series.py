"""Series of time and current: their energy, and what is no series."""

import json
import math
from importlib.resources import files
from pathlib import Path
from typing import Any

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


def test_a_column_of_the_voltage_is_used_and_is_measured_a_given_one_is_given(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA),voltage(mV)\n0,2,3000\n1,2,3000\n2,2,3000\n")
    assert read_energy(str(path)).energy_mj == pytest.approx(12.0)
    had = json.loads(run(path, "--json").stdout)["provenance"]
    assert (had["voltage"], had["mean_ma"], had["max_ma"]) == ("measured", "computed", "measured")
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
            "time(s),current(mA)\n0,4,5\n1,4,5\n2,4,5\n",
            r"sample 1: expected 2 cells as in the line of names, received 3; is the decimal mark a comma\?",
        ),
        ("time(s);current(mA)\n0,0;4,5\n0,1;4,5\n", r"received '0,0'; export numbers with a decimal point"),
        ('time(s),current(uA)\n0,"4,500"\n1,"4,500"\n', r"received '4,500'; .* nothing between thousands"),
        ("time(s),current(uA)\n0,4_500\n1,4_500\n", r"received '4_500'; export bare numbers"),
        (
            "time(s),current(uA)\n0 s,4\n1 s,4\n",
            r"received '0 s'; export bare numbers: the line of names has the units",
        ),
        (
            "time(s),current(uA)\n00:00:01,4\n00:00:02,4\n",
            r"export the time as a number in the unit .* since the start",
        ),
        (
            "time(s),current(mA),i(A)\n0,1,4\n1,1,4\n",
            r"expected one column of the current, received current\(mA\) and i",
        ),
        (
            "t(s),time(ms),current(mA)\n0,0,4\n1,1,4\n",
            r"expected one column of the time, received t\(s\) and time\(ms\)",
        ),
        ("time(s),current(A)\n0,1e305\n1,1e305\n", r"its mean_ma is too large for a number; are the units"),
        (
            "time(s),current(mA)\n0,-2\n1,-2\n2,-2\n",
            r"holds -12 mJ: expected more than 0; is the current probe the wrong way round\?",
        ),
        (
            "time(s),current(mA),note\n0,2,5\n1,3,5\n2,4,5\n",
            r"current\(mA\) has whole numbers alone, and digits beside them .* or without the column note",
        ),
        (
            "time(s),voltage(V),current(uA),D0\n0,3,1,234\n1,3,1,500\n2,3,1,234\n",
            r"current\(uA\) has whole numbers alone, and digits beside them .* or without the column D0",
        ),
        ("time(s),current(mA),note\n0,2,5,\n1,3,5,\n2,4,5,\n", r"is ambiguous: .* or without the column note"),
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


def test_a_supply_below_0_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA),voltage(V)\n0,-2,3\n1,-2,-3\n2,-2,-3\n")
    with pytest.raises(ConfigError, match=r"sample 2: expected a voltage of 0 or more, received -3 V; is the probe"):
        read_energy(path)


def test_the_document_follows_its_schema_and_says_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA)\n0,1\n1,1\n2,1\n")
    document = json.loads(run(path, "--voltage", 3, "--json").stdout)
    schema = json.loads((files("tflite_bench.reporting") / "schemas/energy.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert document["result"]["energy_per_inference_mj"] is None
    assert document["provenance"]["energy_mj"] == "computed"
    assert document["provenance"]["voltage"] == "given"
    assert "expected --voltage" in run(path).stderr
    assert "more than the" in run(path, "--voltage", 3, "--idle", 100).stderr
    assert "6 mJ" in run(path, "--voltage", 3).stdout


@pytest.mark.parametrize("content", ["time(s),current(µA)\n0,1\n1,1\n".encode(name) for name in ("cp1252", "utf-16")])
def test_a_file_in_another_encoding_names_the_way_out(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "series.csv").write_bytes(content)
    with pytest.raises(ConfigError, match="expected text in UTF-8, received other bytes; save it as UTF-8"):
        read_energy(tmp_path / "series.csv", voltage=3.0)


def test_columns_that_cannot_be_torn_numbers_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    for lines in (
        "time(s),current(mA),D0\n0,1.0,0\n1,1.5,1\n2,1.0,0\n",
        "time(s),current(mA),note\n0,1,a\n1,2,5\n2,1,5\n",
        "time(s);current(mA);D0\n0;1;0\n1;2;1\n2;1;0\n",
        "time(s),current(mA),voltage(V)\n0,1,3\n1,2,3\n2,1,3\n",
    ):
        path.write_text(lines)
        known = {} if "voltage" in lines else {"voltage": 3.0}
        assert read_energy(path, **known).num_samples == 3


def test_lines_that_end_with_a_separator_are_no_wider(tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA)\n0,1,\n1,1,\n2,1,\n")
    assert read_energy(path, voltage=3.0).energy_mj == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"num_inferences": -5}, "bad --inferences: expected a whole number of 1 or more, received -5"),
        ({"num_inferences": 1.5}, "bad --inferences: expected a whole number of 1 or more, received 1.5"),
        ({"num_inferences": 0}, "bad --inferences: expected a whole number of 1 or more, received 0"),
        ({"num_inferences": 10**400}, "bad --inferences: expected a whole number of 1 or more, received 1000"),
        ({"idle_mw": -100.0}, "bad --idle: expected 0 or more, received -100"),
        ({"voltage": 0.0}, "bad --voltage: expected more than 0, received 0"),
        ({"voltage": "3"}, "bad --voltage: expected a number, received '3'"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(wanted: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA)\n0,1\n1,1\n")
    with pytest.raises(ConfigError, match=message):
        read_energy(path, **{"voltage": 3.0, **wanted})


@pytest.mark.parametrize(
    ("option", "wanted"), [("--voltage", {"voltage": math.nan}), ("--idle", {"idle_mw": math.inf})]
)
def test_what_is_no_number_gives_no_energy(option: str, wanted: dict[str, float], tmp_path: Path) -> None:
    path = tmp_path / "series.csv"
    path.write_text("time(s),current(mA)\n0,1\n1,1\n")
    with pytest.raises(ConfigError, match=f"bad {option}: expected a number, received"):
        read_energy(path, **{"voltage": 3.0, **wanted})
