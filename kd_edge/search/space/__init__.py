"""The students that a search chooses from: general families, and a teacher with fewer channels and layers.

In: the shape of the samples, or a teacher. Out: a `StudentSpace`, whose members are blueprints.
Imports `ir`, `cost`, `errors` and no framework.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
