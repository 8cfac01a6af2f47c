"""Keep Python's garbage collector from stopping the viewer while something runs beside it."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def short_collections() -> Generator[None, None, None]:
    """Let the garbage collector look through new objects only.

    Half a million objects of torch and napari are there for good. To look through all of them stops
    every thread, and with them the viewer, for half a second.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()  # a layer that was removed meanwhile can be collected again
