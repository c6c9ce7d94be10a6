"""Spaces of students and what screening them says."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest

from kd_edge.cost.budget import Budget
from kd_edge.cost.devices import load_device
from kd_edge.cost.file_size import SIZE_ERROR
from kd_edge.cost.model import CostModel
from kd_edge.errors import BudgetError, ConfigError
from kd_edge.ir import Blueprint, Layer
from kd_edge.ir.blueprint import Sketch
from kd_edge.ir.layers import Concatenate, Conv2D, DepthwiseConv2D, GlobalAveragePooling2D, Node, ReLU
from kd_edge.ir.layers.core import Dense
from kd_edge.search.space.feasibility import FeasibilityProblem, FeasibilityResult, NothingFitsError, find_fitting
from kd_edge.search.space.screening import Screening, Size, by_size
from kd_edge.search.space.student_space import StudentSpace
from tools.networks.teachers import TEACHERS

BOARD = load_device("nucleo-l4r5zi")
SPACE = StudentSpace.family("ds_cnn", (64, 6), 5)
ROOMY = Budget(1_000_000, 500_000)


def test_the_size_of_a_space_is_the_product_of_its_choices():
    assert SPACE.size == np.prod([len(options) for options in SPACE.choices.values()])


def test_the_same_generator_draws_the_same_networks():
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    assert [SPACE.sample(first) for _ in range(20)] == [SPACE.sample(second) for _ in range(20)]


def test_screening_counts_what_fits_and_orders_it_by_size():
    tight = Budget(20_000, 8_000)
    screening = SPACE.screen(CostModel(BOARD), tight, num_samples=300, seed=1)
    rng = np.random.default_rng(1)
    drawn = {tuple(values.values()) for values in SPACE.samples(rng, 300)}
    costs = [
        CostModel(BOARD).estimate(SPACE.blueprint(dict(zip(SPACE.choices, v, strict=True))).to_graph()) for v in drawn
    ]
    assert screening.num_costed == len(drawn)
    fitting = [(cost.macs, cost.params) for cost in costs if cost.fits(tight)]
    assert sorted((size.macs, size.params) for size in screening.feasible_sizes) == sorted(fitting)
    assert 0 < screening.num_feasible < screening.num_costed
    for values, size in zip(screening.feasible_values, screening.feasible_sizes, strict=True):
        assert Size.of(CostModel(BOARD).estimate(SPACE.graph(values))) == size
    assert screening.least_size(screening.num_feasible) == Size(*map(min, zip(*fitting, strict=True)))
    assert screening.least_size(1) == screening.feasible_sizes[-1]
    for size in screening.feasible_sizes[-20:]:
        assert size.reaches(screening.least_size(20))


def test_hyperparameters_that_are_one_network_are_costed_once():
    sketch = Sketch((6,))
    sketch.add(Dense(12, activation="relu"))
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(2))))
    screening = space.screen(CostModel(BOARD), ROOMY, num_samples=200)
    # 7 factors on 12 units make 4, 8 or 12 of them, each with 6 inputs and 2 outputs.
    assert (space.size, screening.num_costed, screening.num_feasible) == (7, 3, 3)
    assert [size.macs for size in screening.feasible_sizes] == [units * (6 + 2) for units in (4, 8, 12)]


def test_a_network_is_large_that_has_many_multiply_accumulates_and_many_weights():
    sizes = [Size(900, 10), Size(10, 900), Size(500, 500), Size(20, 20), Size(600, 400)]
    assert [sizes[place] for place in by_size(sizes)] == [
        *(Size(10, 900), Size(900, 10)),
        *(Size(20, 20), Size(500, 500), Size(600, 400)),
    ]
    screening = Screening(9, 5, tuple(sizes[place] for place in by_size(sizes)), ({},) * 5, {})
    least = screening.least_size(2)
    assert least == Size(500, 400)
    assert [size for size in sizes if size.reaches(least)] == [Size(500, 500), Size(600, 400)]


@pytest.mark.parametrize(
    ("budget", "binding"),
    [
        (Budget(100, 500_000), r"flash: the smallest candidate needs [\d,]+ B, 100 B allowed"),
        (Budget(1_000_000, 100), r"RAM: the smallest candidate needs [\d,]+ B, 100 B allowed"),
        (Budget(1_000_000, 500_000, 0.0001), r"latency: the smallest candidate needs [\d.]+ ms, 0.0001 ms allowed"),
    ],
)
def test_a_budget_that_nothing_meets_says_which_limit_binds_and_what_the_smallest_needs(budget, binding):
    with pytest.raises(BudgetError, match=binding):
        SPACE.screen(CostModel(BOARD), budget, num_samples=50)


def test_what_the_smallest_needs_does_not_look_like_what_is_allowed():
    result = FeasibilityResult(None, {"latency_ms": 15.0}, {"latency_ms": 15.0004}, {}, {"latency_ms": 15.1}, "(proved")
    assert "latency: the smallest candidate needs 15.0004 ms, 15 ms allowed" in result.explanation()


def test_a_network_that_random_draws_miss_is_still_found():
    cheapest = min(
        (
            CostModel(BOARD).estimate(SPACE.blueprint(SPACE.sample(np.random.default_rng(i))).to_graph())
            for i in range(300)
        ),
        key=lambda cost: cost.flash_bytes,
    )
    budget = Budget(cheapest.flash_bytes - 1, 500_000)
    assert SPACE.screen(CostModel(BOARD), budget, num_samples=1).num_feasible >= 1


@dataclass(frozen=True)
class Gelu(Layer):
    """What becomes an operator that TFLM lacks."""

    def emit(self, to, inputs):
        return to.op("GELU", inputs, to.shape(inputs[0]))


def test_a_space_of_networks_that_the_runtime_refuses_has_none_that_fits():
    def draw(values, sizes):
        plain = SPACE._draw(values, sizes)
        return Blueprint((*plain.nodes, Node(Gelu(), plain.outputs)), (len(plain.nodes),))

    space = replace(SPACE, _draw=draw)
    refused = "no candidate of the space 'ds_cnn' fits: TFLM refuses GELU .*: TFLM has no kernel for it"
    with pytest.raises(BudgetError, match=refused):
        space.screen(CostModel(BOARD), ROOMY, num_samples=5)
    with_other_runtime = CostModel(load_device("nucleo-l4r5zi-cube-ai"))
    assert space.screen(with_other_runtime, ROOMY, num_samples=5).num_feasible > 0


def needs(space, budget):
    """Return the message of a screening that has to find nothing."""
    with pytest.raises(BudgetError) as caught:
        space.screen(CostModel(BOARD), budget, num_samples=20)
    return str(caught.value)


def test_a_small_space_is_proved_empty_by_costing_all_of_it():
    space = StudentSpace.family("mlp", (20,), 4)
    assert f"(proved: each of its {space.size} networks was costed)" in needs(space, Budget(1000, 500_000))


@pytest.mark.parametrize("beside_bytes", [0, 800])
def test_what_a_file_may_fall_short_of_its_computed_size_proves_nothing(beside_bytes):
    space = StudentSpace.family("mlp", (20,), 4)
    model = CostModel(BOARD, beside_bytes=beside_bytes)
    least = space.screen(model, ROOMY, num_samples=space.size).feasible_values
    graphs = [space.graph(values) for values in least]
    need = min(model.flash_ends(graph, model.estimate(graph).flash_bytes)[0] for graph in graphs)
    costed = f"proved: each of its {space.size} networks was costed"
    for flash_bytes, said in ((need, f"(not {costed}, but {SIZE_ERROR})"), (need - 1, f"({costed})")):
        with pytest.raises(NothingFitsError, match=re.escape(said)):
            space.screen(model, Budget(flash_bytes, 500_000), num_samples=20)


def test_ram_that_depends_on_the_release_of_the_kernels_proves_nothing_between_both_ends():
    board = load_device("esp32-s3")
    problem = FeasibilityProblem({"width": (8, 12)}, frozenset(), convolution, CostModel(board), {"ram_bytes": 1})
    narrow = convolution({"width": 8})
    low, high = CostModel(board).ram_of_leanest_kernels(narrow), CostModel(board).estimate(narrow).ram_bytes
    assert low < high
    for limit, said in (
        (low - 1, r"proved: each of its 2 networks was costed"),
        (low, r"not proved: .*, but the RAM depends"),
    ):
        assert re.fullmatch(f"{said}.*", find_fitting(replace(problem, limits={"ram_bytes": limit})).proof)


def convolution(values):
    """Return a network of one padded convolution, which ESP-NN's releases give scratch buffers of other sizes."""
    sketch = Sketch((16, 16, 4))
    sketch.add(Conv2D(values["width"], (3, 3), padding="same"))
    sketch.add(GlobalAveragePooling2D())
    return sketch.blueprint(sketch.add(Dense(3))).to_graph()


