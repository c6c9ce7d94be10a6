"""How long an upload takes over a wire of 921,600 baud, and what the protocol adds to the bytes.

The wire is a pair of pseudo-terminals that let no more bytes pass per second than a UART of that speed; the board is
the firmware as a program of this PC (tools/boards/host.py).

    python -m tools.benchmarks.serial_upload [--write]
"""

import argparse
import datetime
import statistics
import subprocess
import sys
import time
from pathlib import Path

from kd_edge.files import write_json
from tests.tflite_bench.wire_proxy import Wire
from tflite_bench.calibration.network_writer import SyntheticNetwork
from tflite_bench.measurement.environment import read_machine
from tflite_bench.runners.board.client import Client
from tflite_bench.transports.board_link import BoardLink
from tflite_bench.transports.serial_port import SerialPort

ROOT = Path(__file__).parents[2]
BAUD = 921_600
_ROUNDS = 5


def dense_model(num_bytes: int) -> bytes:
    """Return a model of about a size."""
    network = SyntheticNetwork((num_bytes // 256,))
    network.dense(256, relu=True)
    return network.to_bytes()


def measure(board: str, model: bytes) -> dict[str, float]:
    """Return bytes and seconds of an upload, the median of several."""
    seconds, sent = [], 0
    wire = Wire(board, baud=BAUD)
    try:
        port = SerialPort(wire.port, BAUD)
        client = Client(BoardLink(port))
        for _ in range(_ROUNDS):
            client._upload(bytes(64))  # another file, so that the next upload begins anew
            before, start = wire.num_bytes, time.monotonic()
            client._upload(model)
            seconds.append(time.monotonic() - start)
            sent = wire.num_bytes - before
        port.close()
    finally:
        wire.close()
    return {
        "model_bytes": len(model),
        "wire_bytes": sent,
        "overhead_percent": round(100 * (sent / len(model) - 1), 2),
        "wire_s": round(sent * 10 / BAUD, 3),
        "median_s": round(statistics.median(seconds), 3),
    }


def main() -> None:
    """Measure, print and write docs/results/serial_upload.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/results/serial_upload.json")
    wanted = parser.parse_args()
    command = [sys.executable, "-m", "tools.boards.host"]
    board = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert board.stdout is not None
        port = board.stdout.readline().strip()
        results = {"uploads": [measure(port, dense_model(size)) for size in (10_000, 100_000)]}
    finally:
        board.kill()
    document = {"date": datetime.date.today().isoformat(), "machine": read_machine().cpu, "baud": BAUD} | results
    print(document)
    if wanted.write:
        write_json(ROOT / "docs" / "results" / "serial_upload.json", document)


if __name__ == "__main__":
    main()
