"""What is converted computes what the model computes, whatever its layers know and whatever they are called."""

import keras
import numpy as np
import pytest

from kd_edge.clone.cloning import clone_of
from kd_edge.clone.comparison import check_clone, drawn_samples
from kd_edge.clone.inference_clone import batch_of_one
from kd_edge.clone.layer_names import layer_of, names_of
from kd_edge.clone.valid_names import valid_names
from kd_edge.conversion.converter import convert
from kd_edge.distillation.guides.fresh import fresh_copy
from kd_edge.errors import ConversionWarning, ModelError
from tflite_bench.model.reader import read_model
from tflite_bench.runners.litert import run_outputs

L = keras.layers
X = np.random.default_rng(0).normal(3.0, 5.0, size=(40, 4)).astype("float32")


class Scaled(L.Layer):
    """Divides by what it has seen, which neither its configuration nor its weights know."""

    deviation = 1.0

    def adapt(self, samples):
        self.deviation = float(samples.std())

    def call(self, x):
        return x / self.deviation


class Shifted(L.Layer):
    """Adds a constant that depends on when the layer was made."""

    made = 0

    def build(self, shape):
        Shifted.made += 1
        self._shift = float(Shifted.made)

    def call(self, x):
        return x + self._shift


class Constant(L.Layer):
    """Multiplies by a random matrix that is never trained."""

    def build(self, shape):
        self.matrix = self.add_weight(shape=(shape[-1], 3), initializer="random_normal", trainable=False)

    def call(self, x):
        return x @ self.matrix


def adapted(layer):
    layer.adapt(X)
    return layer


def nested():
    inner = keras.Sequential([keras.Input((4,)), adapted(L.Normalization()), L.Lambda(lambda x: 2 * x)], name="inner")
    source = keras.Input((4,))
    return keras.Model(source, L.Dense(3)(inner(source)))


MODELS = {
    "normalization": lambda: keras.Sequential([keras.Input((4,)), adapted(L.Normalization()), L.Dense(3)]),
    "nested": nested,
    "plain attribute": lambda: keras.Sequential([keras.Input((4,)), adapted(Scaled()), L.Dense(3)]),
    "constant": lambda: keras.Sequential([keras.Input((4,)), Constant(), L.Dense(3)]),
    "batch normalization": lambda: keras.Sequential([keras.Input((4,)), L.Dense(3), L.BatchNormalization()]),
}


@pytest.mark.parametrize("kind", MODELS)
def test_state_outside_of_the_trainable_weights_survives_cloning(kind):
    model = MODELS[kind]()
    expected = np.asarray(model(X))
    clone = batch_of_one(model)
    check_clone(model, clone, [X])
    assert np.abs(np.asarray(clone(X)) - expected).max() < 1e-6 * np.abs(expected).max()


def test_the_file_of_a_model_that_was_adapted_answers_like_it():
    model = nested()
    assert np.abs(run_outputs(convert(model, quantize="none"), X) - np.asarray(model(X))).max() < 1e-5


@pytest.mark.parametrize(("kind", "index"), [("normalization", 0), ("plain attribute", 0), ("constant", 0)])
def test_a_fresh_copy_keeps_what_no_training_gives_and_nothing_else(kind, index):
    model = MODELS[kind]()
    copy = fresh_copy(model)
    assert np.array_equal(np.asarray(copy.layers[index](X)), np.asarray(model.layers[index](X)))
    assert not np.array_equal(*(np.asarray(one.layers[-1].kernel) for one in (copy, model)))
    assert copy.layers[-1].trainable_weights


def test_what_is_lost_refuses_the_conversion_and_the_layer_is_named():
    source = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), L.Dense(4, name="fine"), Shifted(name="late")], name="inner")
    model = keras.Model(source, L.Dense(2)(inner(L.ReLU()(source))), name="odd")
    with pytest.raises(ModelError, match=r"cannot convert 'odd': expected a clone that.*at layer 'inner/late'"):
        convert(model, X)


def test_a_layer_that_cannot_be_made_again_is_named():
    class Closed(L.Layer):
        def __init__(self, table, **kwargs):
            super().__init__(**kwargs)
            self._table = table

        def get_config(self):
            return super().get_config()

        def call(self, x):
            return x * self._table

    model = keras.Sequential([keras.Input((4,)), Closed(2.0, name="closed")])
    with pytest.raises(ModelError, match=r"cannot clone layer 'closed' \(Closed\): expected a layer that"):
        convert(model, X)


