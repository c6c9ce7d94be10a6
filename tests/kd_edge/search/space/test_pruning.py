"""Students in the image of a teacher: every point of the space is a valid network, and one point is the teacher."""

import numpy as np
import pytest

from kd_edge.errors import ModelError
from kd_edge.ir.blueprint import Sketch
from kd_edge.ir.layers import (
    Activation,
    Add,
    AveragePooling2D,
    Concatenate,
    Conv2D,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    InputLayer,
    Multiply,
    Node,
    Reshape,
    Softmax,
)
from kd_edge.ir.layers.core import Dense
from kd_edge.search.space.pruning import prune, teacher_values
from kd_edge.search.space.student_space import StudentSpace
from tools.networks.teachers import TEACHERS

SPACES = {name: StudentSpace.from_teacher(make()) for name, make in TEACHERS.items()}
each_teacher = pytest.mark.parametrize("name", TEACHERS)


def filters_of(blueprint):
    return [node.layer.filters for node in blueprint.nodes if isinstance(node.layer, Conv2D)]


@each_teacher
def test_every_point_of_the_space_is_a_valid_network(name):
    space, rng = SPACES[name], np.random.default_rng(0)
    for _ in range(200):
        values = space.sample(rng)
        graph = space.blueprint(values).to_graph()
        assert graph.tensors[graph.outputs[0]].shape == (1, space.num_classes), values
        assert all(min(graph.tensors[i].shape, default=1) > 0 for op in graph.ops for i in op.outputs), values
        sums = [op for op in graph.ops if op.kind == "ADD"]
        for op in (op for op in sums if not any(graph.tensors[i].constant for i in op.inputs)):
            assert len({graph.tensors[i].num_elements for i in op.inputs}) == 1, values


@each_teacher
def test_a_student_in_keras_has_the_ops_of_its_graph_and_the_sizes_that_were_foreseen(name):
    from kd_edge.ir.lowering import lower

    space, rng = SPACES[name], np.random.default_rng(1)
    for _ in range(2):
        pruned = prune(space.prunable, space.sample(rng))
        model = pruned.blueprint.to_keras()
        assert lower(model).canonical() == pruned.blueprint.to_graph().canonical()
        shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
        for position, (origin, part) in list(enumerate(pruned.origins))[1:]:
            shape = shapes[pruned.blueprint.layer_name(position)]
            blocks = space.prunable.channels.values[origin]
            if part != "depthwise":
                assert shape[:-1] == pruned.sizes[origin]
            if part != "depthwise" and len(shape) == 3:
                widths = [pruned.widths[pruned.roots[s.group]] for block in blocks for s in block.segments]
                assert shape[-1] == sum(widths)


@each_teacher
def test_the_dearest_point_is_the_teacher_without_dropout(name):
    space, teacher = SPACES[name], TEACHERS[name]()
    student = space.blueprint(teacher_values(space.choices))
    assert student.to_graph().total_macs == teacher.to_graph().total_macs
    assert student.to_graph().params == teacher.to_graph().params


def test_a_width_factor_of_one_group_changes_all_its_members_and_no_other():
    space = SPACES["resnet8"]
    values = teacher_values(space.choices)
    # The stem and the second convolution of the first block are added, so they are one group.
    stem = space.prunable.channels.values[1][0].segments[0].group
    before, after = filters_of(space.blueprint(values)), filters_of(space.blueprint({**values, f"width_{stem}": 0.5}))
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [(16, 8), (16, 8)]
    assert before[0] == before[2] == 16


def test_widths_are_multiples_of_four_and_never_above_the_teachers():
    space = SPACES["lenet5"]
    values = teacher_values(space.choices)
    assert filters_of(space.blueprint({**values, "width": 0.5})) == [4, 8]
    groups = {f"width_{group}": 1.5 for group in space.prunable.channels.free}
    assert filters_of(space.blueprint({**values, **groups, "width": 0.75})) == [6, 16]


def test_a_left_out_block_is_gone_and_its_ends_fit_together():
    space = SPACES["mobilenet_v1"]
    values = teacher_values(space.choices)
    assert [name for name in space.choices if name.startswith("drop")] == ["drop_0", "drop_1"]
    whole, shorter = space.blueprint(values), space.blueprint({**values, "drop_0": 1, "drop_1": 1})
    assert len(whole.nodes) - len(shorter.nodes) == 2 * 6
    assert filters_of(shorter) == [8, 16, 32, 64]


def test_the_groups_around_a_left_out_block_are_one():
    space = SPACES["mobilenet_v1"]
    (first, *_) = space.prunable.spans
    before, after = (space.prunable.channels.values[end][0].segments[0].group for end in first)
    values = {**teacher_values(space.choices), "drop_0": 1, f"width_{before}": 0.5, f"width_{after}": 1.0}
    pruned = prune(space.prunable, values)
    assert pruned.roots[after] == before
    assert pruned.widths[before] == 16


