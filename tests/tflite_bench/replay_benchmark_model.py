#!/usr/bin/env python3
"""Replays recordings of TFLite's real `benchmark_model`, for tests of the whole path; no package index has that binary.

It takes the flags that the real one lists in `help.err`, ignores others with the warning of the real one, and fails as
it does without a model. `REPLAY` in the environment makes it an older release, or makes it go wrong.
"""

import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

RECORDINGS = Path(__file__).parents[1] / "data" / "benchmark_model"
MODE = os.environ.get("REPLAY", "")


def main() -> int:
    known = set(re.findall(r"^\t--(\w+)=", (RECORDINGS / "help.err").read_text(), re.MULTILINE))
    if MODE == "old":
        known -= {"result_file_path", "op_profiling_output_mode", "op_profiling_output_file"}
    flags = dict(flag.removeprefix("--").partition("=")[::2] for flag in sys.argv[1:])
    if MODE == "hang":
        time.sleep(600)
    if not Path(flags.get("graph", "")).is_file():
        print("ERROR: Benchmarking failed.", file=sys.stderr)
        return 1
    text = (RECORDINGS / "csv.out").read_text()
    if unknown := [f"--{name}={value}" for name, value in flags.items() if name not in known]:
        text = text.replace("\n", f"\nWARN: Unconsumed cmdline flags: {' '.join(unknown)}\n", 1)
    if MODE == "cut":
        text = text[: text.index("Inference timings")]
    sys.stdout.write(text)
    sys.stdout.flush()
    if MODE == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    for flag, recording in (
        ("result_file_path", "res.pb"),
        ("op_profiling_output_file", "prof.pb"),
        ("profiling_output_csv_file", "old.csv"),
    ):
        if flag in flags and flag in known:
            shutil.copy(RECORDINGS / recording, flags[flag])
    return 0


sys.exit(main())
