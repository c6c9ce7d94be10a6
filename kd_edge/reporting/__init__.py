"""What people and firmware take: JSON, tables, plots, the HTML page, the bundle of C sources.

In: results of the stages. Out: text and files.
Imports `stages` and what is below.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
