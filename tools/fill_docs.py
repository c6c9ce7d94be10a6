"""Puts generated text between the markers of a page of the documentation."""

from pathlib import Path

from kd_edge.files import write_bytes


def fill(path: Path, name: str, text: str) -> None:
    """Replace what is between `<!-- name -->` and `<!-- end of name -->`.

    Args:
        path: The page.
        name: Of the markers.
        text: Markdown.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = path.read_text().split(begin)
    _, after = rest.split(end)
    write_bytes(path, (before + begin + text.rstrip() + "\n" + end + after).encode())
