"""Gives memory that is no longer needed back to the operating system."""

import ctypes
import gc
import sys


def give_back() -> None:
    """Collect garbage; of what is free then, GNU's C library keeps much for later unless it is told not to."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
