"""Show a result in a layer while it is made."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from napari import Viewer
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from qtpy.QtCore import QObject, QTimer

from ...arrays import Array, Pixels
from ...image import Image
from ...windows import Window
from ..jobs.runner import Runner
from .lazy import Lazy
from .managed import LayerOptions
from .results import pyramid, show_labels

AFTER = 2.0
"""Seconds after which a result is shown while it grows; what is done sooner would only flicker."""
EVERY = 1.0
"""Seconds between two drawings."""
SHARE = 0.1
"""Share of the time that drawing may take."""
SEARCH = 0.3
"""Seconds that a thread looks for news between two drawings, in a result too large to be read."""
LAST_SEARCH = 10.0
"""Seconds that it looks for news once the job has ended, so that nobody waits for it for long."""
SMALL = 2**24
"""Pixels that are read, drawn and kept in memory without a second thought."""
CELL = 2048
"""Side of what an `Overview` reads at once, in pixels."""


class LiveLayer(QObject):
    """Show a result in a layer of its own while a job makes it.

    Parameters
    ----------
    viewer, source, image
        Where the result is shown, and the layer and the image that it is of.
    purpose
        The layer is called "NAME purpose".
    runner
        Runs the job.
    show
        `show_labels`, or its like for other results.
    """

    def __init__(
        self,
        viewer: Viewer,
        source: ImageLayer,
        image: Image,
        purpose: str,
        runner: Runner,
        show: Callable[..., Layer] = show_labels,
    ) -> None:
        super().__init__()
        self.viewer, self._source, self._image, self._purpose = viewer, source, image, purpose
        self._runner, self._show_result = runner, show
        self._layer: Layer | None = None
        self._options: LayerOptions = {}
        self._overview: Overview | None = None
        self._search: Future[bool] | None = None
        self._pool = ThreadPoolExecutor(1)
        self._drawn_at = self._done = -1.0
        self._is_over = False
        self._not_before = time.monotonic() + AFTER
        self._timer = QTimer(self, interval=int(1000 * EVERY))
        self._timer.timeout.connect(self._tick)

    def update(self, done: float, options: LayerOptions) -> None:
        """Note how much is done, and how the layer looks; it is drawn a while later."""
        self._done, self._options = done, options
        if not self._timer.isActive() and not self._is_over:
            self._timer.start()

    def finish(self) -> None:
        """Draw it for the last time; a large one once it has been read to its end."""
        self._is_over = True
        if self.layer is not None and self._overview is not None:
            self._look_for_news(self._overview, LAST_SEARCH)
            return
        if self.layer is not None:
            self._draw()
        self._stop()

    def close(self) -> None:
        """Draw it no more."""
        self._is_over = True
        self._stop()

    def _stop(self) -> None:
        self._timer.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def layer(self) -> Layer | None:
        """Return the layer; None before it is shown, and once somebody has removed it."""
        is_there = self._layer is not None and self._layer in self.viewer.layers
        return self._layer if is_there else None

    def _tick(self) -> None:
        is_dock_gone = not (self._runner.is_running or self._is_over)
        is_removed = self._layer is not None and self.layer is None
        if is_dock_gone or is_removed:  # whoever removes the layer does not want it back
            self.close()
        elif time.monotonic() < self._not_before:
            return
        elif self._layer is None:
            job = self._runner.job
            if job is not None and job.so_far is not None:
                self._show(job.so_far, job.region)
        elif self._has_changed():
            self._draw()

    def _show(self, so_far: Array, region: Mapping[str, slice]) -> None:
        self._layer = self._show_result(
            self.viewer,
            self._source,
            self._image,
            self._levels(so_far),
            self._purpose,
            region=region,
            **self._options,
        )
        self._drawn_at = self._done

    def _levels(self, so_far: Array) -> list[Array]:
        """Return what napari shows: levels that nobody can paint on, none of them read in vain."""
        data: Array
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
        """Return whether there is something new to draw, by the last search where it takes one."""
        if self._overview is None:
            return self._done != self._drawn_at
        search = self._search
        if search is not None and not search.done():
            return False
        has_news = search is not None and search.exception() is None and search.result()
        if self._is_over:
            self._stop()
            return True
        self._look_for_news(self._overview, SEARCH)
        return has_news

    def _look_for_news(self, overview: Overview, seconds: float) -> None:
        self._search = self._pool.submit(overview.update, seconds)

    def _draw(self) -> None:
        assert self._layer is not None
        began = time.monotonic()
        self._drawn_at = self._done
        self._layer.refresh(extent=False)
        took = time.monotonic() - began
        self._not_before = began + took / SHARE


class Overview:
    """Hold every n-th pixel of a large array that is being filled, updated cell by cell.

    Parameters
    ----------
    array
        ``(..., Y, X)``; pixels that are not there yet are 0.

    Attributes
    ----------
    step
        The n of every n-th pixel, a power of two.
    picture
        Those pixels.
    """

    def __init__(self, array: Array) -> None:
        self._array = array
        self.step = 1
        while math.prod(self._thinned_shape()) > SMALL:
            self.step *= 2
        self.picture: Pixels = np.zeros(self._thinned_shape(), array.dtype)
        self._unfinished = list(self._cells())
        self._next = 0

    def _thinned_shape(self) -> tuple[int, ...]:
        *front, height, width = self._array.shape
        return (*front, -(-height // self.step), -(-width // self.step))

    def _cells(self) -> Iterator[tuple[tuple[int, ...], Window]]:
        """Yield the index of each frame, with each of its cells in the picture, row by row."""
        *front, height, width = self.picture.shape
        side = max(1, CELL // self.step)
        for frame in np.ndindex(*front):
            for y, x in itertools.product(range(0, height, side), range(0, width, side)):
                yield frame, (slice(y, min(y + side, height)), slice(x, min(x + side, width)))

    def update(self, seconds: float) -> bool:
        """Look for news for about so many seconds; the next update goes on there.

        A cell that was seen filled twice alike is taken for finished.

        Returns
        -------
        has_changed
            Whether there were any.
        """
        end, first_news = time.monotonic() + seconds, None
        for _ in range(len(self._unfinished)):
            self._next %= len(self._unfinished)
            frame, cell = self._unfinished[self._next]
            index: tuple[int | slice, ...] = (*frame, *cell)
            now, before = self._read(frame, cell), self.picture[index]
            if not np.array_equal(now, before):
                self.picture[index] = now
                first_news = self._next if first_news is None else min(first_news, self._next)
                self._next += 1
            elif now.any():
                del self._unfinished[self._next]
            else:
                self._next += 1
            if time.monotonic() > end:
                break
        if first_news is not None:
            self._next = first_news
        return first_news is not None

    def _read(self, frame: tuple[int, ...], cell: Window) -> Pixels:
        step = self.step
        window = (slice(s.start * step, s.stop * step, step) for s in cell)
        return np.asarray(self._array[(*frame, *window)])
