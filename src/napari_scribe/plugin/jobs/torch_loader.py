"""Load torch before it is needed, and say what helps where it does not load."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...errors import InputError
from .short_collections import short_collections

loading = threading.RLock()
"""Held by what loads torch and what needs it, so that nothing is imported twice at once."""
_known: list[str] = []


def load_torch() -> None:
    """Import torch, and see which devices it has.

    Raises
    ------
    InputError
        If it cannot be loaded.
    """
    with loading:
        try:
            import torch  # noqa: F401

            from ...device import devices
        except (ImportError, OSError) as error:
            raise InputError(
                f"PyTorch cannot be loaded ({str(error).splitlines()[0]}). On Windows this happens "
                "when napari's windows are loaded first: start napari with  python -c \"import "
                'torch, napari; napari.Viewer(); napari.run()"  and try again. Elsewhere, install '
                "torch anew."
            ) from None
        if not _known:
            _known.extend(devices())


def found_devices() -> list[str]:
    """Return the devices that torch has, the best first; none while it is not loaded."""
    return list(_known)


@short_collections()
def warm_up() -> str:
    """Load torch and train a tiny network for one step, so that the first Train starts at once.

    Returns
    -------
    text
        What the user should know about a GPU that is not used.
    """
    import numpy as np

    load_torch()
    from ...device import unseen_gpu
    from ...progress import run
    from ...recipe import Recipe
    from ...training.train import train

    values = {"network.depth": 1, "network.width": 2, "training.patch": 16, "training.batch": 1}
    paint = np.ones((32, 32), np.uint8)
    paint[:16] = 2
    run(train([np.eye(32, dtype=np.float32)], [paint], Recipe().changed(values), steps=1))
    return unseen_gpu()


def warm_up_once(tell: Callable[[str], None]) -> None:
    """Warm up and tell what the user should know; say nothing where torch does not load."""
    try:
        with loading:  # another dock has done it by then
            text = "" if found_devices() else warm_up()
    except (ImportError, OSError, RuntimeError):
        return
    tell(text)
