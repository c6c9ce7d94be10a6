"""Samples and labels.

In: a file, the name of a built-in set, or a function of the user. Out: a checked `Dataset`.
Imports `errors` and no framework.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
