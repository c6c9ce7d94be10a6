"""What the README shows runs as it is shown."""

import re
from pathlib import Path

import keras

from kd_edge.distillation import build_teacher

ROOT = Path(__file__).parents[1]


def test_the_script_of_the_readme_runs(tmp_path, monkeypatch):
    script = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert script is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "watch").mkdir(parents=True)
    build_teacher((128, 6), 7, width=8).save("runs/watch/teacher.keras")
    names: dict[str, object] = {}
    exec(compile(script[1], "README.md", "exec"), names)
    student = keras.models.load_model("student.keras")
    assert student.output_shape == (None, 7)
    assert names["distiller"].student.count_params() == student.count_params()


def test_the_configuration_page_names_every_key():
    from dataclasses import fields

    from kd_edge.config.run import RunConfig

    page = (ROOT / "docs" / "configuration.md").read_text()
    tables = [f.type for f in fields(RunConfig) if f.type is not int]
    assert len(tables) == 7
    for table in tables:
        assert [f.name for f in fields(table) if f"`{f.name}`" not in page] == []


def test_the_page_on_data_names_every_option():
    from dataclasses import fields

    from kd_edge.data.options import SourceOptions

    page = (ROOT / "docs" / "data.md").read_text()
    assert [f.name for f in fields(SourceOptions) if f"| `{f.name}` |" not in page] == []


def test_the_commands_of_the_readme_exist():
    from kd_edge.cli import main
    from tflite_bench.cli import main as bench

    text = (ROOT / "README.md").read_text()
    commands = {"kd-edge": set(main.commands), "tflite-bench": set(bench.commands)}
    shown = re.findall(r"^    (kd-edge|tflite-bench) ([a-z]+)", text, re.MULTILINE)
    assert len(shown) >= 8
    assert [(tool, name) for tool, name in shown if name not in commands[tool]] == []


def test_each_line_of_what_can_be_brought_names_a_test_that_is_there():
    lines = [line for line in (ROOT / "docs" / "bring.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(lines) >= 15
    for line in lines:
        named = re.search(r"`(tests/\S+\.py)(?:::(\w+))?` \|$", line)
        assert named is not None, line
        assert f"def {named[2] or 'test_'}" in (ROOT / named[1]).read_text(), line
