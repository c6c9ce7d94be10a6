"""The latency model of kd_edge fitted to a device.

In: a runner. Out: a `DeviceProfile` as TOML, fitted to networks that are measured on it.
Imports `runners`, `measurement`, `model`, `errors`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
