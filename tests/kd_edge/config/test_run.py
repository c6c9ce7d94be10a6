"""Tests of a run's configuration: what the examples ask for, and what is refused by the key."""

from pathlib import Path

import pytest

from kd_edge.config.inputs import BudgetConfig
from kd_edge.config.run import load_config
from kd_edge.errors import ConfigError


def test_the_example_of_people_asks_for_its_own_recordings():
    examples = Path(__file__).parents[3] / "examples"
    config = load_config(examples / "uci_har.toml")
    assert (config.data.source, config.data.normalize) == (str(examples / "uci_har:recordings"), True)


def test_the_example_configuration_asks_for_what_the_documentation_says():
    config = load_config(Path(__file__).parents[3] / "examples" / "watch.toml")
    assert config.budget == BudgetConfig("nucleo-l4r5zi", "64k", "24k", "15ms")
    assert config.data.source == "watch"
    assert (config.distill.trainee, config.distill.rule) == ("like_teacher", "agreement")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nsource='watch'\n[budget]\ndevise='host'", "unknown key 'devise' .* did you mean 'device'"),
        ("[data]\nsource='watch'\n[budgets]\ndevice='host'", "unknown key 'budgets' .* did you mean 'budget'"),
        ("[data]\nsource='watch'", "missing key 'budget'"),
        (
            "[data]\nsource=''\n[budget]\ndevice='host'",
            "bad value for key 'source': expected a name or path, received ''",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[teacher]\npath=''",
            "bad value for key 'path': expected a name",
        ),
        ("seed=-1\n[data]\nsource='watch'\n[budget]\ndevice='host'", "'seed': expected 0 to 4294967295, received -1"),
        ("seed=4294967296\n[data]\nsource='watch'\n[budget]\ndevice='host'", "'seed': expected 0 to 4294967295"),
        (
            "[budget]\ndevice='host'\n[data]\nsource='watch'\nclass_weight='even'",
            "key 'class_weight': expected one of balanced, received 'even'",
        ),
        (
            "[budget]\ndevice='host'\n[data]\nsource='watch'\nclass_weight={a=0.0}",
            "'class_weight', class 'a': expected more than 0.*received 0.0",
        ),
        (
            "[budget]\ndevice='host'\n[data]\nsource='watch'\nclass_weight={a='b'}",
            r"class_weight'\.a: expected float, received 'b'",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[design]\nobjective='f1'",
            "key 'objective': expected one of accuracy, .*, label_accuracy, skill, score, received 'f1'",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[distill]\nstudent='alone'",
            "key 'student': expected one of best, distilled, baseline, received 'alone'",
        ),
        ("[data]\nsource='watch'\n[budget]\ndevice='host'\n[distill]\nepochs=0", "key 'epochs': expected more than 0"),
        ("[data]\nsource='watch'\n[budget]\ndevice='host'\n[distill]\ntrainee='me'", "key 'trainee': expected"),
        ("[data]\nsource='watch'\n[budget]\ndevice='host'\n[distill]\nstudent_loss_weight=2", "expected 0 to 1"),
        ("[data]\nsource='watch'\n[budget]\ndevice='host'\n[teacher]\nfolds=1", "'folds': expected 0 for none, or 2"),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[teacher]\npath='t.keras'\nepochs=3\nfolds=3",
            "'folds': expected the recipe of a teacher that is a file, 'epochs' and 'learning_rate'",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[distill]\nlearning_rate='fast'",
            "'learning_rate': expected a number or 'auto', received 'fast'",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[teacher]\naugment='imi'",
            "'augment': expected one of none",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[distill]\naugment='IMU'",
            "'augment': expected one of none",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[convert]\nquantize='int4'",
            "expected one of int8, int16x8",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[convert]\nstream=2",
            r"'stream' in \[convert\]: expected 'family' in \[design\] 'streaming'.*received 'ds_cnn'",
        ),
        (
            "[data]\nsource='watch'\n[budget]\ndevice='host'\n[design]\nfamily='streaming'",
            r"'family' in \[design\]: expected 'stream' in \[convert\] with 'streaming'",
        ),
    ],
)
def test_a_bad_configuration_names_the_key(tmp_path, text, message):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


@pytest.mark.parametrize(
    ("table", "key"),
    [("convert", "max_int8_loss"), ("verify", "max_accuracy_loss"), ("verify", "max_teacher_loss")],
)
def test_percents_are_no_shares(tmp_path, table, key):
    path = tmp_path / "bad.toml"
    path.write_text(f"[data]\nsource='watch'\n[budget]\ndevice='host'\n[{table}]\n{key}=2")
    with pytest.raises(ConfigError, match=f"'{key}': expected a share of at most 1, such as 0.02 for 2 %, received 2"):
        load_config(path)
    path.write_text(path.read_text().replace("=2", "=1"))
    load_config(path)


@pytest.mark.parametrize("value", ["nan", "inf", "-0.5"])
@pytest.mark.parametrize(
    ("table", "key", "least"),
    [
        ("teacher", "learning_rate", "more than 0"),
        ("design", "teacher_ratio", "more than 0"),
        ("distill", "temperature", "more than 0"),
        ("distill", "strength", "0 or more"),
        ("teacher", "strength", "0 or more"),
        ("distill", "learning_rate", "more than 0"),
        ("distill", "student_loss_weight", "0 or more"),
        ("distill", "trainee_loss_weight", "0 or more"),
        ("convert", "max_int8_loss", "0 or more"),
        ("verify", "max_accuracy_loss", "0 or more"),
        ("verify", "max_teacher_loss", "0 or more"),
    ],
)
def test_a_number_that_means_nothing_is_refused(tmp_path, table, key, least, value):
    path = tmp_path / "bad.toml"
    path.write_text(f"[data]\nsource='watch'\n[budget]\ndevice='host'\n[{table}]\n{key}={value}")
    message = f"bad value for key '{key}': expected {least}, a finite number, received {value}"
    with pytest.raises(ConfigError, match=message):
        load_config(path)
