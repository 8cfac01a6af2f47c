"""A result before one's eyes while it is made."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from ..jobs.runner import Runner
from .lazy import SMALL, Lazy, Overview
from .results import pyramid, show_labels

AFTER = 2.0
"""Seconds after which a result is shown while it grows: what is soon done would only flicker."""
EVERY = 1.0
SHARE = 0.1
"""It is drawn anew every second at most, and takes at most this share of the time."""
SEARCH = 0.3
"""Seconds of each second that a thread looks for news in a result too large to be read whole."""


LAST_SEARCH = 10.0
"""The same once the job has ended, so that nobody waits for it for long."""


class Growing(QObject):
    """The layer in which a result grows.

    Parameters
    ----------
    viewer, source, image
        Where it is shown, and what it is of.
    purpose
        The layer is called "NAME purpose".
    runner
        Of its job.
    show
        `show_labels`, or its like for other results.
    """

    def __init__(
        self,
        viewer: Any,
        source: Any,
        image: Any,
        purpose: str,
        runner: Runner,
        show: Callable[..., Any] = show_labels,
    ) -> None:
        super().__init__()
        self.viewer, self._source, self._image, self._purpose = viewer, source, image, purpose
        self._runner, self._show_result = runner, show
        self._layer: Any = None
        self._look: dict[str, Any] = {}
        self._overview: Overview | None = None
        self._search: Future[bool] | None = None
        self._pool = ThreadPoolExecutor(1)
        self._shown_at_done = self._done = -1.0
        self._is_over = False
        self._not_before = time.monotonic() + AFTER
        self._timer = QTimer(self, interval=int(1000 * EVERY))
        self._timer.timeout.connect(self._tick)

    def follow(self, done: float, look: dict[str, Any]) -> None:
        """Take down that so much is done; drawn a while later, in a layer that looks so."""
        self._done, self._look = done, look
        if not self._timer.isActive() and not self._is_over:
            self._timer.start()

    def end(self) -> None:
        """Draw it no more; the layer stays, a large one once it has been read to its end."""
        self._is_over = True
        if self.shown is not None and self._overview is not None:
            self._look_for_news(LAST_SEARCH)
            return
        if self.shown is not None:
            self._draw()
        self._stop()

    def close(self) -> None:
        """Let go of all."""
        self._is_over = True
        self._stop()

    def _stop(self) -> None:
        self._timer.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def shown(self) -> Any:
        """The layer; None before it is shown, and once somebody has removed it."""
        is_there = self._layer is not None and self._layer in self.viewer.layers
        return self._layer if is_there else None

    def _tick(self) -> None:
        is_left = not (self._runner.is_running or self._is_over)
        is_removed = self._layer is not None and self.shown is None
        if is_left or is_removed:
            self.close()  # the dock is gone; or somebody has removed the layer, and means it
        elif time.monotonic() < self._not_before:
            return
        elif self._layer is None:
            job = self._runner.job
            if job is not None and job.so_far is not None:
                self._show(job)
        elif self._has_changed():
            self._draw()

    def _show(self, job: Any) -> None:
        self._layer = self._show_result(
            self.viewer,
            self._source,
            self._image,
            self._shown(job.so_far),
            self._purpose,
            region=job.region,
            **self._look,
        )
        self._shown_at_done = self._done

    def _shown(self, so_far: Any) -> Any:
        """What of it is handed to napari: nothing that can be painted, nothing read in vain."""
        if isinstance(so_far, np.ndarray):
            data = so_far.view()
            data.flags.writeable = False
        else:
            data = Lazy(so_far)
        if math.prod(data.shape[-2:]) <= SMALL:
            return [data]
        if isinstance(data, np.ndarray):
            return pyramid(data)
        self._overview = Overview(so_far)
        steps = [2**i for i in range(int(math.log2(self._overview.step)))]
        return [*(data[..., ::n, ::n] for n in steps), *pyramid(self._overview.picture)]

    def _has_changed(self) -> bool:
        """Whether there is something new to draw; where it takes a search, that of before."""
        if self._overview is None:
            return self._done != self._shown_at_done
        if self._search is not None and not self._search.done():
            return False
        found = self._search is not None and self._search.exception() is None
        found = found and bool(self._search and self._search.result())
        if self._is_over:
            self._stop()
            return True
        self._look_for_news(SEARCH)
        return found

    def _look_for_news(self, seconds: float) -> None:
        assert self._overview is not None
        self._search = self._pool.submit(self._overview.update, seconds)

    def _draw(self) -> None:
        began = time.monotonic()
        self._shown_at_done = self._done
        self._layer.refresh(extent=False)
        took = time.monotonic() - began
        self._not_before = began + took / SHARE
