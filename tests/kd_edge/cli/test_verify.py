"""What `kd-edge verify` refuses before it runs anything."""

import keras
from click.testing import CliRunner

from kd_edge.cli import main
from tflite_bench.calibration.network_writer import SyntheticNetwork


def test_a_student_of_samples_of_another_shape_is_refused_in_one_line(tmp_path, waves_npz):
    network = SyntheticNetwork((96,))
    network.dense(4)
    (tmp_path / "model.tflite").write_bytes(network.to_bytes())
    keras.Sequential([keras.Input((16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]).save(tmp_path / "s.keras")
    options = ["--data", waves_npz, "--device", "nucleo-l4r5zi", "--student", tmp_path / "s.keras"]
    done = CliRunner().invoke(main, [*map(str, ("verify", tmp_path / "model.tflite", *options))])
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: bad --student: expected one that reads samples of shape (32, 3) as waves has them, received (16, 3); "
        "read --data as in its training (--data-option)\n"
    )
