"""Boards of this PC: the firmware's C code around TFLM's wheel, on a pseudo-terminal."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def start_board() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Returns a function that starts a board; its attribute `port` says where."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler (tools/install-system)")
    started = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "tools.boards.host", *arguments]
        board = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(board)
        assert board.stdout is not None
        board.port = board.stdout.readline().strip()  # type: ignore[attr-defined]
        return board

    yield start
    for board in started:
        board.kill()
        board.wait()


@pytest.fixture(scope="module")
def board(start_board: Callable[..., "subprocess.Popen[str]"]) -> "subprocess.Popen[str]":
    """A board with plenty of memory."""
    return start_board()