def test_a_separable_student_has_depthwise_convolutions_where_the_teacher_has_wide_ones():
    space = SPACES["resnet8"]
    values = teacher_values(space.choices)
    kinds = [op.kind for op in space.blueprint({**values, "separable": 1}).to_graph().ops]
    # All but the stem, which reads 3 channels, and the two shortcuts of 1x1.
    assert kinds.count("DEPTHWISE_CONV_2D") == 6
    assert kinds.count("CONV_2D") == 1 + 6 + 2


def test_earlier_downsampling_divides_every_size():
    space = SPACES["resnet8"]
    values = teacher_values(space.choices)
    first = space.blueprint({**values, "downsample": 4}).to_graph()
    assert first.tensors[first.ops[0].outputs[0]].shape == (1, 8, 8, 16)
    assert space.choices["downsample"] == (4, 2, 1)
    # 7x7 positions of the flattened image become 2x2: 28 / 4 = 7, halved twice.
    flat = SPACES["vgg"].blueprint({**teacher_values(SPACES["vgg"].choices), "downsample": 4}).to_graph()
    rows = [flat.tensors[op.inputs[1]].shape[1] for op in flat.ops if op.kind == "FULLY_CONNECTED"]
    assert rows[0] == 1 * 1 * 32


def test_branches_without_padding_keep_the_teachers_sizes():
    space = SPACES["valid_branches"]
    assert space.prunable.is_rigid
    assert "downsample" not in space.choices


def students_of(space):
    """Return the cheapest, the widest and some other students as Keras models."""
    rng = np.random.default_rng(0)
    drawn = [{name: options[0] for name, options in space.choices.items()}, teacher_values(space.choices)]
    return [space.blueprint(values).to_keras() for values in (*drawn, *(space.sample(rng) for _ in range(3)))]


@pytest.mark.parametrize(
    "layers",
    [
        [Conv2D(16, (3, 3), (2, 2), "same", activation="relu"), Conv2D(8, (3, 3), padding="same")],
        [Conv2D(16, (5, 5), activation="relu"), Conv2D(3, (1, 1)), Flatten()],
        [Conv2D(16, (3, 3), padding="same"), Flatten(), Dense(16), Dense(64), Reshape((8, 8, 1))],
    ],
)
def test_students_of_a_teacher_that_answers_for_each_position_answer_for_as_many(layers):
    sketch = Sketch((16, 16, 3))
    for layer in layers:
        last = sketch.add(layer)
    teacher = sketch.blueprint(last)
    space = StudentSpace.from_teacher(teacher)
    shape = teacher.to_keras().output_shape
    assert [student.output_shape for student in students_of(space)] == [shape] * 5


def test_the_size_behind_a_reshape_of_channels_that_stay_does_not_change():
    sketch = Sketch((16, 16, 3))
    sketch.add(Conv2D(8, (3, 3), padding="same"))
    sketch.add(DepthwiseConv2D((3, 3), padding="same", depth_multiplier=2))
    sketch.add(Reshape((16, 16, 16)))
    sketch.add(Conv2D(16, (3, 3), padding="same"))
    sketch.add(Flatten())
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(3))))
    assert "downsample" not in space.choices
    assert all(student.output_shape == (None, 3) for student in students_of(space))


def test_a_dilated_first_convolution_gets_no_larger_stride():
    sketch = Sketch((32, 32, 3))
    sketch.add(Conv2D(16, (3, 3), padding="same", dilation_rate=(2, 2)))
    sketch.add(GlobalAveragePooling2D())
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(3))))
    assert "downsample" not in space.choices
    assert all(student.output_shape == (None, 3) for student in students_of(space))


def test_a_channel_that_all_others_are_multiplied_by_stays_one():
    sketch = Sketch((16, 16, 3))
    image = sketch.add(Conv2D(16, (3, 3), padding="same", activation="relu"))
    attention = sketch.add(Conv2D(1, (7, 7), padding="same", activation="sigmoid"))
    sketch.add(Multiply(), image, attention)
    sketch.add(GlobalAveragePooling2D())
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(3))))
    assert [space.prunable.channels.widths[group] for group in space.prunable.channels.free] == [16]
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = {**space.sample(rng), "drop_0": 0}
        assert space.graph(values) == space.blueprint(values).to_graph()
        assert filters_of(space.blueprint(values))[-1] == 1


def test_a_teacher_whose_channels_are_as_few_as_can_be_may_still_be_smaller_otherwise():
    sketch = Sketch((16, 16, 3))
    sketch.add(Conv2D(4, (3, 3), padding="same"))
    sketch.add(GlobalAveragePooling2D())
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(3))))
    assert dict(space.choices) == {"downsample": (4, 2, 1)}
    macs = [space.graph({"downsample": factor}).total_macs for factor in (4, 2, 1)]
    assert macs == [size * size * 4 * 3 * 9 + 12 for size in (4, 8, 16)]


