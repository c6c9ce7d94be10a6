"""Where a benchmark program runs: on this computer, a phone, a board.

In: a command and files. Out: what the command printed.
Imports `processes`, `errors`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
