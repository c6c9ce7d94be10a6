"""Training with guides: a teacher, a trainee, and early halting of either.

In: a student, its guides, a `Dataset` and a `Recipe`. Out: the trained student and a `HaltingReport` per guide.
Imports `config`, `data`, `ir`, `compat`, `files`, `errors`, Keras and TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
