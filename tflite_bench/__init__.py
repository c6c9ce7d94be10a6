"""Measure `.tflite` models - latency, arena, operators - and read them, without TensorFlow.

The names below load on first use: `import tflite_bench` is instant.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
