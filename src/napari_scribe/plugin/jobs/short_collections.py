"""Keep Python's garbage collector from stopping the viewer while something runs beside it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Generator
from contextlib import contextmanager

_lock = threading.Lock()
_n_running = 0
"""How many jobs run: the collector is the same for all, so the last one sets it back."""


@contextmanager
def short_collections() -> Generator[None, None, None]:
    """Let the garbage collector look through new objects only.

    Half a million objects of torch and napari are there for good. To look through all of them stops
    every thread, and with them the viewer, for half a second.
    """
    global _n_running
    with _lock:
        if _n_running == 0:
            gc.freeze()
        _n_running += 1
    try:
        yield
    finally:
        with _lock:
            _n_running -= 1
            if _n_running == 0:
                gc.unfreeze()  # a layer that was removed meanwhile can be collected again