def test_a_model_that_answers_at_random_is_converted_uncompared_and_that_is_said():
    noise = L.Lambda(lambda x: x + keras.random.normal((4,)), name="noise")
    model = keras.Sequential([keras.Input((4,)), L.Dense(4), noise])
    with pytest.warns(ConversionWarning, match="differ from call to call, at layer 'noise'"):
        check_clone(model, batch_of_one(model), [X])


def test_the_comparison_leaves_all_state_as_it_was():
    model = keras.Sequential([keras.Input((4, 1), batch_size=2), L.LSTM(3, stateful=True)])
    model(X[:2, :, None])
    before = [np.array(state) for state in model.layers[0].states]
    clone = batch_of_one(model)
    check_clone(model, clone, [X[..., None]])
    assert all(map(np.array_equal, before, map(np.array, model.layers[0].states)))
    assert not any(np.any(np.array(state)) for state in clone.layers[0].states)


def test_without_samples_random_ones_compare_and_indices_are_known_ones():
    words, numbers = keras.Input((6,)), keras.Input((3,))
    model = keras.Model([words, numbers], [L.Flatten()(L.Embedding(7, 2)(words)), L.Dense(2)(numbers)])
    indices, values = drawn_samples(model)
    assert set(np.unique(indices)) == set(range(7))
    assert values.std() == pytest.approx(1, abs=0.2)
    check_clone(model, batch_of_one(model), [indices, values])


def test_indices_of_an_embedding_inside_of_a_nested_model_are_known_ones():
    inner = keras.Sequential([keras.Input((6,)), L.Reshape((2, 3)), L.Embedding(5, 2)])
    source = keras.Input((6,))
    model = keras.Model(source, L.Flatten()(inner(source)))
    assert set(np.unique(drawn_samples(model)[0])) == set(range(5))
    words = np.random.default_rng(0).integers(0, 5, (8, 6)).astype("int32")
    assert np.abs(run_outputs(convert(model, quantize="none"), words) - np.asarray(model(words))).max() < 1e-6
    assert read_model(convert(model, words)).input_tensors[0].dtype == "int32"


def test_samples_that_a_model_fails_on_are_an_error_in_one_line():
    model = keras.Sequential([keras.Input((4,)), L.Embedding(5, 2)])
    with pytest.raises(ModelError, match="expected samples that it can read, as for an embedding indices from 0"):
        convert(model, X)


def random_names(seed, count):
    rng, names = np.random.default_rng(seed), set()
    while len(names) < count:
        names.add("".join(rng.choice(list("abXYZ019_.-: é>"), rng.integers(1, 9))))
    return sorted(names, key=lambda name: rng.random())


@pytest.mark.parametrize("seed", range(4))
def test_inputs_and_outputs_have_the_models_order_whatever_they_are_called(seed):
    names = random_names(seed, 13)
    sources = {names.pop(): keras.Input((2 + i,), name=names.pop()) for i in range(2 + seed % 2)}
    outputs = {names.pop(): L.Dense(2 + i, name=names.pop())(source) for i, source in enumerate(sources.values())}
    as_lists = list(sources.values()), list(outputs.values())
    model = keras.Model(*(as_lists if seed % 2 else (sources, outputs)), name=names.pop())
    info = read_model(convert(model, quantize="none"))
    assert [t.shape[1:] for t in info.input_tensors] == [tuple(source.shape[1:]) for source in model.inputs]
    assert [t.shape[1:] for t in info.output_tensors] == [tuple(output.shape[1:]) for output in model.outputs]


def test_an_output_that_is_given_twice_is_there_twice():
    source = keras.Input((4,))
    one, other = L.Dense(2)(source), L.Dense(3)(source)
    content = convert(keras.Model(source, {"b": one, "a": other, "c": one}), quantize="none")
    assert [t.shape[1] for t in read_model(content).output_tensors] == [3, 2, 2]


def test_names_that_tensorflow_refuses_are_made_valid_and_stay_different():
    names = ["ok", "onnx::Conv_1", "onnx..Conv_1", "onnx__Conv_1", "_hidden", "wake word", "é"]
    renamed = valid_names(names)
    assert renamed == {
        "onnx::Conv_1": "onnx__Conv_1_",
        "_hidden": "layer_hidden",
        "wake word": "wake_word",
        "é": "layer_",
    }


def test_a_layer_with_a_refused_name_is_named_as_the_user_did():
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(3, name="onnx::Gemm 1"), L.Dense(2, name="dense")], name="wake word v2"
    )
    assert [layer.name for layer in clone_of(model).layers[1:]] == ["onnx__Gemm_1", "dense"]
    info = read_model(convert(model, X))
    assert layer_of(info, info.ops[0], names_of(model)) == "onnx::Gemm 1"
