"""Programs with a time limit, and models of unknown origin in a child process.

In: a command, or a task and a model. Out: what it answered; a crash is an error here.
Imports `errors`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
