"""The boards: what they hold and how fast they run a network.

In: a name or a TOML file. Out: a `DeviceProfile`, also as it holds for another runtime. Imports `toml`, `errors`,
`tflite_bench.model`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
