"""What people and programs read: JSON documents and tables.

In: a benchmark, a comparison, a calibration. Out: JSON and text.
Imports `benchmark`, `calibration`, `comparison` and what is below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