def test_a_narrow_layer_beside_it_leaves_a_wide_one_a_width_of_its_own():
    sketch = Sketch((20,))
    sketch.add(Dense(64))
    sketch.add(Dense(4))
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(3))))
    (own,) = (name for name in space.choices if name.startswith("width_"))
    dearest = teacher_values(space.choices)
    widths = {space.blueprint({**dearest, own: factor}).nodes[1].layer.units for factor in space.choices[own]}
    assert len(widths) > 1


def test_a_pooling_as_wide_as_the_image_that_keeps_its_size_is_not_global():
    sketch = Sketch((6, 6, 3))
    image = sketch.add(Conv2D(8, (3, 3), (2, 2), "same", activation="relu"))
    pooled = sketch.add(AveragePooling2D((3, 3), (1, 1), "same"), image)
    sketch.add(Concatenate(), image, pooled)
    sketch.add(Flatten())
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(2))))
    dearest = space.blueprint(teacher_values(space.choices))
    assert dearest.to_keras().layers[3].output.shape == (None, 3, 3, 16)


def test_images_of_different_sizes_are_not_put_side_by_side():
    with pytest.raises(ModelError, match=r"shapes \(1, 3, 3, 8\), \(1, 1, 1, 8\) along axis 3: expected equal sizes"):
        Concatenate().output_shape([(3, 3, 8), (1, 1, 8)])


def test_windows_are_capped():
    space = SPACES["ds_cnn"]
    assert space.choices["kernel"] == (3, 10)
    stem = space.blueprint({**teacher_values(space.choices), "kernel": 3}).nodes[1].layer
    assert stem.kernel_size == (3, 3)


def test_what_cannot_be_shrunk_is_named_with_the_way_out():
    sketch = Sketch((4,))
    with pytest.raises(ModelError, match=r"expected a layer whose channels may become fewer; choose .* ds_cnn"):
        StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(3))))
    sketch = Sketch((4, 4, 2))
    left = sketch.add(Conv2D(4, (1, 1)))
    sketch.add(Flatten())
    blueprint = sketch.blueprint(left, sketch.add(Dense(2)))
    with pytest.raises(ModelError, match="one output or several with names, received 1 and 2"):
        StudentSpace.from_teacher(blueprint)


def test_a_keras_teacher_with_a_recurrent_or_custom_layer_is_refused_by_the_layers_name():
    import keras

    class Doubled(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    for layer, kind in ((keras.layers.LSTM(4, name="memory"), "LSTM"), (Doubled(name="memory"), "Doubled")):
        model = keras.Sequential([keras.Input((8, 3)), layer, keras.layers.Flatten(), keras.layers.Dense(2)])
        with pytest.raises(ModelError, match=rf"cannot read layer 'memory' \({kind}\).*general families instead"):
            StudentSpace.from_teacher(model)


def test_a_reshape_that_mixes_channels_with_positions_is_named():
    sketch = Sketch((8, 8, 2))
    sketch.add(Conv2D(4, (3, 3), padding="same"))
    position = sketch.add(Reshape((64, 1, 4)))
    sketch.add(Flatten())
    with pytest.raises(ModelError, match=rf"cannot shrink layer '{position}' \(Reshape\).* received \(64, 1, 4\) from"):
        StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(2))))


def test_two_inputs_are_refused():
    sketch = Sketch((4,))
    blueprint = sketch.blueprint(sketch.add(Dense(2)))
    nodes = (*blueprint.nodes, Node(InputLayer((4,))), Node(Dense(2), (2,)), Node(Add(), (1, 3)))
    with pytest.raises(ModelError, match="received 2 and 1"):
        StudentSpace.from_teacher(type(blueprint)(nodes, (4,)))


@pytest.mark.parametrize("last", [Softmax(), Activation("softmax")])
def test_a_teacher_that_ends_in_a_softmax_layer_has_students_that_end_in_logits(last):
    sketch = Sketch((8, 8, 2))
    sketch.add(Conv2D(8, (3, 3)))
    sketch.add(Flatten())
    sketch.add(Dense(3))
    space = StudentSpace.from_teacher(sketch.blueprint(sketch.add(last)))
    student = space.blueprint(teacher_values(space.choices))
    assert student.nodes[student.outputs[0]].layer == Dense(3)
    assert [op.kind for op in student.to_graph().ops] == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]


def test_a_softmax_in_the_middle_of_a_teacher_is_named():
    sketch = Sketch((8, 8, 2))
    sketch.add(Conv2D(8, (3, 3)))
    position = sketch.add(Softmax())
    sketch.add(Flatten())
    with pytest.raises(
        ModelError, match=rf"cannot shrink layer '{position}' \(Softmax\): shrinkable are Activation, Add"
    ):
        StudentSpace.from_teacher(sketch.blueprint(sketch.add(Dense(3))))
