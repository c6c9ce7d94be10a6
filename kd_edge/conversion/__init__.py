"""From Keras to `.tflite`: quantization, fine-tuning for it, metadata.

In: a trained student and samples that calibrate. Out: the bytes of a file, and what was noticed on the way.
Imports `distillation`, `config`, `data`, `ir`, what is below, `tflite_bench`, and tensorflow-model-optimization.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