def test_a_large_space_is_proved_empty_by_the_narrowest_network_of_each_structure():
    # All choices but width and growth: 4 kernels of the stem, 3 strides, 6 depths, 4 of them strided, 3 kernels.
    structures = 4 * 3 * 6 * 4 * 3
    assert f"(proved: of each of its {structures} structures the narrowest network" in needs(SPACE, Budget(10**6, 900))


def test_a_space_of_too_many_structures_is_honestly_not_proved_empty():
    space = StudentSpace.from_teacher(TEACHERS["mobilenet_v2"]())
    # The choices are drops of 3 blocks, splitting the stem is none, 3 strides.
    message = needs(space, Budget(10**6, 2500))
    assert "proved" in message
    wide = replace(space, channel_choices=frozenset())
    assert re.search(r"\(not proved: none of [\d,]+ networks that a search costed\)", needs(wide, Budget(10**6, 2500)))


@pytest.mark.parametrize(
    ("name", "budget"),
    [("resnet8", Budget(6000, 20_000, 20.0)), ("ds_cnn", Budget(2_250, 8_000, 0.4)), ("vgg", Budget(6_000, 2_000))],
)
def test_the_nearest_budget_would_do_and_less_than_it_is_what_was_asked_for(name, budget):
    space = StudentSpace.from_teacher(TEACHERS[name]())
    problem = FeasibilityProblem(
        space.choices, space.channel_choices, space.graph, CostModel(BOARD),
        {"flash_bytes": budget.flash_bytes, "ram_bytes": budget.ram_bytes, "latency_ms": budget.latency_ms or 1e9},
    )  # fmt: skip
    answer = find_fitting(problem)
    assert answer.values is None
    for figure, need in answer.alone.items():
        assert need > problem.limits[figure]
        relaxed = FeasibilityProblem(
            space.choices, space.channel_choices, space.graph, CostModel(BOARD), {**problem.limits, figure: need}
        )
        assert find_fitting(relaxed).values is not None
    every = {**problem.limits, **answer.together}
    relaxed = FeasibilityProblem(space.choices, space.channel_choices, space.graph, CostModel(BOARD), every)
    assert find_fitting(relaxed).values is not None
    message = needs(space, budget)
    assert re.search(r"one would fit with (flash|RAM|latency) [\d,.]+ (B|ms) \(\+[\d.]+ (kB|ms)\)", message)


