"""UCI HAR with the person of each recording, so that intervals draw whole people.

    kd-edge run uci_har.toml

Run it from this folder, with a file `uci_har_raw.npz` in it that you make of the archive of its authors
(https://archive.ics.uci.edu/dataset/240, CC BY 4.0): `x_train, y_train, subject_train, x_test, y_test, subject_test`
and `class_names`, the raw windows of 128 times 9 values in their split.
"""

import numpy as np


def recordings() -> dict[str, np.ndarray]:
    """Return the arrays by the names that kd-edge reads; `group_train` and `group_test` are the people."""
    with np.load("uci_har_raw.npz") as file:
        arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test", "class_names")}
        groups = {f"group_{split}": file[f"subject_{split}"] for split in ("train", "test")}
    return {**arrays, **groups}
