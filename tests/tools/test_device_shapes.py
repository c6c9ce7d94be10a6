"""The networks of others in the study of devices are theirs: they have the figures that are published for them."""

import math

import pytest

from kd_edge.ir.lowering import lower
from tools.studies.devices.shapes.public import PUBLIC

SAMPLES = {"keywords": ((49, 10, 1), 40), "har": ((128, 9), 6), "fashion": ((28, 28, 1), 10)}
# The shape of a sample, the number of classes, and millions of operations, two a multiply-accumulate, of MLPerf Tiny's
# networks: pages of github.com/NXP/eiq-model-zoo.
MLPERF = {
    "MLPerf DS-CNN": ((49, 10, 1), 12, 5),
    "MLPerf ResNet-8": ((32, 32, 3), 10, 25),
    "MLPerf MobileNet 0.25": ((96, 96, 3), 2, 15),
}
# Pixels of an image, millions of multiply-accumulates and of parameters: README of github.com/mit-han-lab/mcunet.
MCUNET = {"MCUNet 10 fps": (48, 6.4, 0.75), "MCUNet 5 fps": (96, 12.8, 0.64)}


def trained(model):
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def left_out_biases(model):
    """Biases of the originals before batch normalization, which takes them away again: one a channel."""
    return sum(layer.output.shape[-1] for layer in model.layers if getattr(layer, "use_bias", True) is False)


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("name", PUBLIC)
def test_each_network_takes_the_samples_of_each_set_and_its_cost_is_known(name, samples):
    shape, num_classes = SAMPLES[samples]
    model = PUBLIC[name](shape, num_classes)
    assert model.output_shape == (None, num_classes)
    assert lower(model).total_macs > 0


@pytest.mark.parametrize("name", MLPERF)
def test_the_operations_of_mlperf_tinys_networks_are_those_that_are_published(name):
    shape, num_classes, published = MLPERF[name]
    assert round(2 * lower(PUBLIC[name](shape, num_classes)).total_macs / 1e6) == published


def test_the_parameters_of_mlperf_tinys_networks_are_those_that_are_published():
    spotter, classifier, detector = (PUBLIC[name](*asked[:2]) for name, asked in MLPERF.items())
    assert trained(spotter) + left_out_biases(spotter) == 23_756
    assert classifier.count_params() + left_out_biases(classifier) == 78_666
    assert detector.count_params() + left_out_biases(detector) == 221_794


def test_the_operations_of_the_micronet_are_within_two_percent_of_those_that_are_published():
    # 16.4 million operations, two a multiply-accumulate: arXiv 2010.11267, table 4.
    macs = lower(PUBLIC["MicroNet-KWS-S"]((49, 10, 1), 12)).total_macs
    assert 2 * macs == pytest.approx(16.4e6, rel=0.02)


def test_the_parameters_of_gmp_are_those_that_its_page_gives():
    # 1,528 for windows of 24 samples of 3 axes, means and variances of batch normalization counted.
    assert PUBLIC["ST GMP"]((24, 3), 4).count_params() == 1_528


def test_the_weights_of_st_mnist_take_the_flash_that_its_page_gives():
    graph = lower(PUBLIC["ST MNIST v1"]((28, 28, 1), 36))
    size = sum(tensor.num_params * (4 if len(tensor.shape) == 1 else 1) for tensor in graph.tensors)
    assert round(size / 1024, 2) == 10.08  # KiB: weights of 8 bits, biases of 32


@pytest.mark.parametrize("name", MCUNET)
def test_the_multiply_accumulates_and_parameters_of_mcunets_networks_are_those_that_are_published(name):
    pixels, millions, parameters = MCUNET[name]
    model = PUBLIC[name]((pixels, pixels, 3), 1000)
    assert round(lower(model).total_macs / 1e6, 1) == millions
    assert round(trained(model) / 1e6, 2) == parameters
