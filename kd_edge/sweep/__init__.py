"""A sweep: one teacher, one search and the student of each board and budget.

In: a configuration, boards and limits. Out: a folder with one document, one page, one file per chosen network.
Imports `pipeline` and what is below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
