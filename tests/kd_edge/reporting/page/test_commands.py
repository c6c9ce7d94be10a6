"""The commands of a page, read as the command line reads them."""

import shlex
from dataclasses import asdict

import pytest

from kd_edge.cli import main
from kd_edge.cli.options import read_options
from kd_edge.config.inputs import BudgetConfig, DataConfig
from kd_edge.config.run import RunConfig
from kd_edge.config.stages import VerifyConfig
from kd_edge.cost.budget import parse_mj, parse_ms
from kd_edge.data.options import SourceOptions
from kd_edge.reporting.page.commands import repeating_commands

RUN = {"design": {"budget": {"flash_bytes": 64_000, "ram_bytes": 32_000, "latency_ms": None}}}


def parsed(run=RUN, **given):
    """What `kd-edge verify` makes of the command of a run, option by option."""
    data = DataConfig("samples", options=given.pop("options", SourceOptions()))
    config = asdict(RunConfig(data, BudgetConfig("nucleo-l4r5zi"), **given))
    kd_edge, verify, *words = shlex.split(repeating_commands(config, run)[1])
    assert (kd_edge, verify) == ("kd-edge", "verify")
    return main.commands[verify].make_context(verify, words).params


@pytest.mark.parametrize(
    "options",
    [
        SourceOptions(),
        SourceOptions(label="784", group="[who]", split='"s" $x', recording="true", window=128, hop=64),
        SourceOptions(ignore=["a,b", "c d"], group_pattern=r"^(\d+)_'x'", test_share=0.25, skip_bad=True),
        SourceOptions(image_size=[96, 64], color="grayscale", seconds=0.5),
        SourceOptions(task="regression", units=["m/s", "°C"], label="größe"),
        SourceOptions(task="gesture:multiclass,speed:regression"),
    ],
)
def test_the_verification_reads_the_samples_as_the_run_did(options):
    assert read_options(parsed(options=options)["data_option"]) == options


def test_the_verification_has_the_limits_of_the_run():
    usual = parsed()
    assert (usual["max_accuracy_loss"], usual["max_teacher_loss"], usual["teacher"]) == (0.02, None, None)
    own = parsed(verify=VerifyConfig(max_accuracy_loss=0.1, max_teacher_loss=0.05))
    assert (own["max_accuracy_loss"], own["max_teacher_loss"]) == (0.1, 0.05)
    assert str(own["teacher"]) == "RUN/teacher.keras"


@pytest.mark.parametrize("limit", [15.0, 15.1234567, 1e6, 1e-5, 0.1 + 0.2])
def test_the_verification_has_the_time_and_the_energy_of_the_run_to_the_last_digit(limit):
    budget = RUN["design"]["budget"] | {"latency_ms": limit, "energy_mj": limit}
    read = parsed({"design": {"budget": budget}})
    assert (parse_ms(read["latency"]), parse_mj(read["energy"])) == (limit, limit)
