"""A `.tflite` file, read, written and described.

In: bytes. Out: `ModelInfo`: tensors, operators, in which numbers it computes; and what is known of each operator:
its `OpSpec`, of which `register_op` takes new ones.
Imports `errors` and the schema in `ai-edge-litert`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
