"""What the folder of a bundle may hold before: what cannot be written over is named, and nothing is written then."""

import json
from pathlib import Path

import pytest

from kd_edge.errors import ConfigError
from kd_edge.reporting.bundle.folder import write_folder

CONTENTS = {"README.md": b"read", "src/main.c": b"int main(void);", "zz.c": b"last"}


def write(folder, *read, manifest=None):
    write_folder(folder, CONTENTS, {"tool": "kd-edge", "files": {}} if manifest is None else manifest, read=read)


def found(folder):
    """Every file in a folder with its bytes, and every folder."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("name", ["zz.c", "manifest.json"])
def test_a_folder_where_a_file_would_be_is_named_before_anything_is_written(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ConfigError, match=rf"cannot write .*{name}: expected a file, found a folder"):
        write(tmp_path)
    assert list(found(tmp_path)) == [tmp_path / name]


def test_a_file_where_a_folder_would_be_is_named_before_anything_is_written(tmp_path):
    (tmp_path / "src").write_text("mine")
    with pytest.raises(ConfigError, match=r"cannot write .*src/main\.c: Not a directory"):
        write(tmp_path)
    assert found(tmp_path) == {tmp_path / "src": b"mine"}


def test_a_manifest_that_is_no_json_is_known_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write(tmp_path, manifest={"accuracy": float("nan")})
    assert not found(tmp_path)


@pytest.mark.parametrize("name", ["README.md", "src/../README.md", "linked"])
def test_a_file_that_is_read_is_not_written_over_even_where_it_is_the_same(tmp_path, name):
    (tmp_path / "src").mkdir()
    (tmp_path / "README.md").write_bytes(CONTENTS["README.md"])
    (tmp_path / "linked").symlink_to(tmp_path / "README.md")
    before = found(tmp_path)
    with pytest.raises(ConfigError, match=r"bad --output: expected another file than .*README\.md, which is read"):
        write(tmp_path, tmp_path / name)
    assert found(tmp_path) == before


def test_a_file_that_is_read_does_not_go_with_an_earlier_bundle(tmp_path):
    known = {"old.toml": {"sha256": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"}}
    (tmp_path / "old.toml").write_text("foo\n")
    (tmp_path / "manifest.json").write_text(json.dumps({"tool": "kd-edge", "files": known}))
    with pytest.raises(ConfigError, match=r"expected another file than .*old\.toml, which is read"):
        write(tmp_path, tmp_path / "old.toml")
    write(tmp_path)
    assert not (tmp_path / "old.toml").exists()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"tool": "kd-edge", "files": {"x.c": {"sha256": ["1"]}}}',
        '{"name": "a web application", "files": {}}',
        '{"tool": "webpack", "files": {}}',
    ],
)
def test_a_manifest_of_another_kind_stays(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match="found it damaged or of another program"):
        write(tmp_path)
    assert found(tmp_path) == {tmp_path / "manifest.json": text.encode()}


def test_a_name_that_the_system_does_not_take_is_an_error_of_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot write .*: File name too long; choose another --output"):
        write(tmp_path / ("x" * 300))
    (tmp_path / "manifest.json").write_text(json.dumps({"tool": "kd-edge", "files": {"x" * 300: {"sha256": "1"}}}))
    write(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["files"] == {}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that nobody can read, as Linux has one")
@pytest.mark.parametrize(
    ("name", "said"),
    [("zz.c", "expected its zz.c as it was written, could not"), ("manifest.json", "found it damaged")],
)
def test_a_file_that_cannot_be_read_is_an_error_of_one_line(tmp_path, name, said):
    (tmp_path / name).symlink_to("/proc/self/mem")
    with pytest.raises(ConfigError, match=said):
        write(tmp_path)
