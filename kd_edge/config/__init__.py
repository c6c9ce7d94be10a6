"""What a run is asked to do: the TOML file of `kd-edge run` as frozen values.

In: a TOML file. Out: a `RunConfig`, one table of the file per attribute.
Imports `data`, `cost`, `toml`, `errors` and no framework.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
