"""What executes a model: LiteRT, TFLM, vendors' programs, an emulated Cortex-M, an estimate of Vela.

In: a model file and a plan. Out: a `RunnerResult`.
Imports `transports`, `measurement`, `model`, `processes`, `errors`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
