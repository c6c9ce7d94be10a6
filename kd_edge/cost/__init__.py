"""What a network costs on a board: flash, tensor arena and latency.

In: a `Graph` and a `DeviceProfile`. Out: a `Cost`, and whether it fits a `Budget`.
Imports `ir`, `files`, `toml`, `errors`, `tflite_bench.model` and no framework.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
