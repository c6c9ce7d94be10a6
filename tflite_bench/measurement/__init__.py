"""A measurement: how long, on which inputs, with which spread, on which machine.

In: a function to time. Out: `LatencyStats`.
Imports `model`, `processes`, `errors`, `provenance`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
