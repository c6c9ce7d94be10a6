"""Which student: the search for the most accurate network that fits a board.

In: a teacher, a `Dataset`, a `Budget`, a `StudentSpace`. Out: a `SearchResult`: the best student, the Pareto front.
Imports `distillation`, `config`, `data`, `cost`, `ir`, `compat`, `files`, `errors` and keras-tuner.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
