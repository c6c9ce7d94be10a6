"""The page on extending: its code, as modules outside of the package, adds one of each kind of thing."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
MODELS = Path(__file__).parent / "data"

USES = {
    "a layer of known operators": """
        import keras, kd_edge, my_layers
        from my_keras_layers import HalvedReLU

        source = keras.Input((8, 8, 1))
        x = HalvedReLU()(keras.layers.Conv2D(4, 3)(source))
        graph = kd_edge.lower(keras.Model(source, keras.layers.GlobalAveragePooling2D()(x)))
        print(*(op.kind for op in graph.ops), graph.ops[0].activation)
        # CONV_2D MEAN RELU
    """,
    "a TFLite operator": """
        import kd_edge, my_operator
        from kd_edge.ir import Graph, Op, Tensor

        tensors = (Tensor((1, 10)), Tensor((5, 10), constant=True), Tensor((1, 5)))
        graph = Graph(tensors, (Op("MY_GATED_DENSE", (0, 1), (2,)),), (0,), (2,))
        print(kd_edge.CostModel(kd_edge.load_device("esp32")).estimate(graph).macs)
        # 100
    """,
    "a runner": f"""
        import tflite_bench, my_runner

        result = tflite_bench.run_benchmark({str(MODELS / "atan2.tflite")!r}, runner="constant:2.5").result
        print(result.runner, result.latency.median_ms)
        # constant 2.5
    """,
    "a halting rule": """
        import numpy as np, keras, kd_edge, my_rule

        keras.utils.set_random_seed(0)
        def network(width):
            return keras.Sequential([keras.Input((8,)), keras.layers.Dense(width), keras.layers.Dense(3)])
        distiller = kd_edge.Distiller(teacher=network(16), student=network(4), trainee="like_teacher",
                                      distillation_losses=keras.distillation.LogitsDistillation(4.0))
        distiller.compile("adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        x, y = np.zeros((32, 8), "float32"), np.zeros(32, int)
        distiller.fit(x, y, epochs=3, verbose=0, callbacks=[kd_edge.EarlyHalting(rule="certain", baseline=1e6)])
        report = {report.guide: report for report in distiller.halting_reports}["trainee"]
        print(report.halted, report.epoch, report.reason.endswith("below 1000000.0"))
        # True 1 True
    """,
    "a random change of samples": """
        import keras, numpy as np, kd_edge, my_change

        x = np.ones((5, 4, 2), "float32")
        teacher = keras.Sequential([keras.Input((4, 2)), keras.layers.Flatten(), keras.layers.Dense(3)])
        targets = kd_edge.soft_targets(teacher, x, views=2, augment="fade", strength=0.5)
        print(targets.views)
        # 2 views by 'fade' (version 1) of strength 0.5, seed 0
    """,
    "a data source": """
        import kd_edge, my_source

        data = kd_edge.load_data("noise", seed=3)
        print(data.name, data.input_shape, data.num_classes, len(data.x_train) + len(data.x_val))
        # noise (16, 3) 4 80
    """,
    "a search strategy": """
        import keras, kd_edge, my_source, my_strategy
        from kd_edge.distillation import Recipe

        data = kd_edge.load_data("noise")
        teacher = keras.Sequential([keras.Input((16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
        space = kd_edge.StudentSpace.family("mlp", data.input_shape, 4)
        search = {"space": space, "recipe": Recipe(1), "search": "widest_first"}
        found = kd_edge.design(teacher, data, device="nucleo-l4r5zi", **search)
        widest = {name: values[-1] for name, values in space.choices.items()}
        print(len(found.candidates), found.chosen.values == widest)
        # 1 True
    """,
    "a board": """
        import kd_edge

        board = kd_edge.load_device("my-board")
        print(board.title, board.quality, board.int8.dense.cycles_per_mac)
        # A board of my own datasheet 4.0
    """,
}


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every block of the page as the file that its first line names."""
    folder = tmp_path_factory.mktemp("mine")
    blocks = re.findall(r"```(?:python|toml)\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for name, text in blocks:
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("thing", USES)
def test_what_the_page_adds_from_outside_works(extensions: Path, thing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = textwrap.dedent(USES[thing])
    monkeypatch.setenv("KD_EDGE_DEVICES", str(extensions))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    done = subprocess.run([sys.executable, "-c", code], cwd=extensions, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = code.strip().splitlines()[-1].removeprefix("# ")
    assert done.stdout.strip().splitlines()[-1] == expected


def test_the_page_shows_all_kinds_of_things(extensions: Path) -> None:
    rows = re.findall(r"^\| (an? [^|]+?) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == list(USES)