@pytest.mark.parametrize(
    ("need", "stated"), [(1.234561, "1.2346"), (1.2, "1.2"), (123_456.1, "123,460"), (0.00012345678, "0.00012346")]
)
def test_a_limit_that_would_do_is_never_rounded_to_one_that_would_not(need, stated):
    limits = {"latency_ms": need / 2}
    found = FeasibilityResult(None, limits, {"latency_ms": need}, {"latency_ms": need}, {}, "proved")
    assert f"one would fit with latency {stated} ms (" in found.explanation()
    assert float(stated.replace(",", "")) >= need


@pytest.mark.parametrize(("latency_ms", "binding"), [(None, "energy"), (1e-6, "latency")])
def test_a_limit_of_the_energy_is_told_as_one_and_not_as_a_latency_that_nobody_limited(latency_ms, binding):
    # The board takes 50 mW at most: 0.01 mJ are 0.2 us.
    budget = replace(ROOMY, latency_ms=latency_ms, energy_mj=1e-5, energy_time_ms=2e-4)
    with pytest.raises(NothingFitsError, match=f"{binding}: the smallest candidate needs") as caught:
        SPACE.screen(CostModel(BOARD), budget, num_samples=50)
    found, message = caught.value.result, str(caught.value)
    assert ("latency: the smallest candidate" in message) == (binding == "latency")
    assert re.search(r"energy: the smallest candidate needs [\d.e-]+ mJ, 1e-05 mJ allowed", message)
    assert found.limits["energy_mj"] == 1e-5
    assert "times and energies are the upper ends of their intervals (latency_at = 'expected' takes" in message
    if latency_ms is not None:
        assert found.smallest["energy_mj"] == pytest.approx(found.smallest["latency_high_ms"] * 0.05)


