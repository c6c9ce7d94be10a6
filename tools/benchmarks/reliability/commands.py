"""Every command, as it reads a file that is mutated: a table."""

from dataclasses import dataclass

from tools.benchmarks.reliability.materials import BOARD
from tools.benchmarks.reliability.mutations import (
    Mutation,
    edit_json,
    edit_keras,
    edit_npz,
    edit_text,
    edit_tflite,
    flip,
)


@dataclass(frozen=True)
class Case:
    """A command and the one of its files that is mutated.

    Attributes:
        words: The command as typed in a folder of all materials.
        victim: The file that is mutated there.
        mutate: How.
        weight: How often it is drawn.
        heavy: Whether it needs TensorFlow, or draws.
    """

    words: str
    victim: str
    mutate: Mutation
    weight: int
    heavy: bool = False

    @property
    def name(self) -> str:
        """What the table calls it: the command, and the ending of the file."""
        words = self.words.split()
        return f"{words[0]} {words[1]}: {self.victim.rpartition('/')[2].rpartition('.')[2]}"


_DEVICE = f"--device {BOARD}"
_DISTILL = "kd-edge distill --teacher teacher.keras --student student.keras --data waves.npz --epochs 1 --no-baseline"
_DESIGN = f"kd-edge design teacher.keras --data waves.npz {_DEVICE} --trials 1 --epochs 1 --teacher-ratio 2"
_CONVERT = "kd-edge convert student.keras --data waves.npz --calibration-samples 8 --qat never -o made.tflite"
_SWEEP = f"kd-edge sweep run.toml {_DEVICE},rp2040 --latency 15ms -o swept"
_VERIFY = f"kd-edge verify student.tflite --data waves.npz {_DEVICE}"

CASES = (
    Case(f"kd-edge cost residual_int8.tflite {_DEVICE}", "residual_int8.tflite", edit_tflite, 20),
    Case("kd-edge cost two_in_two_out.tflite --device all", "two_in_two_out.tflite", edit_tflite, 6),
    Case(f"kd-edge cost dense_hybrid.tflite {_DEVICE} --json", "dense_hybrid.tflite", edit_tflite, 10),
    Case("kd-edge devices add mine --measured residual_int8.tflite=3ms", "residual_int8.tflite", edit_tflite, 8),
    Case("kd-edge bundle student.tflite -o bundle", "student.tflite", edit_tflite, 16),
    Case("tflite-bench inspect residual_int8.tflite", "residual_int8.tflite", edit_tflite, 16),
    Case("tflite-bench inspect two_in_two_out.tflite --json", "two_in_two_out.tflite", edit_tflite, 8),
    Case("tflite-bench run residual_int8.tflite --num-runs 2", "residual_int8.tflite", edit_tflite, 10),
    Case("tflite-bench run residual_int8.tflite --num-runs 2 --on tflm", "residual_int8.tflite", edit_tflite, 10),
    Case(_VERIFY, "student.tflite", edit_tflite, 4, heavy=True),
    Case(f"{_VERIFY} --against residual_int8.tflite", "residual_int8.tflite", edit_tflite, 1, heavy=True),
    Case(_VERIFY, "waves.npz", edit_npz, 2, heavy=True),
    Case(f"kd-edge cost student.keras {_DEVICE}", "student.keras", edit_keras, 8, heavy=True),
    Case(_CONVERT, "student.keras", edit_keras, 4, heavy=True),
    Case(_DISTILL, "student.keras", edit_keras, 3, heavy=True),
    Case(_DISTILL, "teacher.keras", edit_keras, 3, heavy=True),
    Case(_DISTILL, "waves.npz", edit_npz, 2, heavy=True),
    Case(_DESIGN, "teacher.keras", edit_keras, 3, heavy=True),
    Case(_DESIGN, "waves.npz", edit_npz, 2, heavy=True),
    Case(f"{_VERIFY} --student student.keras", "student.keras", edit_keras, 2, heavy=True),
    Case(_CONVERT, "waves.npz", edit_npz, 4, heavy=True),
    Case("kd-edge samples --data waves.npz", "waves.npz", edit_npz, 20),
    Case("kd-edge samples --data table.csv", "table.csv", edit_text, 16),
    Case("kd-edge samples --data table.csv --data-option window=8", "table.csv", edit_text, 8),
    Case("kd-edge samples --data sounds", "sounds/low/3.wav", flip, 5, heavy=True),
    Case("kd-edge samples --data images", "images/light/3.png", flip, 5, heavy=True),
    Case("kd-edge run run.toml", "run.toml", edit_text, 5, heavy=True),
    Case("kd-edge run run.toml", "waves.npz", edit_npz, 2, heavy=True),
    Case(_SWEEP, "run.toml", edit_text, 3, heavy=True),
    Case(_SWEEP, "waves.npz", edit_npz, 1, heavy=True),
    Case("kd-edge devices board.toml", "board.toml", edit_text, 16),
    Case("kd-edge cost residual_int8.tflite --device board.toml", "board.toml", edit_text, 10),
    Case("kd-edge report finished", "finished/results.json", edit_json, 12, heavy=True),
    Case("kd-edge report finished", "finished/config.json", edit_json, 6, heavy=True),
    Case("kd-edge report finished", "finished/model.tflite", edit_tflite, 6, heavy=True),
    Case("kd-edge bundle finished", "finished/results.json", edit_json, 4, heavy=True),
    Case("kd-edge bundle finished", "finished/config.json", edit_json, 2, heavy=True),
    Case("kd-edge run run.toml -o finished", "finished/stages/choice.json", edit_json, 1, heavy=True),
    Case("kd-edge run run.toml -o finished", "finished/stages/verify.json", edit_json, 1, heavy=True),
    Case("tflite-bench compare before.json after.json", "after.json", edit_json, 20),
    Case("tflite-bench compare before.json after.json --markdown", "before.json", edit_json, 8),
    Case("tflite-bench energy series.csv --voltage 3.3 --inferences 5", "series.csv", edit_text, 16),
)
