"""Whether a file fits and the runtimes agree, measured in the real ones.

In: the bytes of a `.tflite` file, a `Dataset`, a `Budget`. Out: a `Verification`: checks by name, and every figure.
Imports `conversion`, `cost`, `data`, `ir` and the runners of `tflite_bench`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
