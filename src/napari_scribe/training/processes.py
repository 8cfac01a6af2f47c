"""Tell how many processes torchrun has started, and end with it. This loads no torch."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def is_launched() -> bool:
    """Return whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def n_processes() -> int:
    """Return how many processes torchrun has started; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if is_launched() else 1


def n_processes_here() -> int:
    """Return how many of them share the memory of this machine."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if is_launched() else 1


def is_first_process() -> bool:
    """Return whether this process validates and saves: True without torchrun."""
    return n_processes() == 1 or os.environ["RANK"] == "0"


def end_with_parent() -> None:
    """Send this process SIGTERM as soon as the one that started it is gone.

    torchrun ends its processes when it ends, but cannot where it is killed itself. On Windows the
    number of the parent stays, so that nothing is noticed.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the process at once, whatever else was to answer them.

    While torch waits for other processes, no function of Python is called.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone sets signals
        yield
        return
    before = {n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
