from dataclasses import asdict

import keras
import numpy as np
import pytest

from kd_edge.config.stages import ConvertConfig
from kd_edge.conversion.converter import convert
from kd_edge.conversion.export import convert_for
from kd_edge.conversion.fidelity import output_nrmse
from kd_edge.errors import ConversionWarning, ModelError
from kd_edge.reporting.sentences.conversion import convert_lines

SAMPLES = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


def line(kernel: np.ndarray, bias: float = 0.0) -> keras.Model:
    layer = keras.layers.Dense(kernel.shape[1])
    model = keras.Sequential([keras.Input((len(kernel),)), layer])
    layer.set_weights([kernel, np.full(kernel.shape[1], bias)])
    return model


KERNEL = np.random.default_rng(1).normal(size=(6, 3))


def test_a_file_of_equal_numbers_is_off_by_nothing():
    model = line(KERNEL)
    assert output_nrmse(convert(model, quantize="none"), model, [SAMPLES]) < 1e-6


def test_a_file_is_off_by_the_root_of_the_mean_square_over_the_spread():
    other = convert(line(KERNEL, bias=0.5), quantize="none")
    spread = (SAMPLES[:32] @ KERNEL).std()
    assert output_nrmse(other, line(KERNEL), [SAMPLES]) == pytest.approx(0.5 / spread, rel=1e-4)


def test_of_several_outputs_the_worst_counts():
    source = keras.Input((6,))
    heads = [line(KERNEL), line(KERNEL[:, :1])]
    model = keras.Model(source, [head(source) for head in heads])
    content = convert(model, quantize="none")
    heads[1].layers[-1].set_weights([KERNEL[:, :1], np.full(1, 2.0)])
    spread = (SAMPLES[:32] @ KERNEL[:, :1] + 2).std()
    assert output_nrmse(content, model, [SAMPLES]) == pytest.approx(2 / spread, rel=1e-4)


def test_each_measured_value_is_held_against_its_own_spread():
    source = keras.Input((6,))
    kernel = KERNEL[:, :2] * (1.0, 0.01)
    model = keras.Sequential([source, keras.layers.Dense(2)])
    model.layers[-1].set_weights([kernel, np.array([100.0, 0.0])])
    content = convert(model, quantize="none")
    model.layers[-1].set_weights([kernel, np.array([100.0, 0.02])])
    spreads = (SAMPLES[:32] @ kernel).std(axis=0)
    each = output_nrmse(content, model, [SAMPLES], values={0: np.array([True, True])})
    assert each == pytest.approx(0.02 / spreads[1], rel=1e-3)
    assert output_nrmse(content, model, [SAMPLES], values={0: np.array([True, False])}) < 1e-4
    assert output_nrmse(content, model, [SAMPLES]) < 1e-3


def test_of_a_model_that_says_the_same_always_nothing_can_be_told():
    model = line(np.zeros((6, 3)), bias=1.0)
    assert output_nrmse(convert(model, quantize="none"), model, [SAMPLES]) is None
    made = convert_for(model, None, ConvertConfig("none"))
    assert made.output_nrmse is None
    assert "same number" in made.unavailable_reason["output_nrmse"]
    (told,) = (told for told in convert_lines(asdict(made.summary())) if "not known" in told)
    assert told.endswith("the student gives the same number for all samples, or none that is finite")


def test_int8_of_samples_within_a_huge_one_is_warned_of():
    model = keras.Model(source := keras.Input((6,), name="x"), line(KERNEL)(source))
    plain = convert_for(model, {"x": SAMPLES}, ConvertConfig())
    assert plain.output_nrmse < 0.03
    assert plain.warnings == ()
    far = convert_for(model, {"x": np.concatenate([SAMPLES, 1e3 * SAMPLES[:1]])}, ConvertConfig())
    assert far.output_nrmse > 0.1
    assert [said for said in far.warnings if "far from the student's" in said]


def test_a_file_that_stops_on_its_own_samples_is_refused_and_the_layer_named():
    source = keras.Input((1000, 4), name="x")
    pooled = keras.layers.GlobalAveragePooling1D(name="mean")(keras.layers.Masking()(source))
    model = keras.Model(source, keras.layers.Dense(3)(pooled), name="masked")
    samples = np.random.default_rng(0).normal(size=(8, 1000, 4)).astype(np.float32)
    samples[4:, 1:] = 0  # the number of their steps, 1, is 0 in steps of 1000 / 255
    with pytest.raises(ModelError, match=r"cannot convert 'masked'.*\(DIV, layer 'mean'\) fails in LiteRT"):
        convert_for(model, {"x": samples}, ConvertConfig())
    assert convert_for(model, {"x": samples}, ConvertConfig("float16")).output_nrmse < 0.01


def test_a_dynamic_file_whose_weights_are_too_few_to_be_quantized_is_warned_of():
    with pytest.warns(ConversionWarning, match="stay float"):
        convert(line(KERNEL), quantize="dynamic")
    made = convert_for(line(np.random.default_rng(1).normal(size=(64, 32))), None, ConvertConfig("dynamic"))
    assert made.warnings == ()


def test_what_reference_kernels_add_up_wrongly_is_near_its_model():
    source = keras.Input((20, 4))
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Masking()(source))
    samples = np.random.default_rng(0).normal(size=(40, 20, 4)).astype(np.float32)
    samples[np.arange(20) > np.random.default_rng(1).integers(3, 20, (40, 1))] = 0
    model = keras.Model(source, pooled)
    assert output_nrmse(convert(model, samples), model, [samples]) < 0.05
