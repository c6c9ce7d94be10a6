"""The network as plain data: blueprints, the layers they are made of, and graphs of TFLite ops.

In: a Keras model, a `.tflite` file or a blueprint. Out: a `Blueprint` or a `Graph`.
Imports `compat`, `errors` and `tflite_bench.model`; Keras inside functions alone.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
