"""Measure how responsive the viewer is while it trains; needs a display, such as `xvfb-run`.

Opens the sample, presses Train, paints a stroke every few seconds, and measures the gaps between
the ticks of a 10 ms timer on the event loop: with previews, plots and layers being refreshed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

import numpy as np


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=40)
    arguments.add_argument("--side", type=int, default=512, help="of the sample, in pixels")
    arguments.add_argument("--no-previews", action="store_true", help="to compare with, by turns")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("NAPARI_SCRIBE_HOME", folder)
        measure(chosen.seconds, chosen.side, not chosen.no_previews)


def measure(seconds: float, side: int, has_previews: bool) -> None:
    import napari
    from qtpy.QtCore import QTimer

    from napari_scribe.plugin.samples import nuclei_layers
    from napari_scribe.plugin.train.dock import TrainDock
    from napari_scribe.samples import nuclei

    truth = nuclei((side, side)).truth
    viewer = napari.Viewer(show=True)
    for data, options, kind in nuclei_layers(side):
        getattr(viewer, f"add_{kind}")(data, **options)
    dock = TrainDock(viewer)
    viewer.window.add_dock_widget(dock, name="Train")
    dock.form.more.minutes.value = seconds / 60
    dock.form.more.previews.value = has_previews
    watch = Watch(dock, truth)
    QTimer.singleShot(5000, watch.begin)  # the window and torch have settled by then
    napari.run()
    watch.report()


class Watch:
    """Record the ticks, strokes and previews of one training."""

    def __init__(self, dock, truth):
        from qtpy.QtCore import Qt, QTimer

        self.dock, self.truth = dock, truth
        self.gaps, self.steps, self.ious = [], [], []
        self.ticker = QTimer(interval=10, timerType=Qt.TimerType.PreciseTimer)
        self.ticker.timeout.connect(self.tick)
        self.painter = QTimer(interval=4000)
        self.painter.timeout.connect(self.paint)
        dock.runner.record.connect(self.step)
        dock.runner.ended.connect(self.end)

    def begin(self):
        self.dock.train()
        self.start = self.last = time.perf_counter()
        self.ticker.start()
        self.painter.start()

    def tick(self):
        now = time.perf_counter()
        self.gaps.append((now - self.last, now - self.start))
        self.last = now

    def paint(self):
        layer = self.dock.form.paint.value
        label = int(layer.data.max()) + 1
        painted = set(np.unique(self.truth[layer.data > 0]).tolist())
        free = [k for k in np.unique(self.truth).tolist() if k and k not in painted]
        if free:
            layer.data_setitem(np.nonzero(self.truth == free[len(free) // 2]), label)

    def step(self, record):
        now = time.perf_counter() - self.start
        self.steps.append((record.index, now))
        if record.preview is not None:
            found = record.preview.labels > 0
            true = self.truth[record.preview.window] > 0
            iou = (found & true).sum() / max(1, (found | true).sum())
            self.ious.append((now, float(iou)))

    def end(self, _ended):
        from qtpy.QtCore import QTimer

        self.ticker.stop()
        self.painter.stop()
        QTimer.singleShot(200, self.dock.viewer.close)

    def report(self):
        gaps = 1000 * np.array([gap for gap, _ in self.gaps])
        worst = sorted(self.gaps, reverse=True)[:5]
        (i0, t0), (i1, t1) = self.steps[0], self.steps[-1]
        useful = next((when for when, iou in self.ious if iou >= 0.5), None)
        print(
            f"gaps of a 10 ms tick: median {np.median(gaps):.1f}, "
            f"p99 {np.percentile(gaps, 99):.1f}, p99.9 {np.percentile(gaps, 99.9):.1f}, "
            f"max {gaps.max():.1f} ms"
        )
        print("worst:", ", ".join(f"{1000 * gap:.0f} ms at {at:.1f} s" for gap, at in worst))
        print(f"{(i1 - i0) / (t1 - t0):.1f} steps/s over {t1 - t0:.0f} s")
        if not self.ious:
            return
        print(
            f"{len(self.ious)} previews; first {self.ious[0][0]:.1f} s after Train, first with "
            f"foreground IoU >= .5 {'never' if useful is None else f'{useful:.1f} s'}, "
            f"last IoU {self.ious[-1][1]:.2f}"
        )


if __name__ == "__main__":
    main()
