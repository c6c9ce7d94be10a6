"""The stages of a run, as functions of frozen values: teach, design, distil, train the baseline.

In: models, a `Dataset`, a table of the configuration. Out: models, and a result that holds none.
Imports `search`, `verification` and what is below. A `StageStore` keeps what a stage left.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
