"""Design, distil, quantize and verify small networks for microcontrollers and phones.

The names below load on first use: `import kd_edge` is instant, and TensorFlow is loaded only by what needs it.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
