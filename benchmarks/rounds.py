"""Measure what stays in memory of docks that were closed; needs a display, such as `xvfb-run`.

Each round opens the sample and a dock, trains until there is a preview, segments, deletes the
layers and closes the dock. What grows with napari alone (``--control napari``: the same layers and
an empty dock) or without a viewer (``--control training``) is not the docks'.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from common import machine

SIDE = 256
STEPS = 20
SMALL = {"network.width": 4, "network.depth": 2, "training.patch": 32, "training.batch": 2}
WARM_UP = 20
"""Rounds that are not counted: what is loaded and cached once is there by then."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=200)
    arguments.add_argument("--every", type=int, default=20, help="rounds between two lines")
    arguments.add_argument("--dock", choices=["Workspace", "Train"], default="Workspace")
    arguments.add_argument("--control", choices=["napari", "training"], help="without the docks")
    chosen = arguments.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_SCRIBE_HOME"] = folder
        measure(rounds_of(chosen.control or chosen.dock), chosen.rounds, chosen.every)


def measure(one_round: Callable[[], object], rounds: int, every: int) -> None:
    print("round   MB  objects     ours  widgets  threads  layers  seconds")
    warm, start = max(1, min(WARM_UP, rounds // 2)), time.perf_counter()
    for number in range(1, rounds + 1):
        one_round()
        if number in (1, warm, rounds) or number % every == 0:
            mb, now = memory(), counts()
            if number == warm:
                first_mb, first = mb, now
            seconds = time.perf_counter() - start
            print(f"{number:5} {mb:5.0f}", *(f"{n:8}" for n in now), f"{seconds:7.0f}", flush=True)
    names = ("objects", "of the plugin", "widgets", "threads", "layers")
    grown = ", ".join(f"{b - a:+} {n}" for a, b, n in zip(first, now, names, strict=True))
    print(f"since round {warm}: {mb / first_mb - 1:+.1%} memory, {grown}")


def memory() -> float:
    """Return the resident memory of this process in MB, once garbage is collected."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def counts() -> tuple[int, int, int, int, int]:
    """Return how many Python objects there are, those of the plugin, widgets, threads, layers.

    A weak reference to a dock would say nothing: it dies with Qt's part of the dock.
    """
    from qtpy.QtWidgets import QApplication

    objects = gc.get_objects()
    ours = sum(str(type(thing).__module__).startswith("napari_scribe.plugin") for thing in objects)
    application = QApplication.instance()
    widgets = 0 if application is None else len(QApplication.allWidgets())
    return len(objects), ours, widgets, threading.active_count(), len(LAYERS)


LAYERS: WeakSet[Any] = WeakSet()


def rounds_of(what: str) -> Callable[[], object]:
    """Return what is done in a round: that of a dock, or of a control."""
    if what == "training":
        return train_and_segment
    import napari

    viewer = napari.Viewer(show=True)
    viewer.layers.events.inserted.connect(lambda event: LAYERS.add(event.value))
    if what == "napari":
        return lambda: napari_alone(viewer)
    return lambda: dock_round(viewer, what)


def dock_round(viewer: Any, name: str) -> None:
    """Do what a person does in a sitting, in a few seconds."""
    docked, widget = viewer.window.add_plugin_dock_widget("napari-scribe", name)
    add_sample(viewer)
    until(lambda: True)
    dock = widget.page("Train") if name == "Workspace" else widget
    train_in(dock)
    viewer.layers.clear()
    viewer.window.remove_dock_widget(docked)
    del dock, widget, docked
    rest()


def train_in(dock: Any) -> None:
    """Train until there is a preview, and segment."""
    layers, steps = dock.viewer.layers, [0]
    dock.form.more.recipe.set_changes(SMALL)
    dock.runner.record.connect(lambda record: steps.append(getattr(record, "index", 0)))
    dock.train()
    until(lambda: "nuclei preview" in layers and max(steps) >= STEPS)
    dock.stop()
    until(lambda: not dock.runner.is_busy)
    dock.segment()
    until(lambda: not dock.runner.is_busy)
    assert "nuclei labels" in layers, dock.message.text


def napari_alone(viewer: Any) -> None:
    """Add and delete the layers of a round, beside an empty dock."""
    from qtpy.QtWidgets import QWidget

    from napari_scribe.plugin.layers.conversion import placement

    docked = viewer.window.add_dock_widget(QWidget(), name="Empty")
    add_sample(viewer)
    for name in ("nuclei preview", "nuclei labels"):
        labels = np.ones((SIDE, SIDE), np.int32)
        viewer.add_labels(labels, name=name, **placement(viewer.layers["nuclei"], "YX"))
        until(lambda: True)
    viewer.layers.clear()
    viewer.window.remove_dock_widget(docked)
    del docked
    rest()


def train_and_segment() -> None:
    """Train and segment as in a round, in a thread, as the docks do."""
    import napari_scribe as ns
    from napari_scribe.samples import nuclei

    def work() -> None:
        sample = nuclei((SIDE, SIDE))
        recipe = ns.Recipe().changed(SMALL)
        model = ns.run(ns.train([sample.image], [sample.paint], recipe, steps=STEPS))
        ns.run(ns.segment(model, sample.image))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def add_sample(viewer: Any) -> None:
    for data, options, kind in sample():
        named = {**options, "name": options["name"].replace(f" {SIDE}", "")}
        getattr(viewer, f"add_{kind}")(data.copy(), **named)


@cache
def sample() -> Any:
    from napari_scribe.plugin.samples import nuclei_layers

    return nuclei_layers(SIDE)


def until(is_so: Callable[[], bool], seconds: float = 600) -> None:
    """Let events happen until something is so."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, timer, end = QEventLoop(), QTimer(interval=50), time.perf_counter() + seconds
    timer.timeout.connect(lambda: (is_so() or time.perf_counter() > end) and loop.quit())
    timer.start()
    loop.exec()
    assert is_so()


def rest(seconds: float = 0.2) -> None:
    """Let what was closed be deleted: it is by the event after next."""
    end = time.perf_counter() + seconds
    for _ in range(3):
        until(lambda: time.perf_counter() > end)


if __name__ == "__main__":
    main()
