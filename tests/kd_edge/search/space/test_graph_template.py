"""Graphs that are filled in instead of rendered."""

import numpy as np
import pytest

from kd_edge.ir.blueprint import Blueprint, Sketch
from kd_edge.ir.graph import Graph
from kd_edge.ir.layers import Add, Concatenate, Conv2D, Flatten, GlobalAveragePooling2D
from kd_edge.ir.layers.core import Dense
from kd_edge.search.space.graph_template import GraphTemplate
from kd_edge.search.space.student_space import StudentSpace
from tools.networks.teachers import TEACHERS

SPACES = {
    f"{family} {shape}": StudentSpace.family(family, shape, 7)
    for family, shape in (
        *(("ds_cnn", (128, 6)), ("ds_cnn", (49, 10, 1)), ("resnet", (32, 32, 3)), ("mobilenet", (32, 32, 3))),
        *(("mobilenet", (16, 3)), ("tcn", (100, 8)), ("tcn", (49, 40, 1)), ("mlp", (64,)), ("mlp", (8, 8, 1))),
    )
} | {name: StudentSpace.from_teacher(make()) for name, make in TEACHERS.items()}


@pytest.mark.parametrize("name", SPACES)
def test_the_graph_of_every_point_is_the_one_that_its_blueprint_renders(name: str) -> None:
    space = SPACES[name]
    for values in space.samples(np.random.default_rng(0), 200):
        found, rendered = space.graph(values), space.blueprint(values).to_graph()
        assert found == rendered, values
        assert found.name_bytes == rendered.name_bytes


def two_towers(widths: list[int]) -> Blueprint:
    sketch = Sketch((4, 4, 3))
    towers = []
    for width in widths:
        sketch.add(Conv2D(width, (3, 3), activation="relu"), 0)
        towers.append(sketch.add(Flatten()))
    sketch.add(Concatenate(), *towers)
    return sketch.blueprint(sketch.add(Dense(2)))


def test_constants_that_become_equal_are_kept_once() -> None:
    rendered = []

    def render(widths: list[int]) -> Graph:
        rendered.append(list(widths))
        return two_towers(widths).to_graph()

    template = GraphTemplate(render, 2)
    num_constants = [len(template.fill(widths).tensors) for widths in ([4, 8], [8, 8], [8, 4])]
    # The targets of both RESHAPE are equal where both towers have as many channels.
    assert num_constants == [num_constants[0], num_constants[0] - 1, num_constants[0]]
    assert template.fill([8, 8]) == two_towers([8, 8]).to_graph()
    assert rendered[1:] == [[8, 8], [8, 8]]


def test_a_structure_is_rendered_once() -> None:
    rendered = []

    def render(widths: list[int]) -> Graph:
        rendered.append(widths)
        sketch = Sketch((8, 8, 3))
        first = sketch.add(Conv2D(widths[0], (3, 3), padding="same", activation="relu"))
        sketch.add(Conv2D(widths[1], (3, 3), padding="same", activation="relu"))
        sketch.add(Conv2D(widths[0], (1, 1)))
        sketch.add(Add(), first, sketch.last)
        sketch.add(GlobalAveragePooling2D())
        return sketch.blueprint(sketch.add(Dense(5))).to_graph()

    template = GraphTemplate(render, 2)
    for widths in ([4, 8], [8, 8], [12, 4], [1, 2]):
        assert template.fill(widths).macs(template.fill(widths).ops[0]) == 64 * 27 * widths[0]
    assert len(rendered) == 1
