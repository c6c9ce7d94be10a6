"""Keras' own tests of its Distiller, with ours in its place: a program written for Keras' class runs unchanged."""

import importlib.util
import sys
import unittest

import keras
import pytest

from kd_edge.distillation.distiller import Distiller

# They assert that Keras leaves the teacher's `trainable` flag off; ours leaves the teacher as it is.
MENDED = {"test_distiller_initialization", "test_teacher_freezing"}


@pytest.fixture(scope="module")
def keras_tests(request):
    """The test case that Keras ships, for our class."""
    name = f"{keras.__name__}.src.distillation.distiller_test"
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"Keras {keras.__version__} does not ship its tests")
    request.config.addinivalue_line("markers", "requires_trainable_backend: of Keras' own tests")
    module = importlib.import_module(name)
    module.Distiller = Distiller
    yield module.TestDistiller
    del sys.modules[name]


def test_keras_own_tests_pass(keras_tests):
    names = [name for name in unittest.defaultTestLoader.getTestCaseNames(keras_tests) if name != "test_session"]
    assert set(names) > MENDED
    suite = unittest.TestSuite(keras_tests(name) for name in names if name not in MENDED)
    result = unittest.TestResult()
    suite.run(result)
    assert result.testsRun >= 8
    assert [(str(test), error) for test, error in (*result.failures, *result.errors)] == []