def test_more_channels_never_cost_less_than_the_bound_of_a_proof():
    rng = np.random.default_rng(0)
    for name in ("resnet8", "mobilenet_v2", "inception", "har"):
        space = StudentSpace.from_teacher(TEACHERS[name]())
        for _ in range(20):
            values = space.sample(rng)
            narrow = {n: space.choices[n][0] if n in space.channel_choices else v for n, v in values.items()}
            graphs = space.blueprint(narrow).to_graph(), space.blueprint(values).to_graph()
            costs = [CostModel(BOARD).estimate(graph) for graph in graphs]
            assert CostModel(BOARD).least_ram_bytes(graphs[0]) <= min(costs[0].ram_bytes, costs[1].ram_bytes)
            for figure in ("flash_bytes", "latency_ms", "macs"):
                assert getattr(costs[0], figure) <= getattr(costs[1], figure)


def branched_teacher():
    """Its depthwise convolution of 5x5 asks for less scratch memory on an ESP32-S3 with 8 channels than with 4."""
    sketch = Sketch((60, 60, 3))
    left = sketch.add(Conv2D(16, (3, 3), padding="same", activation="relu"), 0)
    right = sketch.add(Conv2D(12, (1, 1), activation="relu"), 0)
    sketch.add(Concatenate(), left, right)
    sketch.add(Conv2D(16, (1, 1), activation="relu"))
    sketch.add(DepthwiseConv2D((5, 5), padding="same"))
    sketch.add(ReLU())
    sketch.add(Conv2D(12, (1, 1), (2, 2), activation="relu"))
    sketch.add(GlobalAveragePooling2D())
    return sketch.blueprint(sketch.add(Dense(4)))


def test_more_channels_never_need_less_memory_than_the_bound_of_a_proof_on_kernels_that_work_in_strips():
    model, rng = CostModel(load_device("esp32-s3")), np.random.default_rng(0)
    shapes = (("ds_cnn", (48, 48, 3)), ("mobilenet", (48, 48, 3)), ("tcn", (64, 6)), ("mlp", (20,)))
    spaces = [StudentSpace.family(name, shape, 4) for name, shape in shapes]
    spaces += [StudentSpace.from_teacher(make()) for make in (branched_teacher, TEACHERS["resnet8"], TEACHERS["vgg"])]
    shrinking = 0
    for space in spaces:
        for _ in range(40):
            values = space.sample(rng)
            narrow = {n: space.choices[n][0] if n in space.channel_choices else v for n, v in values.items()}
            bound = model.least_ram_bytes(space.graph(narrow))
            narrowest, wider = (model.estimate(space.graph(v)).ram_bytes for v in (narrow, values))
            assert bound <= min(narrowest, wider), values
            shrinking += wider < narrowest
    assert shrinking > 0


def test_an_unknown_family_names_the_nearest_and_a_flat_sample_needs_dense_layers():
    with pytest.raises(ConfigError, match="unknown family 'resnt': did you mean 'resnet'"):
        StudentSpace.family("resnt", (64, 6), 5)
    with pytest.raises(ConfigError, match="use the family 'mlp'"):
        StudentSpace.family("ds_cnn", (64,), 5)


def test_wider_networks_cost_more():
    values = {name: options[1] for name, options in SPACE.choices.items()}
    costs = [CostModel(BOARD).estimate(SPACE.blueprint({**values, "width": w}).to_graph()) for w in (8, 16, 32, 64)]
    for name in ("macs", "params", "flash_bytes", "ram_bytes", "arena_bytes", "latency_ms"):
        figures = [getattr(cost, name) for cost in costs]
        assert figures == sorted(figures)
        assert figures[0] < figures[-1]
